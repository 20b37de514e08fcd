/** Compares one item's contents with its digest; and how threads share the items. */
import { existsSync } from 'node:fs'
import { AbnError } from '../format/errors.ts'
import { storeItemOf } from '../format/store-path.ts'
import type { Item } from './item.ts'
import { quickOutputDigest } from './quick-digest.ts'
import type { Problem } from './verify.ts'

/** Undefined when all is as it should be. */
export function checkContents({ path, outputDigest, directory }: Checked): Problem | undefined {
  if (!existsSync(directory)) return { path, kind: 'missing' }
  try {
    const got = quickOutputDigest(directory, storeItemOf(path))
    return got === outputDigest ? undefined : { path, kind: 'content', expected: outputDigest, got }
  } catch (error) {
    // What an output may not hold, or what this user or this disk cannot read: not what was registered in any case.
    const isTold = error instanceof AbnError || (error instanceof Error && 'syscall' in error)
    if (isTold) return { path, kind: 'unreadable', reason: error.message }
    throw error
  }
}

/** What is to be compared. */
export type Checked = Pick<Item, 'path' | 'outputDigest' | 'bytes'> & { readonly directory: string }

/** What a thread is given. */
export type VerifyWork = { readonly work: readonly Checked[]; readonly taken: Taken }

/** How many were taken: of all, from the front, from the back. */
type Taken = Int32Array<SharedArrayBuffer>

/** The next one for this thread; undefined when all are taken. Those who take from different ends never meet. */
export function takeOne({ work, taken }: VerifyWork, end: 'front' | 'back'): Checked | undefined {
  if (Atomics.add(taken, 0, 1) >= work.length) return undefined
  return end === 'front' ? work[Atomics.add(taken, 1, 1)] : work[work.length - 1 - Atomics.add(taken, 2, 1)]
}
