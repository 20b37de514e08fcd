/**
 * The sessions of builders: documents as they came, the collateral that they name and the newest of its family, and proofs that a
 * document was logged. Records of the index:
 *
 *   session/<digest of the session as signed>     SessionRecord (JSON): whose it is, and its documents
 *   session-document/<digest>                     the document
 *   session-proof/<digest of the document>        proofs by the origin of a log (JSON)
 *   collateral/<digest>                           the text
 *   collateral-use/<digest>/<user>                who needs it; while there is one, it stays
 *   newest-collateral/<family>/<operator's key>   digest of the newest that this operator has brought
 *
 * The packing of a document is signed by nobody, so that a session may have several; those that its operator brings are not
 * crowded out by those that a mirror finds. All changes are made with the queue `sessions` held.
 */
import { parseSha256, type Sha256, sha256Of } from '../format/hash.ts'
import { base64Of, bytesOfBase64 } from '../trust/bytes.ts'
import type { Evidence } from '../trust/evidence.ts'
import { type PublicKey, parsePublicKey } from '../trust/key.ts'
import type { Change, IndexReader } from './storage/index.ts'

export type SessionRecord = {
  /** Key id of the operator's key that signed it. */
  readonly operator: string
  /** The session's key, as a line. */
  readonly key: string
  /** Seconds since 1970. */
  readonly from: number
  readonly until: number
  readonly documents: readonly DocumentRecord[]
}

export type DocumentRecord = {
  readonly digest: Sha256
  /** Of it and of the collateral that came with it. */
  readonly bytes: number
  /** Its operator brought it himself. */
  readonly direct: boolean
  readonly collateral: { readonly digest: Sha256; readonly family: Sha256 } | null
}

export type Proofs = Readonly<Record<string, string>>

export const sessionsQueue = 'sessions'
export const sessionPrefix = 'session/'
export const documentPrefix = 'session-document/'

export async function sessionRecord(reader: IndexReader, session: Sha256): Promise<SessionRecord | undefined> {
  return recordOf(await reader.get(sessionPrefix + session))
}

/** `record` without documents ends it. */
export function sessionChange(session: Sha256, record: SessionRecord): Change {
  const key = sessionPrefix + session
  return record.documents.length === 0 ? { kind: 'remove', key } : { kind: 'put', key, value: encode(record) }
}

export async function* allSessions(
  reader: IndexReader,
): AsyncGenerator<{ readonly session: Sha256; readonly record: SessionRecord }> {
  for await (const [key, value] of reader.entries({ prefix: sessionPrefix })) {
    const record = recordOf(value)
    if (record !== undefined) yield { session: parseSha256(key.slice(sessionPrefix.length)), record }
  }
}

export function keyOfSession({ key }: SessionRecord): PublicKey {
  return parsePublicKey(key)
}

export function documentKey(document: Sha256): string {
  return documentPrefix + document
}

/**
 * All that a client needs to believe these sessions. Newer collateral is what any operator has brought, as it may speak against the
 * platform of another, and his own, which nobody can displace. What does not fit into an answer is left out whole, the last first.
 */
export async function sessionEvidence(reader: IndexReader, sessions: Iterable<Sha256>): Promise<readonly Evidence[]> {
  const names = [...new Set(sessions)]
  const records = (await reader.getMany(names.map((one) => sessionPrefix + one))).map(recordOf)
  const documents = records.flatMap((record) =>
    record === undefined ? [] : record.documents.map((document) => ({ ...document, operator: record.operator })),
  )
  const bytes = await reader.getMany(documents.map(({ digest }) => documentKey(digest)))
  const proofs = await reader.getMany(documents.map(({ digest }) => proofKey(digest)))
  const evidence: Evidence[] = []
  const wanted = new Set<Sha256>()
  const families = new Set<Sha256>()
  const newest = new Set<string>()
  let left = MAXIMUM_ANSWER_BYTES
  for (const [i, { collateral, operator }] of documents.entries()) {
    const document = bytes[i]
    if (document === undefined) continue
    const own: Evidence[] = [{ kind: 'session', bytes: document }, ...proofEvidence(proofs[i])]
    left -= own.reduce((sum, one) => sum + one.bytes.length, 0)
    if (left < 0) break
    evidence.push(...own)
    if (collateral === null) continue
    wanted.add(collateral.digest)
    families.add(collateral.family)
    newest.add(newestKey(operator, collateral.family))
  }
  for (const family of families) {
    const scan = { prefix: `${NEWEST}${family}/`, limit: OTHERS_COLLATERAL }
    for await (const key of reader.keys(scan)) newest.add(key)
  }
  for (const value of await reader.getMany([...newest])) if (value !== undefined) wanted.add(parseSha256(textOf(value)))
  for (const value of await reader.getMany([...wanted].map(collateralKey)))
    if (value !== undefined) evidence.push({ kind: 'collateral', bytes: value })
  return evidence
}

export async function proofsOf(reader: IndexReader, document: Sha256): Promise<Proofs> {
  const value = await reader.get(proofKey(document))
  return value === undefined ? {} : JSON.parse(textOf(value))
}

/** `proofs` by origin, each the bytes of a proof file in base 64. */
export function proofsChange(document: Sha256, proofs: Proofs): Change {
  const key = proofKey(document)
  return Object.keys(proofs).length === 0 ? { kind: 'remove', key } : { kind: 'put', key, value: encode(proofs) }
}

/** It comes, or one more needs it. */
export function collateralChanges(digest: Sha256, bytes: Uint8Array, user: string): readonly Change[] {
  return [
    { kind: 'put', key: collateralKey(digest), value: bytes },
    { kind: 'put', key: useKey(digest, user), value: new Uint8Array() },
  ]
}

/** One needs it no more; it goes with the last one. */
export async function collateralEnd(reader: IndexReader, digest: Sha256, user: string): Promise<readonly Change[]> {
  const own = useKey(digest, user)
  const changes: Change[] = [{ kind: 'remove', key: own }]
  for await (const key of reader.keys({ prefix: useKey(digest, ''), limit: 2 })) if (key !== own) return changes
  return [...changes, { kind: 'remove', key: collateralKey(digest) }]
}

export async function collateralBytes(reader: IndexReader, digest: Sha256): Promise<Uint8Array | undefined> {
  return reader.get(collateralKey(digest))
}

export async function newestCollateral(
  reader: IndexReader,
  operator: string,
  family: Sha256,
): Promise<Sha256 | undefined> {
  const value = await reader.get(newestKey(operator, family))
  return value === undefined ? undefined : parseSha256(textOf(value))
}

/** In place of `before`, whose end is not among these changes. */
export function newestChanges(operator: string, family: Sha256, digest: Sha256): readonly Change[] {
  return [{ kind: 'put', key: newestKey(operator, family), value: Buffer.from(digest) }]
}

export async function* allNewest(reader: IndexReader): AsyncGenerator<{
  readonly key: string
  readonly operator: string
  readonly family: Sha256
  readonly digest: Sha256
}> {
  for await (const [key, value] of reader.entries({ prefix: NEWEST })) {
    const [, family = '', operator = ''] = key.split('/')
    yield { key, operator, family: parseSha256(family), digest: parseSha256(textOf(value)) }
  }
}

/** Who needs collateral: a document, or an operator's key as the newest of a family. */
export function documentUser(document: Sha256): string {
  return `document-${document}`
}

export function newestUser(operator: string, family: Sha256): string {
  return `newest-${sha256Of(`${operator} ${family}`)}`
}

const NEWEST = 'newest-collateral/'
/** Of one family, besides that of the session's own operator; mostly they are the same. */
const OTHERS_COLLATERAL = 8
/** A bundle has at most 32 MiB, base 64 included. */
const MAXIMUM_ANSWER_BYTES = 12 * 1024 * 1024

function newestKey(operator: string, family: Sha256): string {
  return `${NEWEST}${family}/${operator}`
}

function collateralKey(digest: Sha256): string {
  return `collateral/${digest}`
}

function useKey(digest: Sha256, user: string): string {
  return `collateral-use/${digest}/${user}`
}

function proofKey(document: Sha256): string {
  return `session-proof/${document}`
}

function proofEvidence(value: Uint8Array | undefined): readonly Evidence[] {
  if (value === undefined) return []
  const proofs: Proofs = JSON.parse(textOf(value))
  return Object.values(proofs).flatMap((text) => {
    const bytes = bytesOfBase64(text)
    return bytes === undefined ? [] : [{ kind: 'session-proof', bytes }]
  })
}

export function encodeProof(bytes: Uint8Array): string {
  return base64Of(bytes)
}

function recordOf(value: Uint8Array | undefined): SessionRecord | undefined {
  return value === undefined ? undefined : JSON.parse(textOf(value))
}

function encode(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}
