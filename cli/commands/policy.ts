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
import { encodePublicKey, parsePublicKey } from '../../trust/key.ts'
import { encodePolicy, type Policy, parsePolicy, policyDigestOf, ruleFor } from '../../trust/policy/policy.ts'
import { conditionsOf } from '../../trust/policy/presets.ts'
import { type Arguments, textOption } from '../args.ts'
import type { Command, Surroundings } from '../commands.ts'
import { countText, type Output } from '../output.ts'
import { evaluationFor, existingStore, storeToLookAt } from '../session.ts'

export const policy: Command = {
  usage: 'init | show | check [FILE] | explain NAME | test FILE',
  details: [
    'Whom you believe, and what it takes until something is fetched rather than built. Without a policy everything is built.',
    '  init     makes one: abnpkg policy init --operator alice=KEY --operator bob=KEY',
    '  show     prints the one that holds',
    '  check    says whether a policy is valid, and what looks like a mistake in it',
    '  explain  asks your caches and tells what would be decided about a package; changes nothing',
    '  test     tells what of all that was fetched would still be accepted under another policy',
  ].join('\n'),
  options: {
    preset: { type: 'string', value: 'NAME', help: 'init: source-only, two-independent or paranoid' },
    operator: {
      type: 'string',
      multiple: true,
      value: 'NAME=KEY',
      help: 'init: an operator with a public key, as abnpkg key show prints it',
    },
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
  const given = args.options.operator
  const pairs = (Array.isArray(given) ? given : []).map((one) => {
    const [, name = '', key = ''] = /^([^=]+)=(.+)$/.exec(String(one)) ?? []
    if (name === '') throw usage(`--operator: expected NAME=KEY, got '${String(one)}'`)
    return { name, key: encodePublicKey(parsePublicKey(key)) }
  })
  const operators = [...Map.groupBy(pairs, ({ name }) => name)].map(([name, own]) => ({
    name,
    keys: own.map(({ key }) => key),
  }))
  const kind = textOption(args, 'preset') ?? (operators.length >= 2 ? 'two-independent' : 'source-only')
  const text = JSON.stringify({ format: 1, operators, default: { kind }, packages: {} }, undefined, 2)
  const parsed = parsePolicy(text)
  writeConfiguration(user, 'policy.json', `${text}\n`)
  output.line(`wrote ${user}/policy.json: ${kind}, ${countText(operators.length, 'operator')}`)
  for (const warning of warningsAbout(parsed)) output.note(`warning: ${warning}`)
  output.document({ file: `${user}/policy.json`, policy: JSON.parse(encodePolicy(parsed)) })
  return 0
}

function show({ output }: Surroundings): number {
  const { policy: found, file } = requirePolicy()
  output.line(file)
  output.line(`  digest ${policyDigestOf(found)}`)
  for (const { name, keys } of found.operators)
    for (const key of keys) output.line(`  operator ${name}  ${encodePublicKey(key)}`)
  output.line(`  rule for everything: ${ruleText(found, '')}`)
  for (const name of found.packages.keys()) output.line(`  rule for ${name}: ${ruleText(found, name)}`)
  output.document({ file, digest: policyDigestOf(found), policy: JSON.parse(encodePolicy(found)) })
  return 0
}

function ruleText(found: Policy, name: string): string {
  const { rule } = ruleFor(found, name)
  const conditions = conditionsOf(rule)
  if (conditions === undefined) return rule.kind
  const factors = conditions.factors.map((factor) =>
    factor.kind === 'operators' ? `${factor.atLeast} operators` : factor.kind,
  )
  return `${rule.kind === 'factors' ? '' : `${rule.kind}: `}${factors.join(', ')}; depth ${conditions.depth}`
}

function check(file: string | undefined, { output }: Surroundings): number {
  const found = file === undefined ? requirePolicy().policy : policyIn(file)
  const warnings = warningsAbout(found)
  output.line(`valid, digest ${policyDigestOf(found)}`)
  for (const warning of warnings) output.line(`warning: ${warning}`)
  output.document({ valid: true, digest: policyDigestOf(found), warnings })
  return 0
}

/** What is allowed, but cannot be what somebody meant. */
function warningsAbout(found: Policy): string[] {
  const names = found.operators.map(({ name }) => name)
  return ['', ...found.packages.keys()].flatMap((name) => {
    const { rule } = ruleFor(found, name)
    const what = name === '' ? 'the default rule' : `the rule for ${name}`
    return (conditionsOf(rule)?.factors ?? []).flatMap((factor) => {
      if (factor.kind === 'operators') {
        const among = (factor.among ?? names).length
        if (among < factor.atLeast)
          return [`${what} wants ${factor.atLeast} operators, of whom ${among} can count: everything is built`]
        if (factor.atLeast === 1) return [`${what} believes a single operator`]
      }
      if (factor.kind === 'logged' || factor.kind === 'witnessed' || factor.kind === 'tee') {
        return [`${what} wants the factor "${factor.kind}", which this version cannot check: everything is built`]
      }
      return []
    })
  })
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
  const decisions = substitution.decisionsAbout(wanted)
  for (const decision of decisions) for (const line of linesOfDecision(decision)) output.line(line)
  output.document({ policy: configured.file, caches: substitution.reports, decisions: decisions.map(jsonOfDecision) })
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
  const results = store === undefined ? [] : acceptedUnder(store, tried, Math.floor(Date.now() / 1000))
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

function requirePolicy() {
  const found = readPolicy(configurationDirectories(process.env))
  if (found) return found
  throw new AbnError('ABN_POLICY_MISSING', 'no policy is configured: everything is built from source', {
    hint: 'abnpkg policy init --operator NAME=KEY --operator NAME=KEY makes one',
  })
}

function usage(reason: string): AbnError {
  return new AbnError('ABN_USAGE', `policy: ${reason}`, { hint: "see 'abnpkg policy --help'" })
}
