// A first policy from options: operators, logs and witnesses by their keys, and what a TEE has to be.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { JsonValue } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import { parseHumanJson } from '../../format/human-json.ts'
import { encodePublicKey, parsePublicKey } from '../../trust/key.ts'
import { encodeWitnessKey, parseWitnessKey } from '../../trust/log/cosignature.ts'
import { measurementOf } from '../../trust/policy/tee-schema.ts'
import { type Arguments, type OptionTable, textOption } from '../args.ts'

export const initOptions: OptionTable = {
  preset: { type: 'string', value: 'NAME', help: 'init: source-only, two-independent or paranoid' },
  operator: {
    type: 'string',
    multiple: true,
    value: 'NAME=KEY',
    help: 'init: an operator with a public key, as abnpkg key show prints it',
  },
  log: { type: 'string', multiple: true, value: 'KEY', help: 'init: the key of a log in which statements have to be' },
  witness: {
    type: 'string',
    multiple: true,
    value: 'KEY',
    help: 'init: the key of a witness of logs, as abnpkg witness key prints it',
  },
  'tee-root': {
    type: 'string',
    multiple: true,
    value: 'ROOT',
    help: 'init: intel, or simulated:SHA256, which proves nothing',
  },
  measurement: {
    type: 'string',
    multiple: true,
    value: 'FILE',
    help: 'init: what may run in a TEE, as docs/formats/policy.md describes it',
  },
}

/** The text of the policy, for a person to go on from. Throws ABN_USAGE, ABN_KEY_INVALID, ABN_POLICY_INVALID. */
export function policyTextOf(args: Arguments): string {
  const pairs = textsOf(args, 'operator').map((one) => {
    const [, name = '', key = ''] = /^([^=]+)=(.+)$/.exec(one) ?? []
    if (name === '') throw usage(`--operator: expected NAME=KEY, got '${one}'`)
    return { name, key: encodePublicKey(parsePublicKey(key)) }
  })
  const operators = [...Map.groupBy(pairs, ({ name }) => name)].map(([name, own]) => ({
    name,
    keys: own.map(({ key }) => key),
  }))
  const kind = textOption(args, 'preset') ?? (operators.length >= 2 ? 'two-independent' : 'source-only')
  const logs = textsOf(args, 'log').map((line) => encodePublicKey(parsePublicKey(line)))
  const witnesses = textsOf(args, 'witness').map((line) => encodeWitnessKey(parseWitnessKey(line)))
  const policy = {
    format: 1,
    operators,
    default: { kind },
    packages: {},
    ...(logs.length === 0 ? {} : { logs }),
    ...(witnesses.length === 0 ? {} : { witnesses }),
    ...teeFrom(args),
  }
  return JSON.stringify(policy, undefined, 2)
}

/** Platforms that are up to date, sessions of at most thirty days, collateral of today: a person may ask for less. */
function teeFrom(args: Arguments): { readonly tee?: object } {
  const roots = textsOf(args, 'tee-root')
  const files = textsOf(args, 'measurement')
  if (roots.length === 0 && files.length === 0) return {}
  if (roots.length === 0 || files.length === 0) {
    throw usage('--tee-root and --measurement go together: whose quotes are believed, and about what', {
      hint: 'abnpkg tee measure computes what a machine will measure; --tee-root intel is for real ones',
    })
  }
  const measurements = files.map(measurementIn)
  const age = { since: 'session', maximum: 30 * 86_400 }
  const rest = { minimumEvaluationNumber: 0, serviceTds: [], age, collateral: 'present' }
  return { tee: { roots, statuses: ['UpToDate'], measurements, ...rest } }
}

function measurementIn(file: string): JsonValue {
  const fail = (reason: string, cause?: unknown): AbnError =>
    new AbnError('ABN_POLICY_INVALID', `${file}: ${reason}`, {
      hint: 'docs/formats/policy.md shows a measurement: its name, and the registers mrTd and rtmr0 to rtmr3',
      cause,
    })
  let text: string
  try {
    text = readFileSync(resolve(file), 'utf8')
  } catch (cause) {
    throw fail('cannot be read', cause)
  }
  const value = parseHumanJson(text, { maximumBytes: 64 * 1024, fail })
  measurementOf(value, { path: '', fail })
  return value
}

function textsOf({ options }: Arguments, name: string): readonly string[] {
  const given = options[name]
  return (Array.isArray(given) ? given : []).map(String)
}

function usage(reason: string, { hint = "see 'abnpkg policy --help'" } = {}): AbnError {
  return new AbnError('ABN_USAGE', `policy: ${reason}`, { hint })
}
