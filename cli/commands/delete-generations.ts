// abnpkg delete-generations [N|FROM..TO]... [--older-than TIME]
import { AbnError } from '../../format/errors.ts'
import { currentNumber, listGenerations, readGeneration, removeGeneration } from '../../store/profiles.ts'
import type { Store } from '../../store/store.ts'
import { type Arguments, durationOption } from '../args.ts'
import type { Command } from '../commands.ts'
import { countText } from '../output.ts'
import { profileOf, profileOption } from '../profiles/profile.ts'
import { noGeneration, numberOf, timeOf } from '../profiles/profile-history.ts'
import { storeToLookAt } from '../session.ts'

export const deleteGenerations: Command = {
  usage: '[N|FROM..TO]...',
  details: [
    'Deletes generations of your profile: those with the numbers, those in the ranges (5..7, ..7, 5..), and with --older-than those',
    'that were made longer ago. Never the current one: its number is refused, in a range it is left out. What only they need leaves',
    'the store with the next gc. One whose time is in the future, because the clock was wrong, is not old.',
  ].join('\n'),
  options: {
    ...profileOption,
    'older-than': { type: 'string', value: 'TIME', help: 'those made longer ago than this, such as 12h or 30d' },
    'dry-run': { type: 'boolean', help: 'only show which would be deleted' },
  },
  async run(args, { output, signal }) {
    const profile = profileOf(args)
    const seconds = durationOption(args, 'older-than', { least: 0 })
    const store = storeToLookAt(args)
    const numbers = chosen(args, { store, profile, seconds })
    const isDry = args.options['dry-run'] === true
    const deleted: { readonly number: number; readonly at: number }[] = []
    for (const number of numbers) {
      signal.throwIfAborted()
      const generation = readGeneration(store, profile, number)
      if (!isDry) await removeGeneration(store, profile, number)
      output.line(`${isDry ? 'would delete' : 'deleted'} generation ${number} of ${timeOf(generation)}`)
      deleted.push({ number, at: generation.manifest.at })
    }
    if (deleted.length === 0) output.line('no generation is to be deleted')
    else if (!isDry)
      output.note(`${countText(deleted.length, 'generation')} deleted; 'abnpkg gc' makes room in the store`)
    output.document({ profile, deleted, kept: listGenerations(store, profile).filter((one) => !numbers.includes(one)) })
    return 0
  },
}

type Asked = { readonly store: Store; readonly profile: string; readonly seconds: number | undefined }

/** Ascending, without the current one. Throws before anything is deleted. */
function chosen(args: Arguments, { store, profile, seconds }: Asked): readonly number[] {
  if (args.names.length === 0 && seconds === undefined) {
    throw new AbnError('ABN_USAGE', 'delete-generations: expected numbers, ranges such as 5..7, or --older-than', {
      hint: "see 'abnpkg delete-generations --help'",
    })
  }
  const all = listGenerations(store, profile)
  const current = currentNumber(store, profile)
  const numbers = new Set<number>()
  for (const word of args.names) {
    const { first, last, isRange } = rangeOf(word)
    const found = all.filter((number) => first <= number && number <= last)
    if (found.length === 0) throw noGeneration(profile, `no generation ${word}`)
    if (!isRange && found.includes(current ?? 0)) {
      throw new AbnError('ABN_GENERATION_CURRENT', `generation ${word} is the current one of profile ${profile}`, {
        hint: 'switch to another generation first',
      })
    }
    for (const number of found) numbers.add(number)
  }
  if (seconds !== undefined) {
    const before = Date.now() / 1000 - seconds
    for (const number of all) if (readGeneration(store, profile, number).manifest.at < before) numbers.add(number)
  }
  return all.filter((number) => numbers.has(number) && number !== current)
}

function rangeOf(word: string): { readonly first: number; readonly last: number; readonly isRange: boolean } {
  const at = word.indexOf('..')
  if (at < 0) {
    const number = numberOf(word, 'delete-generations')
    return { first: number, last: number, isRange: false }
  }
  const [from, to] = [word.slice(0, at), word.slice(at + 2)]
  if (from === '' && to === '') throw noRange(word)
  const first = from === '' ? 1 : numberOf(from, 'delete-generations')
  const last = to === '' ? Number.MAX_SAFE_INTEGER : numberOf(to, 'delete-generations')
  if (first > last) throw noRange(word)
  return { first, last, isRange: true }
}

function noRange(word: string): AbnError {
  return new AbnError('ABN_USAGE', `delete-generations: '${word}' is no range`, {
    hint: 'write the lower number first, as in 5..7, or leave one of them out',
  })
}
