/** A thread of verify.ts: says of each item what is wrong with it, or null. */
import { parentPort, workerData } from 'node:worker_threads'
import { checkContents, takeOne, type VerifyWork } from './verify-contents.ts'

const work: VerifyWork = workerData
for (;;) {
  const one = takeOne(work, 'front')
  if (one === undefined) break
  parentPort?.postMessage(checkContents(one) ?? null)
}
