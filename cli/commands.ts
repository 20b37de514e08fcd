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
  /** Whether what stands after `--` is for the program that is run. */
  readonly takesRest?: boolean
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
  cache: entry(
    'choose where substitutes come from, or run a cache',
    async () => (await import('./commands/cache.ts')).cache,
  ),
  why: entry('tell why a package was built or fetched', async () => (await import('./commands/why.ts')).why),
  provenance: entry(
    'print where a package and all that it is made from came from',
    async () => (await import('./commands/provenance.ts')).provenance,
  ),
  challenge: entry(
    'build a package again and compare with what others attest',
    async () => (await import('./commands/challenge.ts')).challenge,
  ),
  policy: entry('say whom you believe, and when', async () => (await import('./commands/policy.ts')).policy),
  key: entry('make and show the keys that you sign with', async () => (await import('./commands/key.ts')).key),
  attest: entry('sign what you have built', async () => (await import('./commands/attest.ts')).attest),
  publish: entry('send what you have built to a cache', async () => (await import('./commands/publish.ts')).publish),
  builder: entry('build, sign and publish as a service', async () => (await import('./commands/builder.ts')).builder),
  help: entry('explain a command', async () => (await import('./commands/help.ts')).help),
}

function entry(summary: string, load: () => Promise<Command>): CommandEntry {
  return { summary, load }
}
