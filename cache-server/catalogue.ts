/**
 * What a cache knows, as records of the index. Keys:
 *
 *   attestation/<recipe>/<attestation digest>             a line of JSON (Claim), then the envelope as it came
 *   use/<blob kind>/<digest>/<recipe>/<attestation>       who names a blob; while there is one, the blob stays
 *   path/<hash of the store path>/<recipe>                which recipe makes a store path
 *   blob/<kind>/<digest>                                  BlobRecord; the blob is visible while this is there
 *   divergent/<recipe>                                    since when
 *
 * An attestation and everything about it is one atomic write. Coming: blob, record. Going: record, blob.
 */
import { parseRecipeHash, parseSha256, type RecipeHash, type Sha256, sha256Of } from '../format/hash.ts'
import { storeHashOf } from '../format/store-path.ts'
import type { Attestation } from '../trust/attestation.ts'
import type { Statement } from '../trust/statement.ts'
import type { BlobKey, BlobKind } from './storage/blobs.ts'
import type { Change, Index, IndexReader } from './storage/index.ts'

/** What a divergence is judged by, so that no envelope need be parsed for it. */
export type Claim = {
  /** When it came, in seconds since 1970. */
  readonly at: number
  readonly key: string
  readonly expires: number
  /** Of the inputs' digests: with the recipe, what was built from. */
  readonly inputs: Sha256
  /** Of the outputs' digests: what came out. */
  readonly outputs: Sha256
}

export type StoredAttestation = { readonly digest: Sha256; readonly claim: Claim; readonly bytes: Uint8Array }

export type BlobRecord = {
  /** Of the blob as it is transferred. */
  readonly bytes: number
  /** SHA-256 of the same: the ETag. */
  readonly transport: Sha256
  readonly at: number
  readonly operator: string
  /** Of an archive: uncompressed size and references, as found in it. */
  readonly archive?: { readonly path: string; readonly bytes: number; readonly references: readonly string[] }
}

export function attestationChanges(attestation: Attestation, at: number): readonly Change[] {
  const { digest, statement, bytes } = attestation
  const { recipe } = statement
  const claim = claimOf(statement, at)
  const head = Buffer.from(`${JSON.stringify(claim)}\n`)
  return [
    { kind: 'put', key: `attestation/${recipe}/${digest}`, value: Buffer.concat([head, bytes]) },
    ...useKeysOf(attestation).map((key) => ({ kind: 'put', key, value: NOTHING }) as const),
    ...statement.outputs.map(
      ({ path }) => ({ kind: 'put', key: `path/${storeHashOf(path)}/${recipe}`, value: NOTHING }) as const,
    ),
  ]
}

/** `path/` records stay: they only help to find recipes. */
export function removalChanges(attestation: Attestation): readonly Change[] {
  const key = `attestation/${attestation.statement.recipe}/${attestation.digest}`
  return [key, ...useKeysOf(attestation)].map((one) => ({ kind: 'remove', key: one }))
}

export function blobsNamedBy(statement: Statement): readonly BlobKey[] {
  const { outputs, sources, log, tests } = statement
  const of = (kind: BlobKind, digests: readonly Sha256[]) => [...new Set(digests)].map((digest) => ({ kind, digest }))
  return [
    ...of(
      'archive',
      outputs.map(({ digest }) => digest),
    ),
    ...of('source', sources),
    ...of(
      'log',
      [log, tests].filter((digest) => digest !== null),
    ),
  ]
}

export function claimOf({ inputs, outputs, builder, expires }: Statement, at: number): Claim {
  return {
    at,
    key: builder.key,
    expires,
    inputs: sha256Of(inputs.map(({ path, digest }) => `${path} ${digest}\n`).join('')),
    outputs: sha256Of(outputs.map(({ output, digest }) => `${output} ${digest}\n`).join('')),
  }
}

/** In the order of their digests. */
export async function attestationsOf(reader: IndexReader, recipe: RecipeHash): Promise<readonly StoredAttestation[]> {
  const found: StoredAttestation[] = []
  const prefix = `attestation/${recipe}/`
  for await (const [key, value] of reader.entries({ prefix })) found.push(storedOf(key, value))
  return found
}

export async function* allAttestations(reader: IndexReader): AsyncGenerator<StoredAttestation> {
  for await (const [key, value] of reader.entries({ prefix: 'attestation/' })) yield storedOf(key, value)
}

export async function blobRecord(reader: IndexReader, key: BlobKey): Promise<BlobRecord | undefined> {
  const value = await reader.get(blobRecordKey(key))
  return value === undefined ? undefined : JSON.parse(textOf(value))
}

export function blobChange(key: BlobKey, record: BlobRecord): Change {
  return { kind: 'put', key: blobRecordKey(key), value: Buffer.from(JSON.stringify(record)) }
}

export function blobRecordKey({ kind, digest }: BlobKey): string {
  return `blob/${kind}/${digest}`
}

/** The attestations that name a blob. */
export async function* usesOf(
  reader: IndexReader,
  { kind, digest }: BlobKey,
): AsyncGenerator<{ readonly recipe: RecipeHash; readonly attestation: Sha256 }> {
  for await (const key of reader.keys({ prefix: `use/${kind}/${digest}/` })) {
    const [, , , recipe = '', attestation = ''] = key.split('/')
    yield { recipe: parseRecipeHash(recipe), attestation: parseSha256(attestation) }
  }
}

export async function attestationBytes(
  reader: IndexReader,
  recipe: RecipeHash,
  digest: Sha256,
): Promise<Uint8Array | undefined> {
  const key = `attestation/${recipe}/${digest}`
  const value = await reader.get(key)
  return value === undefined ? undefined : storedOf(key, value).bytes
}

export async function recipesOfPath(reader: IndexReader, storeHash: string): Promise<readonly RecipeHash[]> {
  const found: RecipeHash[] = []
  const prefix = `path/${storeHash}/`
  for await (const key of reader.keys({ prefix, limit: 16 })) found.push(parseRecipeHash(key.slice(prefix.length)))
  return found
}

/** Two that were built from the same bits and came out different. */
export function hasDivergence(claims: readonly Claim[]): boolean {
  const outputs = new Map<Sha256, Sha256>()
  for (const claim of claims) {
    const known = outputs.get(claim.inputs)
    if (known !== undefined && known !== claim.outputs) return true
    outputs.set(claim.inputs, claim.outputs)
  }
  return false
}

export async function recordFormat(index: Index): Promise<string | undefined> {
  const value = await index.get('format')
  return value === undefined ? undefined : textOf(value)
}

const NOTHING = new Uint8Array()
const NEWLINE = 0x0a

function useKeysOf({ digest, statement }: Attestation): readonly string[] {
  return blobsNamedBy(statement).map((blob) => `use/${blob.kind}/${blob.digest}/${statement.recipe}/${digest}`)
}

function storedOf(key: string, value: Uint8Array): StoredAttestation {
  const end = value.indexOf(NEWLINE)
  const claim: Claim = JSON.parse(textOf(value.subarray(0, end)))
  return { digest: parseSha256(key.slice(-64)), claim, bytes: value.subarray(end + 1) }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}
