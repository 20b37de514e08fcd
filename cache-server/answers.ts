/**
 * Answers about recipes: the bundle of all evidence for them, compressed, with a tag that changes when the answer does. The
 * last answers are kept until something new is accepted, because many clients ask for the same closures.
 */
import { type RecipeHash, type Sha256, sha256Of } from '../format/hash.ts'
import { encodeTransferSizes, transferSizesKind } from '../format/transfer-sizes.ts'
import type { Evidence } from '../trust/evidence.ts'
import type { TreeSize } from '../trust/log/merkle.ts'
import type { BundleEncoder } from './bundle-encoder.ts'
import { attestationsOf, transferSizesOf } from './catalogue.ts'
import type { CacheLog } from './log/cache-log.ts'
import { createQueues } from './queues.ts'
import { revocationLists } from './revocations.ts'
import { sessionEvidence } from './sessions.ts'
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
  /**
   * The revocation lists are part of every answer; sizes of archives are with it as a hint. `known`: the size of the tree of our log
   * that the client has seen last, 0 for none; then evidence of the log is part of it.
   */
  about(recipes: readonly RecipeHash[], known?: TreeSize): Promise<Answer>
  /** To be called after each change. */
  invalidate(): void
}

export type AnswersOptions = {
  readonly encoder: BundleEncoder
  readonly log: Pick<CacheLog, 'evidenceOf'> | undefined
  readonly cacheBytes: number
}

export function createAnswers(index: IndexReader, { encoder, log, cacheBytes }: AnswersOptions): Answers {
  const kept = new Map<string, { readonly answer: Answer; readonly generation: number }>()
  /** Being made, by generation and name: what many ask at once is made once. */
  const pending = new Map<string, Promise<Answer>>()
  /** Large ones take memory while they are made, so that one is made at a time. */
  const oneByOne = createQueues()
  let keptBytes = 0
  let generation = 0

  async function about(recipes: readonly RecipeHash[], known?: TreeSize): Promise<Answer> {
    const sorted = [...new Set(recipes)].sort()
    const name = sha256Of(`${known ?? ''} ${sorted.join('')}`)
    const made = kept.get(name)
    if (made?.generation === generation) {
      kept.delete(name)
      kept.set(name, made)
      return made.answer
    }
    const started = generation
    const running = `${started} ${name}`
    const logged = known === undefined ? undefined : (digests: readonly Sha256[]) => log?.evidenceOf(digests, known)
    const make = () => encodeAnswer(index, sorted, { encoder, logged })
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

type Encoding = {
  readonly encoder: BundleEncoder
  /** Evidence of the log about these documents, where it is wanted. */
  readonly logged?: ((documents: readonly Sha256[]) => Promise<readonly Evidence[]> | undefined) | undefined
}

export async function encodeAnswer(
  index: IndexReader,
  recipes: readonly RecipeHash[],
  { encoder, logged }: Encoding,
): Promise<Answer> {
  const evidence: Evidence[] = await revocationLists(index)
  const found = await attestationsOf(index, recipes)
  for (const { bytes } of found) evidence.push({ kind: 'attestation', bytes })
  const sessions = found.flatMap(({ claim }) => claim.session ?? [])
  evidence.push(...(await sessionEvidence(index, sessions)))
  if (logged !== undefined) {
    const documents = evidence.filter(({ kind }) => LOGGED.includes(kind))
    evidence.push(...((await logged(documents.map(({ bytes }) => sha256Of(bytes)))) ?? []))
  }
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

/** What is an entry of a log. */
const LOGGED: readonly string[] = ['attestation', 'revocation-list', 'session']

/** What another cache judges envelope by envelope; sessions and what is about them go another way, and no log speaks for another. */
export function envelopesOf(evidence: readonly Evidence[]): readonly Uint8Array[] {
  return evidence.flatMap(({ kind, bytes }) => (ENVELOPES.includes(kind) ? [bytes] : []))
}

const ENVELOPES: readonly string[] = ['attestation', 'revocation-list']
