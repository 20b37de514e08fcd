// The table of commands, in the order of the help. Each is one module, loaded when it is asked for.
import type { Arguments, OptionTable } from './args.ts'
import type { Output } from './output.ts'

export type Surroundings = {
  readonly output: Output
  /** Aborted by the first Ctrl-C, with an AbnError as the reason. */
  readonly signal: AbortSignal
}

export type Command = {
  readonly usage: string
  readonly details?: string
  readonly options: OptionTable
  /** Resolves to the exit status. */
  readonly run: (args: Arguments, surroundings: Surroundings) => Promise<number>
}

export type CommandEntry = { readonly summary: string; readonly load: () => Promise<Command> }

export const commands: Readonly<Record<string, CommandEntry>> = {
  install: entry('add packages to your profile', async () => (await import('./commands/install.ts')).install),
  remove: entry('take packages out of your profile', async () => (await import('./commands/remove.ts')).remove),
  run: entry('run a program without installing it', async () => (await import('./commands/run.ts')).run),
  build: entry('build packages into the store', async () => (await import('./commands/build.ts')).build),
  list: entry('list what is installed', async () => (await import('./commands/list.ts')).list),
  search: entry('find packages by name and summary', async () => (await import('./commands/search.ts')).search),
  show: entry('tell what is known about a package', async () => (await import('./commands/show.ts')).show),
  path: entry('print where a package is', async () => (await import('./commands/path.ts')).path),
  log: entry('print how a package was built', async () => (await import('./commands/log.ts')).log),
  hash: entry('hash a file, a directory or a recipe', async () => (await import('./commands/hash.ts')).hash),
  graph: entry('print what a package is made from', async () => (await import('./commands/graph.ts')).graph),
  help: entry('explain a command', async () => (await import('./commands/help.ts')).help),
}

function entry(summary: string, load: () => Promise<Command>): CommandEntry {
  return { summary, load }
}
