/** A thread of verify.ts: says of each item what is wrong with it, or null. */
import { parentPort, workerData } from 'node:worker_threads'
import type { VerifyWork } from './verify.ts'
import { checkContents } from './verify-contents.ts'

const { work, next }: VerifyWork = workerData
for (;;) {
  const one = work[Atomics.add(next, 0, 1)]
  if (one === undefined) break
  parentPort?.postMessage(checkContents(one) ?? null)
}
