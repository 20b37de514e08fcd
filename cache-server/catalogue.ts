/**
 * What a cache knows, as records of the index. Keys:
 *
 *   recipe/<recipe>                                       which attestations of it are here, with their claims (JSON)
 *   attestation/<recipe>/<attestation digest>             the envelope as it came
 *   use/<blob kind>/<digest>/<recipe>/<attestation>       who names a blob; while there is one, the blob stays
 *   path/<hash of the store path>/<recipe>                which recipe makes a store path
 *   blob/<kind>/<digest>                                  BlobRecord; the blob is visible while this is there
 *   divergent/<recipe>                                    since when the attestations of a recipe have diverged
 *   revocation/<key id>/<version>                         revocations.ts
 *   session/…, collateral/…                               sessions.ts
 *   log/…                                                 log/
 *
 * A question about a recipe is answered by looking up keys, and without walking through the index, which costs ten times as
 * much. An attestation and everything about it is one atomic write. Coming: blob, record. Going: record, blob.
 */
import { parseRecipeHash, parseSha256, type RecipeHash, type Sha256, sha256Of } from '../format/hash.ts'
import { storeHashOf } from '../format/store-path.ts'
import type { Attestation } from '../trust/attestation.ts'
import type { Statement } from '../trust/statement.ts'
import type { BlobKey, BlobKind } from './storage/blobs.ts'
import type { Change, IndexReader } from './storage/index.ts'

/** What a divergence is judged by, so that no envelope need be parsed for it. */
export type Claim = {
  /** When it came, in seconds since 1970. */
  readonly at: number
  readonly key: string
  /** Where a session signed: its digest, and the key id of its operator, who answers for it. */
  readonly session?: Sha256
  readonly by?: string
  readonly expires: number
  /** Of the inputs' digests: with the recipe, what was built from. */
  readonly inputs: Sha256
  /** Of the outputs' digests: what came out. */
  readonly outputs: Sha256
  /** The outputs' digests, each once. */
  readonly archives: readonly Sha256[]
}

/** One entry of recipe/<recipe>. */
export type Listed = { readonly digest: Sha256; readonly claim: Claim }
export type StoredAttestation = Listed & { readonly recipe: RecipeHash; readonly bytes: Uint8Array }

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

/** `others`: what is listed of the recipe. To be written while nobody else changes that. */
export function attestationChanges(
  attestation: Attestation,
  claim: Claim,
  others: readonly Listed[],
): readonly Change[] {
  const { digest, statement, bytes } = attestation
  const { recipe } = statement
  return [
    listChange(recipe, [...others, { digest, claim }]),
    { kind: 'put', key: attestationKey(recipe, digest), value: bytes },
    ...useKeysOf(attestation).map((key) => ({ kind: 'put', key, value: NOTHING }) as const),
    ...statement.outputs.map(
      ({ path }) => ({ kind: 'put', key: `path/${storeHashOf(path)}/${recipe}`, value: NOTHING }) as const,
    ),
  ]
}

/** `left`: what stays listed. `path/` records stay: they only help to find recipes. */
export function removalChanges(
  recipe: RecipeHash,
  gone: readonly Attestation[],
  left: readonly Listed[],
): readonly Change[] {
  const keys = gone.flatMap((one) => [attestationKey(recipe, one.digest), ...useKeysOf(one)])
  return [listChange(recipe, left), ...keys.map((key) => ({ kind: 'remove', key }) as const)]
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

/** `by`: the key id of the operator, where a session signed. */
export function claimOf({ inputs, outputs, builder, expires }: Statement, at: number, by: string): Claim {
  return {
    at,
    key: builder.key,
    ...(builder.kind === 'session' ? { session: builder.session, by } : {}),
    expires,
    inputs: sha256Of(inputs.map(({ path, digest }) => `${path} ${digest}\n`).join('')),
    outputs: sha256Of(outputs.map(({ output, digest }) => `${output} ${digest}\n`).join('')),
    archives: [...new Set(outputs.map(({ digest }) => digest))],
  }
}

/** Key id of the operator who answers for it. */
export function ownerKeyOf({ key, by }: Pick<Claim, 'key' | 'by'>): string {
  return by ?? key
}

export async function listedOf(reader: IndexReader, recipe: RecipeHash): Promise<readonly Listed[]> {
  return parseList(await reader.get(listKey(recipe)))
}

/** In the order of the recipes. */
export async function attestationsOf(
  reader: IndexReader,
  recipes: readonly RecipeHash[],
): Promise<readonly StoredAttestation[]> {
  const lists = await reader.getMany(recipes.map(listKey))
  const listed = recipes.flatMap((recipe, i) => parseList(lists[i]).map((one) => ({ recipe, ...one })))
  const envelopes = await reader.getMany(listed.map(({ recipe, digest }) => attestationKey(recipe, digest)))
  return listed.flatMap((one, i) => {
    const bytes = envelopes[i]
    // It was forgotten in between.
    return bytes === undefined ? [] : [{ ...one, bytes }]
  })
}

export async function* allRecipes(
  reader: IndexReader,
): AsyncGenerator<{ readonly recipe: RecipeHash; readonly listed: readonly Listed[] }> {
  for await (const [key, value] of reader.entries({ prefix: LISTS })) {
    yield { recipe: parseRecipeHash(key.slice(LISTS.length)), listed: parseList(value) }
  }
}

/** The keys of all envelopes, for checks. */
export async function* allEnvelopes(
  reader: IndexReader,
): AsyncGenerator<{ readonly recipe: RecipeHash; readonly digest: Sha256; readonly bytes: Uint8Array }> {
  for await (const [key, bytes] of reader.entries({ prefix: 'attestation/' })) {
    const [, recipe = '', digest = ''] = key.split('/')
    yield { recipe: parseRecipeHash(recipe), digest: parseSha256(digest), bytes }
  }
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

export function attestationBytes(
  reader: IndexReader,
  recipe: RecipeHash,
  digest: Sha256,
): Promise<Uint8Array | undefined> {
  return reader.get(attestationKey(recipe, digest))
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

export type DivergenceRecord = {
  /** When the first contradiction came, in seconds since 1970. */
  readonly since: number
}

export function divergenceRecord(recipe: RecipeHash): string {
  return `divergent/${recipe}`
}

export function encodeDivergence(record: DivergenceRecord): Uint8Array {
  return Buffer.from(JSON.stringify(record))
}

export function parseDivergence(value: Uint8Array): DivergenceRecord {
  return JSON.parse(textOf(value))
}

/** Of those that are here; in bytes as transferred. */
export async function transferSizesOf(
  reader: IndexReader,
  archives: Iterable<Sha256>,
): Promise<ReadonlyMap<Sha256, number>> {
  const digests = [...new Set(archives)]
  const values = await reader.getMany(digests.map((digest) => blobRecordKey({ kind: 'archive', digest })))
  const sizes = new Map<Sha256, number>()
  for (const [i, digest] of digests.entries()) {
    const value = values[i]
    if (value === undefined) continue
    const { bytes }: BlobRecord = JSON.parse(textOf(value))
    sizes.set(digest, bytes)
  }
  return sizes
}

const NOTHING = new Uint8Array()
const LISTS = 'recipe/'

function listKey(recipe: RecipeHash): string {
  return LISTS + recipe
}

export function attestationKey(recipe: RecipeHash, digest: Sha256): string {
  return `attestation/${recipe}/${digest}`
}

function listChange(recipe: RecipeHash, listed: readonly Listed[]): Change {
  if (listed.length === 0) return { kind: 'remove', key: listKey(recipe) }
  return { kind: 'put', key: listKey(recipe), value: Buffer.from(JSON.stringify(listed)) }
}

function parseList(value: Uint8Array | undefined): readonly Listed[] {
  return value === undefined ? [] : JSON.parse(textOf(value))
}

function useKeysOf({ digest, statement }: Attestation): readonly string[] {
  return blobsNamedBy(statement).map((blob) => `use/${blob.kind}/${blob.digest}/${statement.recipe}/${digest}`)
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}
