// abnpkg monitor: follows transparency logs and tells what in them nobody should overlook.
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import type { Finding } from '../../builder/monitor/finding.ts'
import type { Monitored } from '../../builder/monitor/monitor.ts'
import type { SilentKey, Watch } from '../../builder/monitor/watch.ts'
import { AbnError } from '../../format/errors.ts'
import { type Arguments, durationOption, textOption } from '../args.ts'
import type { Command } from '../commands.ts'
import { countText, type Output } from '../output.ts'

export const monitor: Command = {
  usage: '[URL...] [--log KEY...] [--once] [--every TIME] [--silent KEY...] [--webhook URL]',
  details: [
    'Follows the logs of caches (yours, unless you name others): checks that each only grows, reads every entry, and tells what',
    'somebody should look at: forks, divergences, unknown keys, statements by a key that should be silent, revocations, sessions.',
    'What was read is remembered; started again, it goes on from there. With --once the exit status is 1 when there was an alarm or a',
    'warning. With --json a line of JSON is printed for each finding, and with --once one document. docs/monitoring.md',
  ].join('\n'),
  options: {
    log: { type: 'string', multiple: true, value: 'KEY', help: "public key of a log (your policy's logs are known)" },
    witness: { type: 'string', multiple: true, value: 'KEY', help: "key of a witness (your policy's are known)" },
    known: { type: 'string', multiple: true, value: 'KEY', help: "a key that may sign (your policy's operators may)" },
    silent: { type: 'string', multiple: true, value: 'KEY', help: 'a key, or its id, that should sign nothing now' },
    once: { type: 'boolean', help: 'read what is new, then end' },
    every: { type: 'string', value: 'TIME', help: 'between two looks (default 1m)' },
    stale: { type: 'string', value: 'TIME', help: 'how long a witness may be silent (default 24h)' },
    idle: { type: 'string', value: 'TIME', help: 'how long a log may stand still (default 7d)' },
    webhook: { type: 'string', value: 'URL', help: 'send what is found there, as JSON by POST' },
    state: {
      type: 'string',
      value: 'DIR',
      help: 'where to remember, and where proof is kept (default below ~/.local/state)',
    },
  },
  async run(args, { output, signal }) {
    const { runMonitor } = await import('../../builder/monitor/monitor.ts')
    const { parseWebhook } = await import('../../builder/monitor/webhook.ts')
    const hook = textOption(args, 'webhook')
    const webhook = hook === undefined ? undefined : parseWebhook(hook)
    const { urls, watch } = await watchOf(args)
    const once = args.options.once === true
    const report = await reporterFor(output, once)
    const done = await runMonitor({
      urls,
      watch,
      directory: directoryOf(args),
      once,
      everySeconds: durationOption(args, 'every', { least: 1 }) ?? 60,
      staleSeconds: durationOption(args, 'stale', { least: 1 }) ?? DAY,
      idleSeconds: durationOption(args, 'idle', { least: 1 }) ?? 7 * DAY,
      webhook,
      signal,
      nowSeconds: () => Math.floor(Date.now() / 1000),
      onFinding: report.finding,
      onProblem: (text) => output.note(`problem: ${text}`),
    })
    return report.end(done)
  },
}

const DAY = 86_400
const MOST_IN_DOCUMENT = 1000

type Reporter = { readonly finding: (finding: Finding) => void; readonly end: (done: Monitored) => number }

async function reporterFor(output: Output, once: boolean): Promise<Reporter> {
  const { jsonOfFinding, lineOfFinding } = await import('../../builder/monitor/finding.ts')
  const { canonicalJson } = await import('../../format/canonical-json.ts')
  const found: unknown[] = []
  return {
    finding(finding) {
      if (!output.isJson) output.line(lineOfFinding(finding))
      else if (!once) output.raw(Buffer.from(`${canonicalJson(jsonOfFinding(finding))}\n`))
      else if (found.length < MOST_IN_DOCUMENT) found.push(jsonOfFinding(finding))
    },
    end({ told, logs }) {
      for (const { origin, size, read } of logs)
        output.note(`${origin}: ${read} of ${countText(size, 'entry', 'entries')} read`)
      const isBad = told.alarm + told.warning > 0
      if (once) output.document({ findings: found, told, logs })
      return once && isBad ? 1 : 0
    },
  }
}

async function watchOf(args: Arguments): Promise<{ readonly urls: readonly string[]; readonly watch: Watch }> {
  const configuration = await import('../../builder/substitute/configuration.ts')
  const { logAddressOf } = await import('../../builder/log/read-log.ts')
  const { parseSilentKey } = await import('../../builder/monitor/watch.ts')
  const { parsePublicKey } = await import('../../trust/key.ts')
  const { parseWitnessKey } = await import('../../trust/log/cosignature.ts')
  const configured = configuration.readConfiguration(configuration.configurationDirectories(process.env))
  const policy = configured.policy?.policy
  const addresses = args.names.length > 0 ? args.names.map(configuration.parseCacheAddress) : configured.caches
  const logs = [...(policy?.logs ?? []), ...texts(args, 'log').map(parsePublicKey)]
  const operators = (policy?.operators ?? []).flatMap(({ name, keys }) =>
    keys.map((key) => [key.id, { name, key }] as const),
  )
  const given = texts(args, 'known').map((line) => {
    const key = parsePublicKey(line)
    return [key.id, { name: key.name, key }] as const
  })
  if (addresses.length === 0)
    throw usage('expected the address of a cache, or one that was added with abnpkg cache add')
  if (logs.length === 0) throw usage('expected --log with the public key of a log, or a policy that names logs')
  const silent: readonly SilentKey[] = texts(args, 'silent').map(parseSilentKey)
  return {
    urls: [...new Set(addresses.map(logAddressOf))],
    watch: {
      logs: new Map(logs.map((log) => [log.name, log])),
      witnesses: [...(policy?.witnesses ?? []), ...texts(args, 'witness').map(parseWitnessKey)],
      known: new Map([...given, ...operators]),
      silent: new Map(silent.map((one) => [one.id, one])),
    },
  }
}

/** `--state`, or below $XDG_STATE_HOME. */
function directoryOf(args: Arguments): string {
  const given = textOption(args, 'state')
  if (given !== undefined) return resolve(given)
  const { XDG_STATE_HOME: home } = process.env
  return join(home && isAbsolute(home) ? home : join(homedir(), '.local/state'), 'abnpkg/monitor')
}

function texts(args: Arguments, name: string): readonly string[] {
  const given = args.options[name]
  return (Array.isArray(given) ? given : []).filter((text) => typeof text === 'string')
}

function usage(reason: string): AbnError {
  return new AbnError('ABN_USAGE', `monitor: ${reason}`, { hint: "see 'abnpkg monitor --help'" })
}
