// Entry point, started by the launcher. Answers by itself what needs no more than a look (see quick.ts); everything else
// is cli.ts. Each module that is imported here is paid for by every command: measure with `npm run bench:startup`.
import { outputOf } from './output.ts'
import { nothingToDo } from './quick.ts'

// Set by the launcher for this process only; programs that are run must not inherit it.
delete process.env.NODE_COMPILE_CACHE

const argv = process.argv.slice(2)
const lines = nothingToDo(argv, process.env)
if (lines === undefined) {
  const { runCommandLine } = await import('./cli.ts')
  await runCommandLine(argv)
} else {
  const { line, failure } = outputOf({ isJson: false, env: process.env })
  try {
    for (const text of lines) line(text)
  } catch (error) {
    failure(error)
    process.exitCode = 1
  }
}
