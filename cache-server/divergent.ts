/**
 * The list of divergences: recipes of which two attestations, built from the same bits, name different outputs. It is made
 * from the attestations each time, so that it shows what is signed and nothing else.
 */
import { parseRecipeHash, type RecipeHash, type Sha256 } from '../format/hash.ts'
import { parseAttestation } from '../trust/attestation.ts'
import { attestationsOf } from './catalogue.ts'
import type { Operators } from './operators.ts'
import type { IndexReader } from './storage/index.ts'

export type Divergence = {
  readonly recipe: RecipeHash
  readonly name: string
  readonly version: string
  /** When the second one came, in seconds since 1970. */
  readonly since: number
  readonly claims: readonly {
    readonly attestation: Sha256
    readonly operator: string
    readonly key: string
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
  const scan = { prefix: PREFIX, limit, ...(after === undefined ? {} : { after: PREFIX + after }) }
  for await (const [key, value] of reader.entries(scan)) {
    const recipe = parseRecipeHash(key.slice(PREFIX.length))
    const { since }: { since: number } = JSON.parse(Buffer.from(value).toString('utf8'))
    found.push(await divergenceOf(reader, operators, { recipe, since }))
  }
  return found
}

const PREFIX = 'divergent/'

async function divergenceOf(
  reader: IndexReader,
  operators: Operators,
  { recipe, since }: Pick<Divergence, 'recipe' | 'since'>,
): Promise<Divergence> {
  const stored = await attestationsOf(reader, recipe)
  const claims = stored.map(({ digest, claim, bytes }) => {
    const { statement } = parseAttestation(bytes)
    const outputs = Object.fromEntries(statement.outputs.map((one) => [one.output, one.digest]))
    const operator = operators.byKey(claim.key)?.operator ?? ''
    return {
      name: statement.name,
      version: statement.version,
      attestation: digest,
      operator,
      key: claim.key,
      inputs: claim.inputs,
      outputs,
    }
  })
  const { name = '', version = '' } = claims[0] ?? {}
  return { recipe, name, version, since, claims: claims.map(({ name: _, version: __, ...claim }) => claim) }
}
