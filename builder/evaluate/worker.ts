/** The thread that sandbox.ts starts: waits for the modules, evaluates them, answers with messages, of which 'done' or 'ended' is the last. */
import { parentPort } from 'node:worker_threads'
import { evaluateModules } from './quickjs.ts'
import type { SandboxInput } from './sandbox.ts'

parentPort?.once('message', (input: SandboxInput) => {
  // An error that is thrown here ends the thread, and sandbox.ts says so.
  void evaluateModules(input, (message) => parentPort?.postMessage(message))
})
