// What shell, run and develop have in common: packages are realised and held as roots while a program runs.
import type { Evaluation } from '../builder/evaluate/evaluation.ts'
import { findEntry } from '../builder/evaluate/find.ts'
import type { EvaluatedPackage } from '../builder/evaluate/package.ts'
import type { PackageEntry } from '../builder/evaluate/records.ts'
import { AbnError } from '../format/errors.ts'
import type { StorePath } from '../format/store-path.ts'
import { type HoldName, holdPaths } from '../store/hold.ts'
import type { Arguments } from './args.ts'
import type { Surroundings } from './commands.ts'
import { carryOut, planFor, type Work } from './plans/work.ts'

/** All outputs of a package, `out` first. */
function outputsOf({ outputs }: PackageEntry): readonly StorePath[] {
  return Object.entries(outputs)
    .sort(([a], [b]) => Number(b === 'out') - Number(a === 'out') || (a < b ? -1 : 1))
    .map(([, path]) => path)
}

export type Held = { readonly items: readonly StorePath[]; readonly hold: Disposable }

export type Needed = {
  readonly items: readonly StorePath[]
  /** Whose outputs these are; asked for when an item is missing. */
  readonly packages: () => readonly EvaluatedPackage[]
}

/** All outputs of the packages. */
export function neededOf(entries: readonly PackageEntry[], evaluation: Evaluation): Needed {
  return {
    items: [...new Set(entries.flatMap(outputsOf))],
    packages: () => entries.map((entry) => evaluation.load(entry)),
  }
}

/** Fetches or builds what is missing, and keeps it from garbage collection until it is disposed of or this process ends. */
export async function realiseAndHold({ items, packages }: Needed, name: HoldName, work: Work): Promise<Held> {
  const { store, surroundings } = work
  if (items.every((path) => store.has(path))) {
    try {
      return { items, hold: await holdPaths(store, name, items) }
    } catch (error) {
      // Garbage was collected since the look.
      if (!(error instanceof AbnError && error.code === 'ABN_ITEM_MISSING')) throw error
    }
  }
  // Locked until they are held, so that no garbage collection comes between.
  using _ = await store.lock('shared', { signal: surroundings.signal })
  await carryOut(await planFor(packages(), work), work)
  return { items, hold: await holdPaths(store, name, items) }
}

/** A shell for a container whose packages bring none: of bash, else of busybox. Throws ABN_CONTAINER_SHELL. */
export async function shellForContainer(work: Work, hold: HoldName) {
  const { evaluation, store } = work
  const name = ['bash', 'busybox'].find((each) => evaluation.entriesNamed(each).length > 0)
  if (name === undefined) {
    throw new AbnError(
      'ABN_CONTAINER_SHELL',
      'none of the packages has a shell, and there is neither bash nor busybox',
      {
        hint: 'name a package that has one, or say after -- what to run',
      },
    )
  }
  const { shellAmong } = await import('../builder/environment/shell.ts')
  const held = await realiseAndHold(neededOf([await findEntry(evaluation, name)], evaluation), hold, work)
  return { shell: shellAmong(held.items, store), hold: held.hold }
}

/** For commands whose standard output is that of a program. */
export function requireNoJson(command: string, args: Arguments, { output }: Surroundings): void {
  if (!output.isJson || args.options['dry-run'] === true) return
  throw new AbnError('ABN_USAGE', `${command}: --json is not possible, because standard output is the program's`, {
    hint: 'leave it out; with --dry-run it prints the plan',
  })
}

/** From here on the program decides what a signal means. */
export function leaveSignalsToProgram(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.removeAllListeners(signal)
}
