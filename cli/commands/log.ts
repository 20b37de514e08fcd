// abnpkg log NAME, and log status|prove|check: what a build said; what logs say.
import { existsSync } from 'node:fs'
import { findEntry } from '../../builder/evaluate/find.ts'
import { AbnError } from '../../format/errors.ts'
import { storeItemOf } from '../../format/store-path.ts'
import { layoutOf } from '../../store/layout.ts'
import type { Arguments, OptionTable } from '../args.ts'
import type { Command, Surroundings } from '../commands.ts'
import { evaluationFor, rootOf } from '../session.ts'

const options: OptionTable = {
  output: { type: 'string', short: 'o', value: 'FILE', help: 'prove: write all evidence into this file' },
  'tlog-proof': {
    type: 'string',
    value: 'DIR',
    help: 'prove: write each entry and its proof (C2SP tlog-proof) into this directory',
  },
  offline: { type: 'boolean', help: 'prove: take what was kept when it was fetched, and ask nobody' },
  key: { type: 'string', multiple: true, value: 'KEY', help: 'check: the key of a log that the policy does not name' },
  entry: {
    type: 'string',
    value: 'FILE',
    help: "check: the entry that a tlog-proof is about; else FILE with '.json' in place of '.tlog-proof'",
  },
}

export const log: Command = {
  usage: 'NAME | status | prove [NAME...] | check FILE',
  details: [
    'With a name, prints what the last build of a package said on this machine, also of one that failed (NAME@VERSION for a package with',
    'the name of an action). The others are about transparency logs (docs/logs.md):',
    '  status  what was seen of the logs that the policy names: how large, when, by which witnesses; and alarms. Exit status 1 with alarms',
    '  prove   where the statements about packages are logged; without names, about those that the lock of this project names. With -o, all',
    '          the evidence into a file, for abnpkg verify --bundle. Exit status 1 when something is not logged',
    '  check   whether a proof, an alarm, a checkpoint or a file of evidence holds. Asks nobody. Exit status 1 when it does not',
  ].join('\n'),
  options,
  async run(args, surroundings) {
    const [action, ...names] = args.names
    if (action === 'status' && names.length === 0) {
      requireOptions(args, 'status', [])
      return (await import('../logs/status.ts')).status(args, surroundings)
    }
    if (action === 'prove') {
      requireOptions(args, 'prove', ['output', 'tlog-proof', 'offline'])
      return (await import('../logs/prove.ts')).prove(names, args, surroundings)
    }
    const [file] = names
    if (action === 'check' && file !== undefined && names.length === 1) {
      requireOptions(args, 'check', ['key', 'entry'])
      return (await import('../logs/check.ts')).check(file, args, surroundings)
    }
    if (action === undefined || names.length > 0) {
      throw usage(`expected the name of one package, status, prove or check FILE, got '${args.names.join(' ')}'`)
    }
    requireOptions(args, action, [])
    return printLog(action, args, surroundings)
  },
}

async function printLog(spec: string, args: Arguments, { output, signal }: Surroundings): Promise<number> {
  const { name, version, outputs } = await findEntry(await evaluationFor(args, signal), spec)
  const { log: directory } = layoutOf(rootOf(args))
  const path = outputs.out && `${directory}/${storeItemOf(outputs.out)}.log.zst`
  if (path === undefined || !existsSync(path)) {
    throw new AbnError('ABN_LOG_MISSING', `there is no log of ${name} ${version} in ${directory}`, {
      hint: `abnpkg build ${spec} makes one`,
    })
  }
  const { readLog } = await import('../../builder/realise/log.ts')
  const text = readLog(path).toString('utf8')
  if (text !== '') output.line(text.replace(/\n$/, ''))
  output.document({ name, version, path, log: text })
  return 0
}

function requireOptions(args: Arguments, action: string, allowed: readonly string[]): void {
  const other = Object.keys(options).find((name) => args.options[name] !== undefined && !allowed.includes(name))
  if (other !== undefined) throw usage(`--${other} does not go with ${action}`)
}

function usage(reason: string): AbnError {
  return new AbnError('ABN_USAGE', `log: ${reason}`, { hint: "see 'abnpkg log --help'" })
}
