// What differs between two states of a profile, in lines and as JSON.
import { compareBytewise } from '../../format/order.ts'
import type { ProfilePackage } from '../../store/manifest.ts'
import type { Output } from '../output.ts'
import { type Cause, textOfCauses } from './why-changed.ts'

/** One package a change; `from` is missing when it is new, `to` when it goes. */
export type PackageChange = {
  readonly name: string
  readonly from: ProfilePackage | undefined
  readonly to: ProfilePackage | undefined
  /** Why it is another recipe although the version is the same; empty when nobody asked. */
  readonly causes: readonly Cause[]
}

/** Sorted by name. */
export function changesBetween(
  before: readonly ProfilePackage[],
  after: readonly ProfilePackage[],
): readonly PackageChange[] {
  const was = new Map(before.map((one) => [one.name, one]))
  const is = new Map(after.map((one) => [one.name, one]))
  return [...new Set([...was.keys(), ...is.keys()])].sort(compareBytewise).flatMap((name) => {
    const from = was.get(name)
    const to = is.get(name)
    return from && to && isSame(from, to) ? [] : { name, from, to, causes: [] }
  })
}

export function isSame(a: ProfilePackage, b: ProfilePackage): boolean {
  return a.recipe === b.recipe && a.requested === b.requested && a.priority === b.priority
}

/** `+ greet 1.1.0`, `- greet 1.1.0`, `~ greet 1.0.0 → 1.1.0`, `~ greet 1.1.0 made anew, because tool 1 → 2`. */
export function lineOfChange({ name, from, to, causes }: PackageChange, { paint }: Pick<Output, 'paint'>): string {
  if (to === undefined) return `${paint('red', '-')} ${name} ${from?.version ?? ''}`.trimEnd()
  if (from === undefined) return `${paint('green', '+')} ${name} ${to.version}${wishOf(to)}`
  return `${paint('yellow', '~')} ${name} ${differenceOf(from, to, causes)}`
}

/** For what has been done: `installed greet 1.1.0`, `removed greet`, `changed greet 1.0.0 → 1.1.0`. */
export function lineOfDeed({ name, from, to, causes }: PackageChange): string {
  if (to === undefined) return `removed ${name}`
  if (from === undefined) return `installed ${name} ${to.version}`
  return `changed ${name} ${differenceOf(from, to, causes)}`
}

export function jsonOfChange({ name, from, to, causes }: PackageChange) {
  const kind = to === undefined ? 'removed' : from === undefined ? 'added' : 'changed'
  return { name, kind, from: jsonOfState(from), to: jsonOfState(to), ...(causes.length > 0 ? { because: causes } : {}) }
}

function jsonOfState(one: ProfilePackage | undefined) {
  if (one === undefined) return null
  const { version, recipe, requested, priority } = one
  return { version, recipe, requested, priority }
}

function differenceOf(from: ProfilePackage, to: ProfilePackage, causes: readonly Cause[]): string {
  const isOther = from.recipe !== to.recipe
  const why = causes.length > 0 ? `, because ${textOfCauses(causes)}` : ''
  const anew = isOther ? ` made anew${why}` : ''
  const what = from.version === to.version ? `${to.version}${anew}` : `${from.version} → ${to.version}`
  const wish = from.requested === to.requested ? '' : `, asked for as ${to.requested}, before as ${from.requested}`
  const priority = from.priority === to.priority ? '' : `, priority ${to.priority}, before ${from.priority}`
  return what + wish + priority
}

/** What was asked for, where that says more than name and version, and a priority. In brackets, after a blank. */
export function wishOf({ name, version, requested, priority }: ProfilePackage): string {
  const parts = [
    ...(requested === name || requested === `${name}@${version}` ? [] : [requested]),
    ...(priority === 0 ? [] : [`priority ${priority}`]),
  ]
  return parts.length === 0 ? '' : `  (${parts.join(', ')})`
}
