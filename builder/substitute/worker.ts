/** A thread that receives outputs (receive.ts), unpacks what was fetched or verifies signatures for pool.ts: orders in, replies out. */
import { parentPort, workerData } from 'node:worker_threads'
import { AbnError } from '../../format/errors.ts'
import { candidatesOf } from '../../format/reference-scan.ts'
import type { StorePath } from '../../format/store-path.ts'
import { isValidEd25519 } from '../../trust/ed25519.ts'
import type { Pace } from './http.ts'
import type { Order, Reply } from './pool.ts'
import { createReceiver } from './receive.ts'
import { unpackerOfFetched } from './unpack-fetched.ts'

const { candidates: paths, pace }: { candidates: readonly StorePath[]; pace: Pace | undefined } = workerData
const candidates = candidatesOf(paths)
const receiver = createReceiver({ candidates, pace })
const unpack = unpackerOfFetched(candidates)

parentPort?.on('message', async (order: Order) => {
  const { id } = order
  try {
    if (order.kind === 'verify') {
      reply({ kind: 'verified', id, valid: order.signed.map(isValidEd25519) })
      return
    }
    if (order.kind === 'unpack') {
      await unpack(order.fetched, order.receipt)
      reply({ kind: 'unpacked', id })
      return
    }
    const received = await receiver.receive(order.receipt, (bytes) => reply({ kind: 'bytes', id, bytes }))
    reply({ kind: 'received', id, received })
  } catch (error) {
    // Errors lose their class on the way.
    const { code, hint } = error instanceof AbnError ? error : { code: undefined, hint: undefined }
    reply({ kind: 'failed', id, message: error instanceof Error ? error.message : String(error), code, hint })
  }
})

function reply(message: Reply): void {
  parentPort?.postMessage(message)
}
