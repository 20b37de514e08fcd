/**
 * The list of divergences: recipes of which two attestations, built from the same bits, name different outputs. It is made
 * from the attestations each time, so that it shows what is signed and nothing else. A divergence stays listed for as long as
 * both sides are kept, also when they have expired: it happened, and clients let it block. One that only rests on statements
 * which their operators have taken back is `settled`, and blocks nobody.
 */
import { parseRecipeHash, type RecipeHash, type Sha256 } from '../format/hash.ts'
import { parseAttestation } from '../trust/attestation.ts'
import {
  attestationsOf,
  divergenceRecord,
  hasDivergence,
  listedOf,
  ownerKeyOf,
  parseDivergence,
  type StoredAttestation,
} from './catalogue.ts'
import type { Operators } from './operators.ts'
import { type TakenBack, takenBack } from './revocations.ts'
import type { Change, IndexReader } from './storage/index.ts'

export type Divergence = {
  readonly recipe: RecipeHash
  readonly name: string
  readonly version: string
  /** When the second one came, in seconds since 1970. */
  readonly since: number
  /** What is not revoked agrees. */
  readonly settled: boolean
  readonly claims: readonly {
    readonly attestation: Sha256
    readonly operator: string
    readonly key: string
    readonly expires: number
    readonly revoked: boolean
    /** What it was built from; claims with the same value should have the same outputs. */
    readonly inputs: Sha256
    readonly outputs: Readonly<Record<string, Sha256>>
  }[]
}

/** In the order of the recipe hashes. */
export async function listDivergent(
  reader: IndexReader,
  operators: Operators,
  { after, limit }: { readonly after: RecipeHash | undefined; readonly limit: number },
): Promise<readonly Divergence[]> {
  const found: Divergence[] = []
  const isTakenBack = await takenBack(reader, operators)
  const scan = { prefix: PREFIX, limit, ...(after === undefined ? {} : { after: divergenceRecord(after) }) }
  for await (const [key, value] of reader.entries(scan)) {
    const recipe = parseRecipeHash(key.slice(PREFIX.length))
    const stored = await attestationsOf(reader, [recipe])
    found.push(divergenceOf(stored, { recipe, ...parseDivergence(value) }, { operators, isTakenBack }))
  }
  return found
}

/** The end of the record of a divergence when what is still kept of the recipe agrees. To be written with the recipe's queue held. */
export async function settlingChanges(reader: IndexReader, recipe: RecipeHash): Promise<readonly Change[]> {
  const listed = await listedOf(reader, recipe)
  if (hasDivergence(listed.map(({ claim }) => claim))) return []
  return [{ kind: 'remove', key: divergenceRecord(recipe) }]
}

export async function* divergentRecipes(reader: IndexReader): AsyncGenerator<RecipeHash> {
  for await (const key of reader.keys({ prefix: PREFIX })) yield parseRecipeHash(key.slice(PREFIX.length))
}

const PREFIX = 'divergent/'

type Known = { readonly operators: Operators; readonly isTakenBack: TakenBack }

function divergenceOf(
  stored: readonly StoredAttestation[],
  { recipe, since }: Pick<Divergence, 'recipe' | 'since'>,
  { operators, isTakenBack }: Known,
): Divergence {
  const parsed = stored.map(({ digest, claim, bytes }) => {
    const attestation = parseAttestation(bytes)
    return { digest, claim, statement: attestation.statement, revoked: isTakenBack(attestation, claim) }
  })
  const { name = '', version = '' } = parsed[0]?.statement ?? {}
  const standing = parsed.filter(({ revoked }) => !revoked).map(({ claim }) => claim)
  const claims = parsed.map(({ digest: attestation, claim, statement, revoked }) => ({
    attestation,
    operator: operators.byKey(ownerKeyOf(claim))?.operator ?? '',
    key: claim.key,
    expires: claim.expires,
    revoked,
    inputs: claim.inputs,
    outputs: Object.fromEntries(statement.outputs.map(({ output, digest }) => [output, digest])),
  }))
  return { recipe, name, version, since, settled: !hasDivergence(standing), claims }
}
