// abnpkg policy init|show|check|explain|test
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { findPackage } from '../../builder/evaluate/find.ts'
import {
  configurationDirectories,
  readConfiguration,
  readPolicy,
  writeConfiguration,
} from '../../builder/substitute/configuration.ts'
import { AbnError } from '../../format/errors.ts'
import { encodePolicy, type Policy, parsePolicy, policyDigestOf } from '../../trust/policy/policy.ts'
import type { Arguments } from '../args.ts'
import type { Command, Surroundings } from '../commands.ts'
import { countText, type Output } from '../output.ts'
import { alarmLines, jsonOfAlarm } from '../plans/plan-reasons.ts'
import { requirePolicy } from '../policy/configured.ts'
import { initOptions, policyTextOf } from '../policy/init.ts'
import { linesOfPolicy } from '../policy/show.ts'
import { warningsAbout } from '../policy/warnings.ts'
import { evaluationFor, existingStore, storeToLookAt } from '../session.ts'

export const policy: Command = {
  usage: 'init | show | check [FILE] | explain NAME | test FILE',
  details: [
    'Whom you believe, and what it takes until something is fetched rather than built. Without a policy everything is built.',
    '  init     makes one: abnpkg policy init --operator alice=KEY --operator bob=KEY; docs/formats/policy.md has all that one can say',
    '  show     prints the one that holds',
    '  check    says whether a policy is valid, and what looks like a mistake in it',
    '  explain  asks your caches and tells what would be decided about a package; changes nothing',
    '  test     tells what of all that was fetched would still be accepted under another policy',
  ].join('\n'),
  options: {
    ...initOptions,
    'at-fetch': { type: 'boolean', help: 'test: as of the time when each was fetched, in place of now' },
  },
  async run(args, surroundings) {
    const [verb, name, ...more] = args.names
    if (more.length > 0) throw usage(`expected at most one name, got ${args.names.length - 1}`)
    if (verb === 'init' && name === undefined) return init(args, surroundings)
    if (verb === 'show' && name === undefined) return show(surroundings)
    if (verb === 'check') return check(name, surroundings)
    if (verb === 'explain' && name !== undefined) return explain(name, args, surroundings)
    if (verb === 'test' && name !== undefined) return test(name, args, surroundings)
    throw usage(`expected init, show, check [FILE], explain NAME or test FILE, got '${args.names.join(' ')}'`)
  },
}

function init(args: Arguments, { output }: Surroundings): number {
  const { user } = configurationDirectories(process.env)
  if (user === undefined)
    throw new AbnError('ABN_CONFIGURATION', 'there is no home directory', { hint: 'set XDG_CONFIG_HOME' })
  if (readPolicy({ user, system: undefined })) {
    throw new AbnError('ABN_POLICY_EXISTS', `${user}/policy.json is there already`, {
      hint: 'change it with an editor, then run abnpkg policy check',
    })
  }
  const text = policyTextOf(args)
  const parsed = parsePolicy(text)
  writeConfiguration(user, 'policy.json', `${text}\n`)
  output.line(`wrote ${user}/policy.json: ${parsed.default.kind}, ${countText(parsed.operators.length, 'operator')}`)
  for (const warning of warningsAbout(parsed)) output.note(`warning: ${warning}`)
  output.document({ file: `${user}/policy.json`, policy: JSON.parse(encodePolicy(parsed)) })
  return 0
}

function show({ output }: Surroundings): number {
  const { policy: found, file } = requirePolicy()
  output.line(file)
  for (const line of linesOfPolicy(found)) output.line(`  ${line}`)
  output.document({ file, digest: policyDigestOf(found), policy: JSON.parse(encodePolicy(found)) })
  return 0
}

function check(file: string | undefined, { output }: Surroundings): number {
  const found = file === undefined ? requirePolicy().policy : policyIn(file)
  const warnings = warningsAbout(found)
  output.line(`valid, digest ${policyDigestOf(found)}`)
  for (const warning of warnings) output.line(`warning: ${warning}`)
  output.document({ valid: true, digest: policyDigestOf(found), warnings })
  return 0
}

async function explain(name: string, args: Arguments, { output, signal }: Surroundings): Promise<number> {
  const configured = requirePolicy()
  const { caches } = readConfiguration(configurationDirectories(process.env))
  const evaluation = await evaluationFor(args, signal)
  const wanted = await findPackage(evaluation, name)
  const { prepareSubstitution } = await import('../../builder/substitute/substitute.ts')
  await using substitution = await prepareSubstitution([wanted], {
    store: storeToLookAt(args),
    everything: true,
    packages: evaluation,
    policy: configured.policy,
    caches,
    now: Math.floor(Date.now() / 1000),
    signal,
  })
  const { linesOfDecision } = await import('../../trust/policy/explain.ts')
  const { jsonOfDecision } = await import('../../trust/policy/decision-schema.ts')
  reportCaches(substitution.reports, output)
  for (const line of alarmLines(substitution.alarms)) output.note(line)
  const decisions = substitution.decisionsAbout(wanted)
  for (const decision of decisions) for (const line of linesOfDecision(decision)) output.line(line)
  output.document({
    policy: configured.file,
    caches: substitution.reports,
    alarms: substitution.alarms.map(jsonOfAlarm),
    decisions: decisions.map(jsonOfDecision),
  })
  return 0
}

function reportCaches(
  reports: readonly { readonly kind: string; readonly address: string; readonly reason?: string }[],
  output: Output,
): void {
  if (reports.length === 0) output.note('no cache was asked')
  for (const { kind, address, reason } of reports)
    if (kind === 'failed') output.note(`cache ${address} is left out: ${reason}`)
}

/** Offline: the evidence is that of the decisions that were kept. */
async function test(file: string, args: Arguments, { output }: Surroundings): Promise<number> {
  const tried = policyIn(file)
  const store = existingStore(args)
  const { acceptedUnder } = await import('../../builder/substitute/try-policy.ts')
  const now = args.options['at-fetch'] === true ? 'then' : Math.floor(Date.now() / 1000)
  const results = store === undefined ? [] : acceptedUnder(store, tried, now)
  const refused = results.filter(({ accepted }) => !accepted)
  for (const { path } of refused) output.line(`not accepted any more: ${path}`)
  output.line(`${results.length - refused.length} of ${countText(results.length, 'fetched item')} would be accepted`)
  output.document({ results })
  return refused.length === 0 ? 0 : 1
}

function policyIn(file: string): Policy {
  try {
    return parsePolicy(readFileSync(resolve(file), 'utf8'))
  } catch (cause) {
    if (cause instanceof AbnError) throw cause
    throw new AbnError('ABN_CONFIGURATION', `cannot read ${file}`, { cause })
  }
}

function usage(reason: string): AbnError {
  return new AbnError('ABN_USAGE', `policy: ${reason}`, { hint: "see 'abnpkg policy --help'" })
}
