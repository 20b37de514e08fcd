// Entry point, started by the launcher. Answers by itself what needs no more than a look (see quick.ts); everything else
// is cli.ts. Each module that is imported here is paid for by every command: measure with `npm run bench:startup`.
import { outputOf } from './output.ts'
import { isAnswerable, knownAnswer } from './quick.ts'
import { applySettings } from './settings/settings-file.ts'

// Set by the launcher for this process only; programs that are run must not inherit it.
delete process.env.NODE_COMPILE_CACHE
delete process.env.MALLOC_ARENA_MAX

const argv = process.argv.slice(2)
const applied = applySettings(process.env)
const lines = applied.problem === undefined ? knownAnswer(argv, process.env) : undefined
if (lines === undefined) {
  const { runCommandLine } = await import('./cli.ts')
  await runCommandLine(argv, applied)
  if (process.exitCode === 0 && isAnswerable(argv)) {
    const { rememberAnswer } = await import('./remember.ts')
    rememberAnswer(argv, process.env, performance.timeOrigin)
  }
} else {
  const { line, failure } = outputOf({ isJson: false, env: process.env })
  try {
    for (const text of lines) line(text)
  } catch (error) {
    failure(error)
    process.exitCode = 1
  }
}
