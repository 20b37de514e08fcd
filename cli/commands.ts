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
  upgrade: entry('bring packages to newer versions', async () => (await import('./commands/upgrade.ts')).upgrade),
  shell: entry('start a shell with packages in it', async () => (await import('./commands/shell.ts')).shell),
  develop: entry(
    "work on a package's sources as in its build",
    async () => (await import('./commands/develop.ts')).develop,
  ),
  run: entry('run a program without installing it', async () => (await import('./commands/run.ts')).run),
  build: entry('build packages into the store', async () => (await import('./commands/build.ts')).build),
  list: entry('list what is installed', async () => (await import('./commands/list.ts')).list),
  generations: entry(
    'list the states that your profile has had',
    async () => (await import('./commands/generations.ts')).generations,
  ),
  rollback: entry(
    'go back to the state before the last change',
    async () => (await import('./commands/rollback.ts')).rollback,
  ),
  switch: entry('go to a numbered state of your profile', async () => (await import('./commands/switch.ts')).switchTo),
  'delete-generations': entry(
    'delete old states of your profile',
    async () => (await import('./commands/delete-generations.ts')).deleteGenerations,
  ),
  apply: entry('make your profile what a file says', async () => (await import('./commands/apply.ts')).apply),
  profile: entry('list, write down and delete profiles', async () => (await import('./commands/profile.ts')).profile),
  env: entry("print what belongs into your shell's startup file", async () => (await import('./commands/env.ts')).env),
  add: entry('add packages to a project and lock them', async () => (await import('./commands/add.ts')).add),
  sync: entry(
    "bring what a project's lock names into the store",
    async () => (await import('./commands/sync.ts')).sync,
  ),
  lock: entry('make abnpkg.lock fit abnpkg.json', async () => (await import('./commands/lock.ts')).lock),
  update: entry('lock higher versions for a project', async () => (await import('./commands/update.ts')).update),
  outdated: entry(
    'list what abnpkg update would change',
    async () => (await import('./commands/outdated.ts')).outdated,
  ),
  search: entry('find packages by name and summary', async () => (await import('./commands/search.ts')).search),
  show: entry('tell what is known about a package', async () => (await import('./commands/show.ts')).show),
  path: entry('print where a package is', async () => (await import('./commands/path.ts')).path),
  log: entry(
    'print how a package was built; prove what is logged',
    async () => (await import('./commands/log.ts')).log,
  ),
  channel: entry("follow other people's recipes", async () => (await import('./commands/channel.ts')).channel),
  recipe: entry('write recipes, and keep them up to date', async () => (await import('./commands/recipe.ts')).recipe),
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
  witness: entry("cosign other people's logs", async () => (await import('./commands/witness.ts')).witness),
  monitor: entry(
    'follow logs, and tell what is wrong in them',
    async () => (await import('./commands/monitor.ts')).monitor,
  ),
  tee: entry(
    'look into evidence of a trusted execution environment',
    async () => (await import('./commands/tee.ts')).tee,
  ),
  size: entry('tell how much packages take', async () => (await import('./commands/size.ts')).size),
  verify: entry(
    'compare the store with what was registered',
    async () => (await import('./commands/verify.ts')).verify,
  ),
  gc: entry('remove what nothing needs from the store', async () => (await import('./commands/gc.ts')).gc),
  doctor: entry(
    'find what is wrong here, and how to mend it',
    async () => (await import('./commands/doctor.ts')).doctor,
  ),
  config: entry('show and change settings', async () => (await import('./commands/config.ts')).config),
  completions: entry(
    'print completions for your shell',
    async () => (await import('./commands/completions.ts')).completions,
  ),
  help: entry('explain a command', async () => (await import('./commands/help.ts')).help),
}

/** For the help: every command is in one group. */
export const commandGroups: Readonly<Record<string, readonly string[]>> = {
  'daily use': [
    'install',
    'remove',
    'upgrade',
    'list',
    'search',
    'show',
    'run',
    'generations',
    'rollback',
    'switch',
    'delete-generations',
    'apply',
    'profile',
    'env',
  ],
  environments: ['shell', 'develop'],
  projects: ['add', 'lock', 'sync', 'update', 'outdated'],
  'recipes and channels': ['build', 'log', 'hash', 'path', 'channel', 'recipe'],
  trust: ['policy', 'why', 'provenance', 'challenge', 'key'],
  'builders and caches': ['cache', 'attest', 'publish', 'builder', 'witness', 'monitor', 'tee'],
  'looking in and cleaning up': ['size', 'graph', 'verify', 'doctor', 'gc', 'config', 'completions', 'help'],
}

function entry(summary: string, load: () => Promise<Command>): CommandEntry {
  return { summary, load }
}
