/** Storage that fails as told, in the two ways that a caller cannot tell apart: "failed, not written" and "failed, but written". */
import type { BlobStore } from '../../../cache-server/storage/blobs.ts'
import type { Index } from '../../../cache-server/storage/index.ts'

export type Fault = 'failed, not written' | 'failed, but written'
export const faults: readonly Fault[] = ['failed, not written', 'failed, but written']

/** `next` is taken once by the next write. */
export type Plan = { next: Fault | undefined }

export function faultyIndex(index: Index, plan: Plan): Index {
  return {
    ...index,
    // Only durable writes: nonces and offsets of uploads are not acknowledged to anybody.
    write: (changes, options) =>
      options.durable ? fail(plan, () => index.write(changes, options)) : index.write(changes, options),
  }
}

export function faultyBlobs(blobs: BlobStore, plan: Plan): BlobStore {
  return { ...blobs, put: (key, file) => fail(plan, () => blobs.put(key, file)) }
}

async function fail(plan: Plan, action: () => Promise<void>): Promise<void> {
  const fault = plan.next
  plan.next = undefined
  if (fault !== 'failed, not written') await action()
  if (fault !== undefined) throw new Error(`the storage says: ${fault}`)
}
