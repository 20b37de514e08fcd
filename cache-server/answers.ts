/**
 * Answers about recipes: the bundle of all evidence for them, compressed, with a tag that changes when the answer does. The
 * last answers are kept until something new is accepted, because many clients ask for the same closures.
 */
import { type RecipeHash, sha256Of } from '../format/hash.ts'
import { encodeTransferSizes, transferSizesKind } from '../format/transfer-sizes.ts'
import type { Evidence } from '../trust/evidence.ts'
import type { BundleEncoder } from './bundle-encoder.ts'
import { attestationsOf, transferSizesOf } from './catalogue.ts'
import { createQueues } from './queues.ts'
import { revocationLists } from './revocations.ts'
import type { IndexReader } from './storage/index.ts'

export type Answer = {
  /** A zstd frame that holds a bundle. */
  readonly body: Uint8Array
  /** SHA-256 of the body. */
  readonly tag: string
  /** Those of the recipes asked for of which nothing is known. */
  readonly unknown: readonly RecipeHash[]
}

export type Answers = {
  /** The revocation lists are part of every answer; sizes of archives are with it as a hint. */
  about(recipes: readonly RecipeHash[]): Promise<Answer>
  /** To be called after each change. */
  invalidate(): void
}

export type AnswersOptions = { readonly encoder: BundleEncoder; readonly cacheBytes: number }

export function createAnswers(index: IndexReader, { encoder, cacheBytes }: AnswersOptions): Answers {
  const kept = new Map<string, { readonly answer: Answer; readonly generation: number }>()
  /** Being made, by generation and name: what many ask at once is made once. */
  const pending = new Map<string, Promise<Answer>>()
  /** Large ones take memory while they are made, so that one is made at a time. */
  const oneByOne = createQueues()
  let keptBytes = 0
  let generation = 0

  async function about(recipes: readonly RecipeHash[]): Promise<Answer> {
    const sorted = [...new Set(recipes)].sort()
    const name = sha256Of(sorted.join(''))
    const known = kept.get(name)
    if (known?.generation === generation) {
      kept.delete(name)
      kept.set(name, known)
      return known.answer
    }
    const started = generation
    const running = `${started} ${name}`
    const make = () => encodeAnswer(index, sorted, encoder)
    const answer = pending.get(running) ?? (sorted.length > LARGE ? oneByOne('large', make) : make())
    pending.set(running, answer)
    try {
      keep(name, await answer, started)
    } finally {
      pending.delete(running)
    }
    return answer
  }

  function keep(name: string, answer: Answer, at: number): void {
    const known = kept.get(name)
    keptBytes += sizeOf(answer) - (known === undefined ? 0 : sizeOf(known.answer))
    kept.delete(name)
    kept.set(name, { answer, generation: at })
    for (const [oldest, { answer: old }] of kept) {
      if (keptBytes <= cacheBytes) break
      kept.delete(oldest)
      keptBytes -= sizeOf(old)
    }
  }

  return { about, invalidate: () => void generation++ }
}

const LARGE = 500

/** With what goes with it in memory. */
function sizeOf({ body, unknown }: Answer): number {
  return body.length + 100 * unknown.length + 500
}

export async function encodeAnswer(
  index: IndexReader,
  recipes: readonly RecipeHash[],
  encoder: BundleEncoder,
): Promise<Answer> {
  const evidence: Evidence[] = await revocationLists(index)
  const found = await attestationsOf(index, recipes)
  for (const { bytes } of found) evidence.push({ kind: 'attestation', bytes })
  const known = new Set(found.map(({ recipe }) => recipe))
  const unknown = recipes.filter((recipe) => !known.has(recipe))
  const sizes = await transferSizesOf(
    index,
    found.flatMap(({ claim }) => claim.archives),
  )
  if (sizes.size > 0) evidence.push({ kind: transferSizesKind, bytes: encodeTransferSizes(sizes) })
  const body = await encoder.encode(evidence)
  return { body, tag: sha256Of(body), unknown }
}

/** What another cache has a reason to keep: what is signed, and not the hints beside it. */
export function envelopesOf(evidence: readonly Evidence[]): readonly Uint8Array[] {
  return evidence.flatMap(({ kind, bytes }) => (kind === transferSizesKind ? [] : [bytes]))
}
