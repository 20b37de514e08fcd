/**
 * What is asked under one name runs one after the other; different names do not wait for each other. In one process only.
 */
import type { RecipeHash } from '../format/hash.ts'
import type { BlobKey } from './storage/blobs.ts'

export type Queues = <T>(name: string, action: () => Promise<T>) => Promise<T>

export function createQueues(): Queues {
  const last = new Map<string, Promise<unknown>>()
  return async (name, action) => {
    const before = last.get(name)
    const run = (async () => {
      await before?.catch(() => {})
      return action()
    })()
    last.set(name, run)
    try {
      return await run
    } finally {
      if (last.get(name) === run) last.delete(name)
    }
  }
}

/** Publishing a blob, looking whether it is there, and collecting it exclude each other. */
export function blobQueueName({ kind, digest }: BlobKey): string {
  return `${kind} ${digest}`
}

/** Taking attestations of a recipe, and forgetting them, exclude each other. */
export function recipeQueueName(recipe: RecipeHash): string {
  return `recipe ${recipe}`
}
