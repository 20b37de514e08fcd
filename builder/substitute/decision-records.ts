/**
 * Why things came into the store as they did, kept beside it: var/decisions/<digest>.zst holds the decisions of one plan with all that
 * is needed to come to them again offline, the policy and the evidence. An item that was substituted names its record in its
 * origin; for one that was built, var/decisions/<item>.json says why. Crash order: the record, then the item.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { createZstdCompress, constants as zlib, zstdDecompressSync } from 'node:zlib'
import { canonicalJson, encodeCanonicalJson, type JsonValue, parseCanonicalJson } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import { below, fieldsOf, listOf, type Place, requireThat, textOf } from '../../format/fields.ts'
import { parseSha256, type Sha256, sha256Of, sha256Stream } from '../../format/hash.ts'
import { type StorePath, storeItemOf } from '../../format/store-path.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import type { Store } from '../../store/store.ts'
import { writeDurably } from '../../store/write-durably.ts'
import { bundlePieces, decodeBundle, maximumBundleBytes } from '../../trust/bundle.ts'
import { type Evidence, evidenceNamed, type VerificationMemory, type VerifiedEvidence } from '../../trust/evidence.ts'
import type { Decision } from '../../trust/policy/decision.ts'
import { decisionOfJson, jsonOfDecision } from '../../trust/policy/decision-schema.ts'
import { encodePolicy, type Policy, parsePolicy } from '../../trust/policy/policy.ts'
import { replay } from '../../trust/policy/replay.ts'

export type DecisionRecord = {
  readonly policy: Policy
  readonly evidence: readonly Evidence[]
  readonly decisions: readonly Decision[]
}

export type NewDecisionRecord = Omit<DecisionRecord, 'evidence'> & { readonly evidence: VerifiedEvidence }

/** Its name. Evidence that no decision names is left out. Compressed on another thread, piece by piece. */
export async function writeDecisionRecord(store: Store, record: NewDecisionRecord): Promise<Sha256> {
  const hash = sha256Stream()
  const packed: Uint8Array[] = []
  const pieces = function* (): Generator<Uint8Array, void, void> {
    for (const piece of inPieces(piecesOf(record), PIECE_BYTES)) {
      hash.update(piece)
      yield piece
    }
  }
  const params = { [zlib.ZSTD_c_compressionLevel]: 3 }
  await pipeline(pieces, createZstdCompress({ chunkSize: PIECE_BYTES, params }), async (chunks) => {
    for await (const chunk of chunks) packed.push(chunk)
  })
  const name = hash.digest()
  const file = fileOf(store, name)
  if (!existsSync(file)) writeAt(store, file, Buffer.concat(packed))
  return name
}

/** The canonical JSON of the record: its members in their order. */
function* piecesOf({ policy, evidence, decisions }: NewDecisionRecord): Generator<string, void, void> {
  yield '{"decisions":['
  for (const [i, decision] of decisions.entries()) {
    yield `${i === 0 ? '' : ','}${canonicalJson(jsonOfDecision(decision))}`
  }
  yield '],"evidence":"'
  for (const bytes of inPieces(bundleOf(decisions, evidence), BASE64_BYTES)) yield bytes.toString('base64')
  yield `","format":1,"policy":${canonicalJson(encodePolicy(policy))}}`
}

const PIECE_BYTES = 192 * 1024
/** A multiple of three, so that the pieces of base 64 make one text. */
const BASE64_BYTES = 3 * 16 * 1024

/** The UTF-8 of the texts, each piece but the last with so many bytes. */
function* inPieces(texts: Iterable<string>, bytes: number): Generator<Buffer, void, void> {
  let piece = Buffer.alloc(bytes)
  let filled = 0
  for (const text of texts) {
    const more = Buffer.from(text)
    for (let at = 0; at < more.length; ) {
      const taken = more.copy(piece, filled, at)
      filled += taken
      at += taken
      if (filled < bytes) continue
      yield piece
      piece = Buffer.alloc(bytes)
      filled = 0
    }
  }
  if (filled > 0) yield piece.subarray(0, filled)
}

function bundleOf(decisions: readonly Decision[], evidence: VerifiedEvidence) {
  const named = new Set(decisions.flatMap((decision) => decision.evidence))
  const { attestations, others } = evidenceNamed(evidence, named)
  return bundlePieces(attestations, others)
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
 * The decision about one store path, come to again from the evidence, and with it those about its inputs on which it rests.
 * Throws ABN_DECISION_MISSING when there is none, ABN_DECISION_DIFFERS when another one comes out.
 */
export function replayRecord({ policy, evidence, decisions }: DecisionRecord, path: StorePath): Decision {
  const found = decisions.find(({ request }) => request.path === path && request.depth === null)
  if (found === undefined) throw new AbnError('ABN_DECISION_MISSING', `the record holds no decision about ${path}`)
  const byPath = Map.groupBy(decisions, ({ request }) => request.path)
  const byDigest = Map.groupBy(evidence, ({ bytes }) => sha256Of(bytes))
  const memory: VerificationMemory = new Map()
  const again = (decision: Decision): Decision => {
    const named = decision.evidence.flatMap((digest) => byDigest.get(digest) ?? [])
    return replay(decision, named, policy, memory)
  }
  const needed = new Set([found])
  // A set that grows while it is iterated over is iterated over to its end.
  for (const decision of needed) {
    if (decision !== found) again(decision)
    const asked = decision.request.inputs.filter(({ accepted }) => accepted !== null)
    for (const input of asked) for (const one of byPath.get(input.path) ?? []) needed.add(one)
  }
  return again(found)
}

/** What is known of an item that was built although there is a policy. */
export type BuiltNote = {
  readonly because: 'refused' | 'missed' | 'references' | 'not-asked' | 'source-only'
  readonly record: Sha256 | null
}

export function writeBuiltNote(store: Store, path: StorePath, { because, record }: BuiltNote): void {
  writeAt(store, noteOf(store, path), encodeCanonicalJson({ format: 1, because, record }))
}

/** Without a reason, what was noted about an earlier build of them is forgotten. */
export function noteBuilds(store: Store, paths: readonly StorePath[], because: BuiltNote['because'] | undefined): void {
  for (const path of paths) {
    if (because !== undefined) writeBuiltNote(store, path, { because, record: null })
    else withDiskErrors(`cannot remove ${noteOf(store, path)}`, () => rmSync(noteOf(store, path), { force: true }))
  }
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
