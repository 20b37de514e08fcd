// Holds what is in the store, and what is about to come into it, against the lock: the digests first, then what was satisfied.
import { mkdirSync, readFileSync } from 'node:fs'
import type { Plan } from '../../builder/realise/plan.ts'
import { AbnError } from '../../format/errors.ts'
import { type Sha256, sha256Of, sha256Stream } from '../../format/hash.ts'
import type { Acceptance, LockedPackage, LockedPath } from '../../format/lockfile.ts'
import type { StorePath } from '../../format/store-path.ts'
import type { Item } from '../../store/item.ts'
import { recordPathOf } from '../../store/layout.ts'
import type { Store } from '../../store/store.ts'
import { writeDurably } from '../../store/write-durably.ts'
import { acceptanceOf, weakness } from './acceptance.ts'

/** A locked path, and the package because of which it is locked. */
export type Locked = LockedPath & { readonly label: string }

/** A path that several packages need is locked once for each. */
export type LockedPaths = ReadonlyMap<StorePath, readonly Locked[]>

/** Told of what is weaker than the lock, where that is allowed. */
export type OnWeaker = ((text: string) => void) | undefined

export type CheckOptions = { readonly store: Store; readonly lockFile: string; readonly onWeaker: OnWeaker }

export function lockedPathsOf(packages: readonly LockedPackage[]): LockedPaths {
  const all = packages.flatMap(({ name, version, outputs, needs }) => {
    const label = `${name} ${version}`
    return [...outputs, ...needs].map((one): Locked => ({ ...one, label }))
  })
  return Map.groupBy(all, ({ path }) => path)
}

/** Before anything is fetched. Throws ABN_LOCKFILE_DIFFERS or ABN_LOCKFILE_WEAKER. */
export function requireLockedPlan({ steps }: Pick<Plan, 'steps'>, locked: LockedPaths, onWeaker: OnWeaker): void {
  for (const step of steps) {
    if (step.kind === 'build') continue
    for (const { path, digest, decision } of step.accepted) {
      for (const one of locked.get(path) ?? []) {
        const acceptance = acceptanceOf(decision)
        requireDigest(one, digest, acceptance, 'would be fetched')
        requireStrength(one, acceptance, onWeaker)
      }
    }
  }
}

/** What was just brought into the store, before it is locked. Throws ABN_LOCKFILE_DIFFERS or ABN_LOCKFILE_WEAKER. */
export function requireLockedEntry(entry: LockedPackage, locked: LockedPaths, onWeaker: OnWeaker): void {
  for (const { path, digest, acceptance } of [...entry.outputs, ...entry.needs]) {
    for (const one of locked.get(path) ?? []) {
      requireDigest(one, digest, acceptance, 'is in the store')
      requireStrength(one, acceptance, onWeaker)
    }
  }
}

/** A new version of a package, or the same one anew: as strong as what takes its leave. Throws ABN_LOCKFILE_WEAKER. */
export function requireNoWeaker(before: LockedPackage, after: LockedPackage, onWeaker: OnWeaker): void {
  for (const { output, path, digest, acceptance } of after.outputs) {
    const old = before.outputs.find((one) => one.output === output)
    if (old === undefined) continue
    const one = { path, digest, acceptance: old.acceptance, label: `${after.name} ${after.version}` }
    requireStrength(one, acceptance, onWeaker)
  }
}

/**
 * That the packages are in the store as locked, with exactly what is locked to go with them. Throws ABN_LOCKFILE_DIFFERS,
 * ABN_LOCKFILE_WEAKER, ABN_DECISION_MISSING.
 */
export async function requireLockedItems(packages: readonly LockedPackage[], options: CheckOptions): Promise<void> {
  const { store, onWeaker } = options
  const locked = lockedPathsOf(packages)
  const state = stateOf(packages, locked, store)
  if (isRemembered(state, options)) return
  const { acceptanceReader } = await import('./acceptance-reader.ts')
  const acceptanceFor = acceptanceReader(store)
  const items = new Map<StorePath, Item>()
  let isWeaker = false
  const allowed: OnWeaker =
    onWeaker &&
    ((text) => {
      isWeaker = true
      onWeaker(text)
    })
  for (const [path, ones] of locked) {
    const item = store.readItem(path)
    items.set(path, item)
    for (const one of ones) {
      if (item.outputDigest === one.digest && one.acceptance.kind === 'built') continue
      const acceptance = acceptanceFor(item)
      requireDigest(one, item.outputDigest, acceptance, 'is in the store')
      requireStrength(one, acceptance, allowed)
    }
  }
  for (const one of packages) requireClosure(one, items)
  if (!isWeaker) remember(state, options)
}

function requireDigest({ path, digest, label }: Locked, got: Sha256, how: Acceptance, where: string): void {
  if (got === digest) return
  const who = how.kind === 'built' ? 'built on this machine' : `on the word of ${how.operators.join(', ')}`
  throw differs(label, `${path}\n  expected ${digest}, as locked\n  got      ${got}, which ${where}, ${who}`)
}

function requireStrength({ path, acceptance, label }: Locked, now: Acceptance, onWeaker: OnWeaker): void {
  const why = weakness(acceptance, now)
  if (why === undefined) return
  const text = `${label}: ${path} satisfied less than what is locked: ${why}`
  if (onWeaker === undefined) {
    throw new AbnError('ABN_LOCKFILE_WEAKER', text, {
      hint: '--source-only builds what is not in the store yet; --allow-weaker takes it as it is',
    })
  }
  onWeaker(text)
}

/** What a package refers to follows from its bits. So a lock that says otherwise was changed by hand. */
function requireClosure({ name, version, outputs, needs }: LockedPackage, items: ReadonlyMap<StorePath, Item>): void {
  const closure = new Set(outputs.map(({ path }) => path))
  const named = new Set([...closure, ...needs.map(({ path }) => path)])
  // A set that grows while it is iterated over is iterated over to its end.
  for (const path of closure) for (const reference of items.get(path)?.references ?? []) closure.add(reference)
  const strange = [...closure].find((path) => !named.has(path)) ?? [...named].find((path) => !closure.has(path))
  if (strange === undefined) return
  const what = closure.has(strange)
    ? `it needs ${strange}, which is not locked`
    : `it does not need ${strange}, which is locked`
  throw differs(`${name} ${version}`, what)
}

function differs(label: string, text: string): AbnError {
  return new AbnError('ABN_LOCKFILE_DIFFERS', `${label}: ${text}`, {
    hint: "the build is not reproducible, or lock or build are not honest: 'abnpkg challenge' compares, 'abnpkg update NAME' locks anew",
  })
}

/** All that the check looks at: the lock's own words and the records of the items. */
function stateOf(packages: readonly LockedPackage[], locked: LockedPaths, store: Store): Sha256 {
  const hash = sha256Stream()
  hash.update(Buffer.from(JSON.stringify(packages)))
  for (const [path, [one]] of locked) {
    if (!store.has(path)) throw differs(one?.label ?? '', `${path} is locked, and did not come with it`)
    hash.update(readFileSync(recordPathOf(store.layout, path)))
  }
  return hash.digest()
}

/** The state that was last found right, so that nothing but reading is to be done when it is the same. */
function isRemembered(state: Sha256, options: CheckOptions): boolean {
  try {
    return readFileSync(noteOf(options), 'utf8') === state
  } catch {
    return false
  }
}

function remember(state: Sha256, options: CheckOptions): void {
  try {
    mkdirSync(directoryOf(options), { recursive: true })
    writeDurably(noteOf(options), state)
  } catch {
    // A store that is read-only or full: the next time all is looked at again.
  }
}

function noteOf(options: CheckOptions): string {
  return `${directoryOf(options)}/${sha256Of(options.lockFile)}`
}

function directoryOf({ store }: CheckOptions): string {
  return `${store.layout.cache}/projects`
}
