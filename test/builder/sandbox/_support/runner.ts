// Runs one sandbox in a process of its own, for the tests that need another user, other descriptors or a sudden death.
// Standard input: the SandboxSpec as JSON. Standard output: a line of JSON for each event, the last one the outcome.
import { readFileSync } from 'node:fs'
import { runInSandbox } from '../../../../builder/sandbox/sandbox.ts'
import { AbnError } from '../../../../format/errors.ts'

const say = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`)

const onEvent: NonNullable<Parameters<typeof runInSandbox>[1]>['onEvent'] = (event) =>
  say(event.kind === 'output' ? { kind: 'output', text: event.bytes.toString() } : event)
try {
  say({ kind: 'result', result: await runInSandbox(JSON.parse(readFileSync(0, 'utf8')), { onEvent }) })
} catch (error) {
  if (!(error instanceof AbnError)) throw error
  say({ kind: 'error', code: error.code, message: error.message, hint: error.hint })
}
