// Finds the command, loads that one, runs it, and turns whatever happens into an exit status: 0 done, 1 failed, 2 the command
// line was not understood, 130 interrupted (`run` passes on the program's own).
import { readFileSync } from 'node:fs'
import { nearest } from '../builder/evaluate/nearest.ts'
import { AbnError } from '../format/errors.ts'
import { globalOptions, parseArguments, splitCommand } from './args.ts'
import { commands } from './commands.ts'
import { generalHelp, helpOf } from './help.ts'
import { type Output, outputOf } from './output.ts'
import { noteApplied, requireValidSettings, withSettings } from './settings/settings.ts'
import type { Applied } from './settings/settings-file.ts'

const exitStatus = { failed: 1, usage: 2, interrupted: 130 }

const interrupt = new AbortController()

/** Commands that work although a file of settings is not valid. */
const mendsSettings: ReadonlySet<string> = new Set(['completions', 'config', 'doctor', 'help'])

/** `applied`: what main.ts has read of the files of settings. */
export async function runCommandLine(argv: readonly string[], applied?: Applied): Promise<void> {
  if (applied) noteApplied(applied)
  const output = outputOf({ isJson: asksForJson(argv), env: process.env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(output))
  try {
    process.exitCode = await run(argv, output)
  } catch (thrown) {
    const error = explained(thrown)
    output.live([])
    output.failure(error)
    process.exitCode = statusOf(error)
  }
}

async function run(argv: readonly string[], output: Output): Promise<number> {
  const { name, args } = splitCommand(argv)
  if (name === undefined) return withoutCommand(args, output)
  const entry = commands[name]
  if (entry === undefined) {
    const guess = nearest(name, Object.keys(commands))
    throw new AbnError('ABN_COMMAND_UNKNOWN', `unknown command '${name}'`, {
      hint: guess ? `did you mean 'abnpkg ${guess}'?` : "see 'abnpkg help'",
    })
  }
  if (!mendsSettings.has(name)) requireValidSettings()
  const command = await entry.load()
  const parsed = withSettings(parseArguments(args, command.options), command.options)
  if (parsed.options.help) {
    helpOf(name, entry.summary, command, output)
    return 0
  }
  // `--` only ends the options, except where what follows belongs to somebody else.
  const words = command.takesRest ? parsed : { ...parsed, names: [...parsed.names, ...parsed.rest], rest: [] }
  return command.run(words, { output, signal: interrupt.signal })
}

function withoutCommand(args: readonly string[], output: Output): number {
  const { options } = parseArguments(args, globalOptions)
  if (options.version) {
    output.line(`abnpkg ${version()}`)
    output.document({ abnpkg: version(), node: process.versions.node, system: 'x86_64-linux' })
    return 0
  }
  generalHelp(commands, output)
  return options.help ? 0 : exitStatus.usage
}

function version(): string {
  const manifest: { version: string } = JSON.parse(readFileSync(`${import.meta.dirname}/../package.json`, 'utf8'))
  return manifest.version
}

function stop(output: Output): void {
  if (interrupt.signal.aborted) {
    output.live([])
    process.exit(exitStatus.interrupted)
  }
  output.note('abnpkg: stopping; once more to stop at once')
  interrupt.abort(new AbnError('ABN_INTERRUPTED', 'interrupted', { hint: 'run the same command again to go on' }))
}

/** Where a relative path is resolved or a thread begun, nobody expects that the current directory is gone. */
function explained(error: unknown): unknown {
  if (!(error instanceof Error && 'syscall' in error && error.syscall === 'uv_cwd')) return error
  return new AbnError('ABN_CURRENT_DIRECTORY', 'the current directory does not exist any more', {
    hint: 'change to another one',
    cause: error,
  })
}

function statusOf(error: unknown): number {
  if (interrupt.signal.aborted) return exitStatus.interrupted
  if (error instanceof AbnError && (error.code === 'ABN_USAGE' || error.code === 'ABN_COMMAND_UNKNOWN'))
    return exitStatus.usage
  return exitStatus.failed
}

function asksForJson(words: readonly string[]): boolean {
  const end = words.indexOf('--')
  return words.slice(0, end < 0 ? undefined : end).includes('--json')
}
