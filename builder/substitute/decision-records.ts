/**
 * Why things came into the store as they did, kept beside it: var/decisions/<digest>.zst holds the decisions of one plan with all that
 * is needed to come to them again offline, the policy and the evidence. An item that was substituted names its record in its
 * origin; for one that was built, var/decisions/<item>.json says why. Crash order: the record, then the item.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { constants as zlib, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { canonicalJson, encodeCanonicalJson, type JsonValue, parseCanonicalJson } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import { below, fieldsOf, listOf, type Place, requireThat, textOf } from '../../format/fields.ts'
import { parseSha256, type Sha256, sha256Of } from '../../format/hash.ts'
import { type StorePath, storeItemOf } from '../../format/store-path.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import type { Store } from '../../store/store.ts'
import { writeDurably } from '../../store/write-durably.ts'
import { decodeBundle, encodeBundle, maximumBundleBytes } from '../../trust/bundle.ts'
import type { Evidence, VerificationMemory } from '../../trust/evidence.ts'
import type { Decision } from '../../trust/policy/decision.ts'
import { decisionOfJson, jsonOfDecision } from '../../trust/policy/decision-schema.ts'
import { encodePolicy, type Policy, parsePolicy } from '../../trust/policy/policy.ts'
import { replay } from '../../trust/policy/replay.ts'

export type DecisionRecord = {
  readonly policy: Policy
  readonly evidence: readonly Evidence[]
  readonly decisions: readonly Decision[]
}

/** Its name. Evidence that no decision names is left out. */
export function writeDecisionRecord(store: Store, { policy, evidence, decisions }: DecisionRecord): Sha256 {
  const named = new Set(decisions.flatMap((decision) => decision.evidence))
  const bundle = encodeBundle(evidence.filter(({ bytes }) => named.has(sha256Of(bytes))))
  const json = {
    format: 1,
    policy: encodePolicy(policy),
    evidence: Buffer.from(bundle).toString('base64'),
    decisions: decisions.map(jsonOfDecision),
  }
  const text = canonicalJson(json)
  const name = sha256Of(text)
  const file = fileOf(store, name)
  if (existsSync(file)) return name
  writeAt(store, file, zstdCompressSync(text, { params: { [zlib.ZSTD_c_compressionLevel]: 6 } }))
  return name
}

/** Throws ABN_DECISION_MISSING or ABN_DECISION_INVALID. */
export function readDecisionRecord(store: Store, name: Sha256): DecisionRecord {
  const file = fileOf(store, name)
  if (!existsSync(file)) throw new AbnError('ABN_DECISION_MISSING', `${file} is gone`)
  const bytes = unpacked(file)
  if (sha256Of(bytes) !== name) throw new AbnError('ABN_DECISION_INVALID', `${file} is damaged`)
  const place: Place = { path: '', fail: (reason) => new AbnError('ABN_DECISION_INVALID', `${file}: ${reason}`) }
  const fields = fieldsOf(parseCanonicalJson(bytes, { bytes: MAXIMUM_BYTES }), place, [
    'decisions',
    'evidence',
    'format',
    'policy',
  ])
  requireThat(fields.format === 1, below(place, 'format'), 'expected 1')
  return {
    policy: parsePolicy(textOf(fields.policy, below(place, 'policy'))),
    evidence: decodeBundle(Buffer.from(textOf(fields.evidence, below(place, 'evidence')), 'base64')),
    decisions: listOf(fields.decisions, below(place, 'decisions'), decisionOfJson),
  }
}

/**
 * The decisions about one store path, come to again from the evidence, those about its inputs included.
 * Throws ABN_DECISION_MISSING when there is none, ABN_DECISION_DIFFERS when another one comes out.
 */
export function replayRecord({ policy, evidence, decisions }: DecisionRecord, path: StorePath): Decision {
  const found = decisions.find(({ request }) => request.path === path && request.depth === null)
  if (found === undefined) throw new AbnError('ABN_DECISION_MISSING', `the record holds no decision about ${path}`)
  const memory: VerificationMemory = new Map()
  for (const decision of decisions) if (decision !== found) replay(decision, evidence, policy, memory)
  return replay(found, evidence, policy, memory)
}

/** What is known of an item that was built although there is a policy. */
export type BuiltNote = {
  readonly because: 'refused' | 'missed' | 'references' | 'not-asked' | 'source-only'
  readonly record: Sha256 | null
}

export function writeBuiltNote(store: Store, path: StorePath, { because, record }: BuiltNote): void {
  writeAt(store, noteOf(store, path), encodeCanonicalJson({ format: 1, because, record }))
}

/** Undefined when there is none. Throws ABN_DECISION_INVALID or ABN_JSON_INVALID. */
export function readBuiltNote(store: Store, path: StorePath): BuiltNote | undefined {
  const file = noteOf(store, path)
  if (!existsSync(file)) return undefined
  const place: Place = { path: '', fail: (reason) => new AbnError('ABN_DECISION_INVALID', `${file}: ${reason}`) }
  const fields = fieldsOf(parseCanonicalJson(readFileSync(file)), place, ['because', 'format', 'record'])
  requireThat(fields.format === 1, below(place, 'format'), 'expected 1')
  return {
    because: becauseOf(fields.because, below(place, 'because')),
    record: fields.record === null ? null : parseSha256(textOf(fields.record, below(place, 'record'))),
  }
}

const MAXIMUM_BYTES = 2 * maximumBundleBytes

function becauseOf(value: JsonValue, place: Place): BuiltNote['because'] {
  const known = (['refused', 'missed', 'references', 'not-asked', 'source-only'] as const).find((one) => one === value)
  requireThat(known !== undefined, place, 'no reason of this kind is known')
  return known
}

function unpacked(file: string): Uint8Array {
  try {
    return zstdDecompressSync(readFileSync(file), { maxOutputLength: MAXIMUM_BYTES })
  } catch (cause) {
    throw new AbnError('ABN_DECISION_INVALID', `${file} cannot be read`, { cause })
  }
}

function fileOf({ root }: Store, name: Sha256): string {
  return `${root}/var/decisions/${name}.zst`
}

function noteOf({ root }: Store, path: StorePath): string {
  return `${root}/var/decisions/${storeItemOf(path)}.json`
}

function writeAt({ root }: Store, file: string, content: Uint8Array): void {
  withDiskErrors(`cannot write ${file}`, () => mkdirSync(`${root}/var/decisions`, { recursive: true }))
  writeDurably(file, content)
}
