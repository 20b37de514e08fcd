// Runs one container in a process of its own, for the tests that need another user, other descriptors or a sudden death. Argument: a file
// with the ContainerSpec as JSON. Exit status: that of the program; an AbnError is a line of JSON on standard error, status 99.
import { readFileSync } from 'node:fs'
import { type ContainerSpec, runInContainer } from '../../../../builder/environment/container.ts'
import { AbnError } from '../../../../format/errors.ts'

const spec: ContainerSpec = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'))
try {
  process.exitCode = await runInContainer(spec)
} catch (error) {
  if (!(error instanceof AbnError)) throw error
  process.stderr.write(`${JSON.stringify({ code: error.code, message: error.message })}\n`)
  process.exitCode = 99
}
