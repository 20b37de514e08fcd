/**
 * Which thread unpacks what has come: the others as long as they have room, as this one has the network to look after; what they have no
 * room for waits, and this thread takes of it, one archive at a time, and between two of them sees what else has happened.
 */
import type { Fetched, Receipt, UnpackFetched } from './unpack-fetched.ts'

/** Nothing begins after it was disposed of. */
export type SharedUnpacking = Disposable & { readonly unpack: UnpackFetched }

/** What another thread has at the same time: so much that it has work while this one is busy and hands out no more. */
export const mostGiven = { archives: 5, bytes: 3 * 1024 * 1024 }

/** Another thread, and what it has. */
type Thread = { readonly unpack: UnpackFetched; archives: number; bytes: number }

type Job = { readonly fetched: Fetched; readonly receipt: Receipt; readonly done: PromiseWithResolvers<void> }

/** `others`: how other threads unpack. */
export function shareUnpacking(here: UnpackFetched, others: readonly UnpackFetched[]): SharedUnpacking {
  const threads: Thread[] = others.map((unpack) => ({ unpack, archives: 0, bytes: 0 }))
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
  }

  async function giveTo(thread: Thread, job: Job): Promise<void> {
    const { bytes } = job.receipt
    thread.archives++
    thread.bytes += bytes
    await give(thread.unpack, job)
    thread.archives--
    thread.bytes -= bytes
    handOut()
  }

  function handOut(): void {
    for (const job of [...waiting]) {
      const thread = withMostRoom(threads)
      if (thread === undefined) break
      waiting.shift()
      void giveTo(thread, job)
    }
    if (isComing || waiting.length === 0) return
    isComing = true
    setImmediate(() => {
      isComing = false
      const job = waiting.shift()
      if (job !== undefined) void give(here, job).then(handOut)
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

function withMostRoom(threads: readonly Thread[]): Thread | undefined {
  return threads
    .filter(({ archives, bytes }) => archives < mostGiven.archives && bytes < mostGiven.bytes)
    .reduce<Thread | undefined>((most, one) => (most === undefined || one.bytes < most.bytes ? one : most), undefined)
}

function ended(): Error {
  return new Error('unpacking has ended')
}
