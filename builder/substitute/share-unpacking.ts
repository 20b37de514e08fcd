/**
 * Which thread unpacks what has come: the others as long as they have room, as this one has the network to look after; what they have no
 * room for waits, and this thread takes of it, one archive at a time, and between two of them sees what else has happened.
 */
import type { Fetched, Receipt, UnpackFetched } from './unpack-fetched.ts'

/** Another thread. */
export type Unpacking = { readonly unpack: UnpackFetched; readonly hasRoom: () => boolean }

/** Nothing begins after it was disposed of. */
export type SharedUnpacking = Disposable & { readonly unpack: UnpackFetched }

type Job = { readonly fetched: Fetched; readonly receipt: Receipt; readonly done: PromiseWithResolvers<void> }

export function shareUnpacking(here: UnpackFetched, others: readonly Unpacking[]): SharedUnpacking {
  let waiting: Job[] = []
  let isComing = false
  let hasEnded = false

  async function give(unpack: UnpackFetched, { fetched, receipt, done }: Job): Promise<void> {
    try {
      await unpack(fetched, receipt)
      done.resolve()
    } catch (error) {
      done.reject(error)
    }
    handOut()
  }

  function handOut(): void {
    for (const other of others) {
      while (other.hasRoom()) {
        const job = waiting.shift()
        if (job === undefined) return
        void give(other.unpack, job)
      }
    }
    if (isComing || waiting.length === 0) return
    isComing = true
    setImmediate(() => {
      isComing = false
      const job = waiting.shift()
      if (job !== undefined) void give(here, job)
    })
  }

  return {
    unpack(fetched, receipt) {
      if (hasEnded) return Promise.reject(ended())
      const done = Promise.withResolvers<void>()
      waiting.push({ fetched, receipt, done })
      handOut()
      return done.promise
    },
    [Symbol.dispose]() {
      hasEnded = true
      for (const { done } of waiting) done.reject(ended())
      waiting = []
    },
  }
}

function ended(): Error {
  return new Error('unpacking has ended')
}
