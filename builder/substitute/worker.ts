/** A thread that receives outputs (receive.ts) for pool.ts; one message in, one out. */
import { parentPort, workerData } from 'node:worker_threads'
import { AbnError } from '../../format/errors.ts'
import type { StorePath } from '../../format/store-path.ts'
import { type CacheConnection, connectToCache, type Pace } from './http.ts'
import { type Receipt, receiveOutput } from './receive.ts'

const { candidates, pace }: { candidates: readonly StorePath[]; pace: Pace | undefined } = workerData
const connections = new Map<string, Promise<CacheConnection>>()

function connectionTo(address: string): Promise<CacheConnection> {
  const known = connections.get(address) ?? connectToCache(address, pace === undefined ? {} : { pace })
  connections.set(address, known)
  return known
}

parentPort?.on('message', async ({ id, receipt }: { id: number; receipt: Receipt }) => {
  const onBytes = (bytes: number): void => parentPort?.postMessage({ kind: 'bytes', id, bytes })
  try {
    const received = await receiveOutput(receipt, { connectionTo, candidates, onBytes })
    parentPort?.postMessage({ kind: 'received', id, received })
  } catch (error) {
    // Errors lose their class on the way.
    const { code, hint } = error instanceof AbnError ? error : { code: undefined, hint: undefined }
    parentPort?.postMessage({
      kind: 'failed',
      id,
      message: error instanceof Error ? error.message : String(error),
      code,
      hint,
    })
  }
})
