// abnpkg verify --repair: makes damaged items again and puts them in their places, if they have the digests that were registered.
//
// They are made in a second store inside a workspace, in which all that is sound appears by links, so that fetching, building and
// the policy work as ever and know nothing of this. Crash order: the new contents are whole and flushed before the damaged ones are
// moved away; between the two renames the item is missing, which the next verification finds.
import { chmodSync, copyFileSync, existsSync, linkSync, mkdirSync, renameSync, symlinkSync } from 'node:fs'
import type { Evaluation } from '../../builder/evaluate/evaluation.ts'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import { AbnError } from '../../format/errors.ts'
import type { StorePath } from '../../format/store-path.ts'
import { finishDirectory } from '../../store/canonicalise.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import { encodeItem } from '../../store/item.ts'
import { recordPathOf } from '../../store/layout.ts'
import { openStore, type Store } from '../../store/store.ts'
import type { Problem } from '../../store/verify.ts'
import { discard, type Workspace } from '../../store/workspace.ts'
import { syncPath, writeDurably } from '../../store/write-durably.ts'
import type { Arguments } from '../args.ts'
import type { Surroundings } from '../commands.ts'
import { carryOut, planFor } from '../plans/work.ts'
import { evaluationFor } from '../session.ts'
import { allPaths } from './store-names.ts'

export type RepairOptions = { readonly args: Arguments; readonly store: Store; readonly surroundings: Surroundings }

/** The caller holds the store's shared lock. Gives what is as it was registered again. Throws what planFor and carryOut throw. */
export async function repair(problems: readonly Problem[], options: RepairOptions): Promise<readonly StorePath[]> {
  const { args, store, surroundings } = options
  const { output, signal } = surroundings
  const damaged = new Set(problems.map((problem) => (problem.kind === 'reference' ? problem.reference : problem.path)))
  const evaluation = await evaluationFor(args, signal)
  const makers = makersOf(damaged, evaluation)
  for (const path of damaged) {
    if (!makers.has(path)) output.note(`cannot repair ${path}: no recipe of the channels makes it any more`)
  }
  if (makers.size === 0) return []
  using workspace = await store.createWorkspace()
  const second = withDiskErrors('cannot prepare the repair', () =>
    secondStore(store, damaged, `${workspace.directory}/root`),
  )
  const work = { args, store: second, evaluation, surroundings }
  await carryOut(await planFor([...new Set(makers.values())], work), work)
  const repaired: StorePath[] = []
  for (const path of inOrderOfReferences([...makers.keys()], second)) {
    const recipe = second.readItem(path).recipe
    using _ = await store.lockDerivation(recipe, { signal })
    if (takeOver(path, { store, second, workspace, surroundings })) repaired.push(path)
  }
  return repaired
}

/** Those first that others refer to. */
function inOrderOfReferences(paths: readonly StorePath[], store: Store): readonly StorePath[] {
  const ordered = new Set<StorePath>()
  const visit = (path: StorePath): void => {
    if (ordered.has(path)) return
    for (const reference of store.readItem(path).references)
      if (reference !== path && paths.includes(reference)) visit(reference)
    ordered.add(path)
  }
  for (const path of paths) visit(path)
  return [...ordered]
}

function makersOf(damaged: ReadonlySet<StorePath>, evaluation: Evaluation): ReadonlyMap<StorePath, EvaluatedPackage> {
  const makers = new Map<StorePath, EvaluatedPackage>()
  for (const entry of evaluation.entries()) {
    for (const path of Object.values(entry.outputs)) if (damaged.has(path)) makers.set(path, evaluation.load(entry))
  }
  return makers
}

/**
 * Has what the store has but for what is damaged. Shares its caches, its logs, and what it has learnt of others and must not forget, such
 * as revocations: else whoever damages an item could have it fetched again on a word that was taken back.
 */
export function secondStore(store: Store, damaged: ReadonlySet<StorePath>, root: string): Store {
  for (const name of SHARED) {
    mkdirSync(`${store.root}/var/${name}`, { recursive: true })
    mkdirSync(`${root}/var`, { recursive: true })
    symlinkSync(`${store.root}/var/${name}`, `${root}/var/${name}`)
  }
  const second = openStore({ root, durable: store.isDurable })
  symlinkSync(`${store.layout.locks}/trust`, `${second.layout.locks}/trust`)
  for (const path of allPaths(store)) {
    if (damaged.has(path) || !isReadable(store, path)) continue
    symlinkSync(store.physicalPath(path), second.physicalPath(path))
    linkSync(recordPathOf(store.layout, path), recordPathOf(second.layout, path))
  }
  return second
}

const SHARED = ['cache', 'divergences', 'failed', 'log', 'trust']

function isReadable(store: Store, path: StorePath): boolean {
  try {
    store.readItem(path)
    return true
  } catch (error) {
    if (error instanceof AbnError) return false
    throw error
  }
}

type TakeOver = {
  readonly store: Store
  readonly second: Store
  readonly workspace: Workspace
  readonly surroundings: Surroundings
}

/** Whether it did. */
function takeOver(path: StorePath, { store, second, workspace, surroundings }: TakeOver): boolean {
  const made = second.readItem(path)
  const { output } = surroundings
  const isKnown = store.has(path) && isReadable(store, path)
  if (isKnown && store.readItem(path).outputDigest !== made.outputDigest) {
    output.note(
      `cannot repair ${path}: what was made again has output digest ${made.outputDigest}, which was not registered`,
    )
    return false
  }
  const missing = made.references.find((reference) => reference !== path && !store.has(reference))
  if (missing !== undefined) {
    output.note(`cannot repair ${path}: it refers to ${missing}, which is not in the store`)
    return false
  }
  const place = store.physicalPath(path)
  if (existsSync(place)) discard(workspace, place)
  // Moving a directory changes its "..", for which it must be writable.
  chmodSync(second.physicalPath(path), 0o755)
  renameSync(second.physicalPath(path), place)
  finishDirectory(place)
  syncPath(store.layout.store)
  if (isKnown) return true
  if (made.origin.kind === 'substituted') copyDecision(made.origin.decision, store, second)
  writeDurably(recordPathOf(store.layout, path), encodeItem(made))
  return true
}

function copyDecision(name: string, store: Store, second: Store): void {
  const file = `var/decisions/${name}.zst`
  mkdirSync(`${store.root}/var/decisions`, { recursive: true })
  copyFileSync(`${second.root}/${file}`, `${store.root}/${file}`)
}
