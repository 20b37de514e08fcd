/** The thread that sandbox.ts starts: strips types, evaluates, answers with one message. */
import { parentPort, workerData } from 'node:worker_threads'
import { evaluateModules } from './quickjs.ts'
import type { SandboxInput } from './sandbox.ts'

const input: SandboxInput = workerData
parentPort?.postMessage(await evaluateModules(input))
