/**
 * Packs evidence into a compressed bundle. Small ones at once; large ones, which take a good part of a second, one after the
 * other in a thread of their own, so that other requests need not wait. The thread is started when it is first needed.
 */
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { constants as zlib, zstdCompressSync } from 'node:zlib'
import { AbnError } from '../format/errors.ts'
import { encodeBundle } from '../trust/bundle.ts'
import type { Evidence } from '../trust/evidence.ts'

export type BundleEncoder = {
  /** A zstd frame. */
  encode(evidence: readonly Evidence[]): Promise<Uint8Array>
  close(): Promise<void>
}

/** Up to so many envelopes the thread would cost more than it saves. */
const SMALL = 50

export function createBundleEncoder(): BundleEncoder {
  let worker: Worker | undefined
  let number = 0
  const waiting = new Map<number, { done(body: Uint8Array): void; failed(error: Error): void }>()

  function started(): Worker {
    if (worker !== undefined) return worker
    const fresh = new Worker(import.meta.filename)
    fresh.unref()
    fresh.on('message', ({ id, body, reason }: Reply) => {
      const one = waiting.get(id)
      waiting.delete(id)
      if (body === undefined) one?.failed(new AbnError('ABN_CACHE_FAULT', `a bundle could not be made: ${reason}`))
      else one?.done(body)
    })
    fresh.once('error', (cause) =>
      fail(new AbnError('ABN_CACHE_FAULT', 'the thread that makes bundles failed', { cause })),
    )
    fresh.once('exit', () => fail(new AbnError('ABN_CACHE_FAULT', 'the thread that makes bundles has ended')))
    worker = fresh
    return fresh
  }

  function fail(error: Error): void {
    worker = undefined
    for (const one of waiting.values()) one.failed(error)
    waiting.clear()
  }

  return {
    async encode(evidence) {
      if (evidence.length <= SMALL) return pack(evidence)
      return new Promise((done, failed) => {
        const id = number++
        waiting.set(id, { done, failed })
        started().postMessage({ id, evidence } satisfies Question)
      })
    },
    close: async () => void (await worker?.terminate()),
  }
}

type Question = { readonly id: number; readonly evidence: readonly Evidence[] }
type Reply = { readonly id: number; readonly body?: Uint8Array; readonly reason?: string }

function pack(evidence: readonly Evidence[]): Uint8Array {
  const bundle = encodeBundle(evidence)
  // With the size known, the compressor takes memory in proportion to it.
  const packed = zstdCompressSync(bundle, {
    params: { [zlib.ZSTD_c_compressionLevel]: 9 },
    pledgedSrcSize: bundle.length,
  })
  // A copy: the frame stands in a larger buffer, all of which would be kept with it.
  return Uint8Array.from(packed)
}

function answer({ id, evidence }: Question): Reply {
  try {
    return { id, body: pack(evidence) }
  } catch (error) {
    return { id, reason: error instanceof Error ? error.message : String(error) }
  }
}

if (!isMainThread) parentPort?.on('message', (question: Question) => parentPort?.postMessage(answer(question)))
