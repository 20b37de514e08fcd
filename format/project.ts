/**
 * abnpkg.json: the packages that a project needs. Written by people, read strictly: an unknown field, a key twice or a name or range of
 * another form refuses the whole file. JSON Schema for editors: docs/schemas/abnpkg.schema.json.
 *
 * It comes with a project, so it is a stranger's text. It names packages; caches, policies and channels it can only suggest, and nothing
 * here or elsewhere configures one because of it. What is printed of it as something to type holds no character that a shell reads.
 */
import type { JsonValue } from './canonical-json.ts'
import { AbnError } from './errors.ts'
import { below, isObject, listOf, optionalFieldsOf, type Place, requireThat, textOf } from './fields.ts'
import { parseHumanJson } from './human-json.ts'
import { requireName } from './store-path.ts'

export type ProjectFile = {
  /** Ranges by name, such as `^5.4`; an exact version is a range too. A name is NAME, or CHANNEL:NAME for that of a channel. */
  readonly packages: ReadonlyMap<string, string>
  /** Of what only those need who work on the project. No name is in both. */
  readonly devPackages: ReadonlyMap<string, string>
  /** Addresses by name: packages may come from these channels, once the user has them under that name and address. */
  readonly channels: ReadonlyMap<string, string>
  readonly suggests: { readonly caches: readonly string[]; readonly policy: string | undefined }
}

/** In which of the two a package stands. */
export type PackageGroup = 'packages' | 'devPackages'

export type ParseProjectOptions = {
  /** The known word that was probably meant. */
  readonly nearest?: (word: string, known: Iterable<string>) => string | undefined
}

export const maximumProjectBytes = 256 * 1024
const maximumPackages = 1000

const FIELDS = ['$schema', 'channels', 'devPackages', 'packages', 'suggests'] as const
const SUGGESTIONS = ['caches', 'policy'] as const
const PRESETS: readonly string[] = ['source-only', 'two-independent', 'paranoid']

/** A range has only these characters; what it means is for semver. */
export const rangePattern = /^[0-9A-Za-z*^~<>=|][0-9A-Za-z.*^~<>=|+_ -]{0,99}$/
const CHANNEL_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/
const ADDRESS = /^[A-Za-z0-9._/~][A-Za-z0-9._/~:@%+-]{0,499}$/

/** The two parts of a name in abnpkg.json. Throws ABN_NAME_INVALID. */
export function requirePackageKey(key: string): { readonly channel: string | undefined; readonly name: string } {
  const colon = key.indexOf(':')
  const channel = colon < 0 ? undefined : key.slice(0, colon)
  const name = key.slice(colon + 1)
  if (channel !== undefined && !/^[a-z][a-z0-9-]{0,31}$/.test(channel)) {
    throw new AbnError(
      'ABN_NAME_INVALID',
      `channel name ${JSON.stringify(shown(channel))}: expected [a-z][a-z0-9-]{0,31}`,
    )
  }
  requireName(name)
  return { channel, name }
}

/** Throws ABN_PROJECT_INVALID. */
export function parseProject(text: string, { nearest }: ParseProjectOptions = {}): ProjectFile {
  const value = parseHumanJson(text, { maximumBytes: maximumProjectBytes, fail: invalid })
  requireKnown(value, FIELDS, nearest)
  const fields = optionalFieldsOf(value, PLACE, FIELDS)
  if (fields.$schema !== undefined) textOf(fields.$schema, below(PLACE, '$schema'))
  const packages = rangesOf(fields.packages ?? {}, below(PLACE, 'packages'))
  const devPackages = rangesOf(fields.devPackages ?? {}, below(PLACE, 'devPackages'))
  const twice = [...packages.keys()].find((name) => devPackages.has(name))
  requireThat(twice === undefined, below(PLACE, 'devPackages'), `${twice} is among packages too`)
  const channels = textsOf(fields.channels ?? {}, below(PLACE, 'channels'), (text, place, name) => {
    requireThat(CHANNEL_NAME.test(name), place, 'a channel has a name [a-z0-9][a-z0-9._-]{0,63}')
    requireThat(name !== 'abnpkg', place, 'this name is that of the recipes that come with abnpkg')
    return addressOf(text, place)
  })
  return { packages, devPackages, channels, suggests: suggestsOf(fields.suggests ?? {}, nearest) }
}

/**
 * The text with `change` made to it, its order of keys and its indentation kept. A new name comes where the order of names wants it, if the
 * names are in order so far. Throws ABN_PROJECT_INVALID.
 */
export function editProject(text: string, change: (ranges: Record<PackageGroup, Map<string, string>>) => void): string {
  const before = parseProject(text)
  const ranges = { packages: new Map(before.packages), devPackages: new Map(before.devPackages) }
  change(ranges)
  const value: JsonValue = JSON.parse(text)
  if (!isObject(value)) throw new TypeError('editProject: a project that is no object was parsed')
  const edited: Record<string, JsonValue> = { ...value }
  for (const group of ['packages', 'devPackages'] as const) {
    if (ranges[group].size > 0 || edited[group] !== undefined) {
      edited[group] = Object.fromEntries(inOrder(ranges[group], before[group]))
    }
  }
  const again = `${JSON.stringify(edited, undefined, indentationOf(text))}\n`
  parseProject(again)
  return again
}

/** The text of a project that has nothing yet. */
export const emptyProject = '{\n  "packages": {}\n}\n'

function inOrder(ranges: ReadonlyMap<string, string>, before: ReadonlyMap<string, string>): [string, string][] {
  const names = [...before.keys()]
  const wasSorted = names.every((name, i) => i === 0 || (names[i - 1] ?? '') < name)
  const entries = [...ranges]
  return wasSorted ? entries.sort(([a], [b]) => (a < b ? -1 : 1)) : entries
}

function indentationOf(text: string): string {
  const [, indentation] = /^\s*\{\n([ \t]+)"/.exec(text) ?? []
  return indentation !== undefined && indentation.length <= 8 ? indentation : '  '
}

function rangesOf(value: JsonValue, place: Place): ReadonlyMap<string, string> {
  const ranges = textsOf(value, place, (range, at, name) => {
    refusing(at, () => requirePackageKey(name))
    requireThat(rangePattern.test(range), at, 'expected a version or a range such as "^5.4" or "*"')
    return range
  })
  requireThat(ranges.size <= maximumPackages, place, `expected at most ${maximumPackages}`)
  return ranges
}

function suggestsOf(value: JsonValue, nearest: ParseProjectOptions['nearest']): ProjectFile['suggests'] {
  const place = below(PLACE, 'suggests')
  requireKnown(value, SUGGESTIONS, nearest, place)
  const { caches = [], policy } = optionalFieldsOf(value, place, SUGGESTIONS)
  const at = below(place, 'policy')
  const preset = policy === undefined ? undefined : textOf(policy, at)
  requireThat(preset === undefined || PRESETS.includes(preset), at, `expected one of ${PRESETS.join(', ')}`)
  return {
    caches: listOf(caches, below(place, 'caches'), (one, each) => {
      const text = addressOf(textOf(one, each), each)
      requireThat(/^https?:\/\//.test(text), each, 'expected an address such as "https://cache.example.org"')
      return text
    }),
    policy: preset,
  }
}

function textsOf(
  value: JsonValue,
  place: Place,
  check: (text: string, place: Place, name: string) => string,
): ReadonlyMap<string, string> {
  requireThat(isObject(value), place, 'expected an object')
  const entries = Object.entries(value).map(([name, text]): [string, string] => {
    const at = below(place, shown(name))
    return [name, check(textOf(text, at), at, name)]
  })
  return new Map(entries)
}

function addressOf(text: string, place: Place): string {
  requireThat(ADDRESS.test(text), place, 'expected an address, of letters, digits and . _ / ~ : @ % + - only')
  return text
}

/** An unknown field is refused with a guess at what was meant. */
function requireKnown(
  value: JsonValue,
  known: readonly string[],
  nearest: ParseProjectOptions['nearest'],
  place = PLACE,
): void {
  requireThat(isObject(value), place, 'expected an object')
  const unknown = Object.keys(value).find((key) => !known.includes(key))
  if (unknown === undefined) return
  const guess = nearest?.(unknown, known)
  const path = below(place, shown(unknown)).path
  throw new AbnError('ABN_PROJECT_INVALID', `abnpkg.json: unknown field ${JSON.stringify(path)}`, {
    hint: guess === undefined ? `there are ${known.join(', ')}` : `did you mean "${guess}"?`,
  })
}

function shown(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}…` : name
}

function refusing(place: Place, check: () => void): void {
  try {
    check()
  } catch (error) {
    throw error instanceof AbnError ? place.fail(`${place.path}: ${error.message}`) : error
  }
}

function invalid(reason: string, cause?: unknown): AbnError {
  return new AbnError('ABN_PROJECT_INVALID', `abnpkg.json: ${reason}`, cause === undefined ? {} : { cause })
}

const PLACE: Place = { path: '', fail: (reason) => invalid(reason) }
