// The generations of a profile, as generations, rollback, switch and delete-generations see them. Their order is that of their
// numbers: what the clock said when one was made is shown, and means nothing else.
import { AbnError } from '../../format/errors.ts'
import {
  currentNumber,
  type Generation,
  listGenerations,
  readGeneration,
  switchToGeneration,
} from '../../store/profiles.ts'
import type { Store } from '../../store/store.ts'
import type { Arguments } from '../args.ts'
import type { Output } from '../output.ts'
import { profileWords } from './profile.ts'
import { changesBetween, jsonOfChange, lineOfChange, type PackageChange } from './profile-changes.ts'

export type Entry = {
  readonly generation: Generation
  readonly isCurrent: boolean
  /** What it has that the one with the next lower number has not, and the other way round. */
  readonly changes: readonly PackageChange[]
}

/** Ascending. */
export function historyOf(store: Store, profile: string): readonly Entry[] {
  const current = currentNumber(store, profile)
  let before: Generation | undefined
  return listGenerations(store, profile).map((number) => {
    const generation = readGeneration(store, profile, number)
    const changes = changesBetween(before?.manifest.packages ?? [], generation.manifest.packages)
    before = generation
    return { generation, isCurrent: number === current, changes }
  })
}

export type Going = { readonly args: Arguments; readonly output: Output; readonly profile: string }

/** Switches to a generation that exists, or says what would change. */
export async function goTo(store: Store, number: number, { args, output, profile }: Going): Promise<number> {
  const current = currentNumber(store, profile)
  const from = current === undefined ? [] : readGeneration(store, profile, current).manifest.packages
  const changes = changesBetween(from, readGeneration(store, profile, number).manifest.packages)
  const isDry = args.options['dry-run'] === true
  if (!isDry) await switchToGeneration(store, profile, number)
  for (const change of changes) output.line(lineOfChange(change, output))
  if (number === current) output.line(`profile ${profile} is at generation ${number} already`)
  else output.line(`profile ${profile} ${isDry ? 'would go' : 'went'} from generation ${current ?? 0} to ${number}`)
  output.document({ profile, from: current ?? 0, generation: number, changes: changes.map(jsonOfChange) })
  return 0
}

/** `2026-11-22 03:46 UTC` */
export function timeOf({ manifest }: Generation): string {
  const date = new Date(manifest.at * 1000)
  return Number.isNaN(date.getTime()) ? 'at no known time' : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

/** The number of a generation on a command line. Throws ABN_USAGE. */
export function numberOf(text: string, command: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text)
  throw new AbnError('ABN_USAGE', `${command}: expected the number of a generation, got '${text}'`, {
    hint: `see 'abnpkg ${command} --help'`,
  })
}

export function noGeneration(profile: string, what: string): AbnError {
  return new AbnError('ABN_GENERATION_UNKNOWN', `profile ${profile} has ${what}`, {
    hint: `\`abnpkg generations${profileWords(profile)}\` lists those that there are`,
  })
}
