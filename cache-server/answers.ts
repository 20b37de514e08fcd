/**
 * Answers about recipes: the bundle of all evidence for them, compressed, with a tag that changes when the answer does. The
 * last answers are kept until something new is accepted, because many clients ask for the same closures.
 */
import { type RecipeHash, sha256Of } from '../format/hash.ts'
import type { Evidence } from '../trust/evidence.ts'
import type { BundleEncoder } from './bundle-encoder.ts'
import { attestationsOf } from './catalogue.ts'
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
  /** The revocation lists are part of every answer. */
  about(recipes: readonly RecipeHash[]): Promise<Answer>
  /** To be called after each change. */
  invalidate(): void
}

export type AnswersOptions = { readonly encoder: BundleEncoder; readonly cacheBytes: number }

export function createAnswers(index: IndexReader, { encoder, cacheBytes }: AnswersOptions): Answers {
  const kept = new Map<string, { readonly answer: Answer; readonly generation: number }>()
  /** Being made, by generation and name: what many ask at once is made once. */
  const pending = new Map<string, Promise<Answer>>()
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
    const answer = pending.get(running) ?? encodeAnswer(index, sorted, encoder)
    pending.set(running, answer)
    try {
      keep(name, await answer, started)
    } finally {
      pending.delete(running)
    }
    return answer
  }

  function keep(name: string, answer: Answer, at: number): void {
    keptBytes += answer.body.length - (kept.get(name)?.answer.body.length ?? 0)
    kept.delete(name)
    kept.set(name, { answer, generation: at })
    for (const [oldest, { answer: old }] of kept) {
      if (keptBytes <= cacheBytes) break
      kept.delete(oldest)
      keptBytes -= old.body.length
    }
  }

  return { about, invalidate: () => void generation++ }
}

export async function encodeAnswer(
  index: IndexReader,
  recipes: readonly RecipeHash[],
  encoder: BundleEncoder,
): Promise<Answer> {
  const evidence: Evidence[] = await revocationLists(index)
  const unknown: RecipeHash[] = []
  for (const recipe of recipes) {
    const found = await attestationsOf(index, recipe)
    if (found.length === 0) unknown.push(recipe)
    for (const { bytes } of found) evidence.push({ kind: 'attestation', bytes })
  }
  const body = await encoder.encode(evidence)
  return { body, tag: sha256Of(body), unknown }
}

export async function revocationLists(index: IndexReader): Promise<Evidence[]> {
  const lists: Evidence[] = []
  for await (const [, bytes] of index.entries({ prefix: 'revocation/' })) lists.push({ kind: 'revocation-list', bytes })
  return lists
}
