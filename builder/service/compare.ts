/**
 * What others say of what was built here. A cache may invent statements, so that one whose signature cannot be checked is shown
 * as such; it changes nothing but what is reported. Nothing is believed here: our own statement is published either way.
 */
import { zstdDecompressSync } from 'node:zlib'
import { AbnError } from '../../format/errors.ts'
import type { RecipeHash } from '../../format/hash.ts'
import { type Attestation, parseAttestation, verifyAttestation } from '../../trust/attestation.ts'
import { decodeBundle, maximumBundleBytes } from '../../trust/bundle.ts'
import type { KeyId, PublicKey } from '../../trust/key.ts'
import type { Statement } from '../../trust/statement.ts'
import type { CacheClient } from './remote.ts'
import type { Contradiction } from './tasks.ts'

/** What a cache has about some recipes, signatures not checked. Throws what the cache answers, or ABN_BUNDLE_INVALID. */
export async function statedElsewhere(
  cache: CacheClient,
  recipes: readonly RecipeHash[],
): Promise<readonly Attestation[]> {
  const found: Attestation[] = []
  for (let at = 0; at < recipes.length; at += AT_ONCE) {
    const { body } = await cache.read('POST', '/v1/closures', { recipes: recipes.slice(at, at + AT_ONCE) })
    found.push(...attestationsIn(body))
  }
  return found
}

/** Statements of other keys about the same recipes that do not agree with ours. */
export function contradictionsOf(
  own: readonly Statement[],
  others: readonly Attestation[],
  { cache, operators }: { readonly cache: string; readonly operators: readonly PublicKey[] },
): readonly Contradiction[] {
  const mine = new Map(own.map((statement) => [statement.recipe, statement]))
  return others.flatMap((other): Contradiction[] => {
    const ours = mine.get(other.statement.recipe)
    if (ours === undefined || other.statement.builder.key === ours.builder.key) return []
    if (outputsOf(ours) === outputsOf(other.statement)) return []
    const cause = inputsOf(ours) === inputsOf(other.statement) ? 'build' : 'inputs'
    const { digest: attestation, statement } = other
    const { key } = statement.builder
    return [{ cache, recipe: statement.recipe, attestation, key, verified: isGenuine(other, key, operators), cause }]
  })
}

const AT_ONCE = 5000

function attestationsIn(body: Uint8Array): readonly Attestation[] {
  return decodeBundle(decompressed(body)).flatMap(({ kind, bytes }) => {
    if (kind !== 'attestation') return []
    try {
      return [parseAttestation(bytes)]
    } catch (error) {
      // One that does not parse says nothing.
      if (error instanceof AbnError) return []
      throw error
    }
  })
}

function decompressed(body: Uint8Array): Uint8Array {
  try {
    return zstdDecompressSync(body, { maxOutputLength: maximumBundleBytes })
  } catch (cause) {
    throw new AbnError('ABN_BUNDLE_INVALID', 'bundle: not a zstd frame, or too large', { cause })
  }
}

function isGenuine(attestation: Attestation, id: KeyId, operators: readonly PublicKey[]): boolean {
  const key = operators.find((one) => one.id === id)
  if (key === undefined) return false
  try {
    verifyAttestation(attestation, key)
    return true
  } catch {
    return false
  }
}

function outputsOf({ outputs }: Statement): string {
  return outputs.map(({ path, digest }) => `${path} ${digest}`).join('\n')
}

function inputsOf({ inputs }: Statement): string {
  return inputs.map(({ path, digest }) => `${path} ${digest}`).join('\n')
}
