/**
 * The manifest of a profile's generation, `manifest.json`: which packages, why, and where they are. Canonical JSON, as
 * docs/formats/profile.md says. Format 1 knows no priorities; format 2 is written only where there are some, so that older
 * versions of abnpkg read what they can understand. A format newer than both is refused as such.
 */
import { encodeCanonicalJson, type JsonValue, parseCanonicalJson } from '../format/canonical-json.ts'
import { AbnError } from '../format/errors.ts'
import { below, countOf, fieldsOf, isObject, type Place, requireThat, sortedListOf, textOf } from '../format/fields.ts'
import { parseRecipeHash, type RecipeHash } from '../format/hash.ts'
import { parseStorePath, requireName, requireVersion, type StorePath } from '../format/store-path.ts'

export type Manifest = {
  /** When the generation was made, in seconds since 1970, by a clock that may be wrong: for people, never for an order. */
  readonly at: number
  /** Sorted by name; one package a name. */
  readonly packages: readonly ProfilePackage[]
}

export type ProfilePackage = {
  readonly name: string
  readonly version: string
  readonly recipe: RecipeHash
  /** Store paths of the outputs that the profile shows. Sorted. */
  readonly paths: readonly StorePath[]
  /** What the person asked for, such as `hello@^2.10`. */
  readonly requested: string
  /** Of two packages that bring the same file, the one with the higher priority shows its own. 0 unless told. */
  readonly priority: number
}

/** Priorities are whole numbers from -highestPriority to highestPriority. */
export const highestPriority = 1000

export function isPriority(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= highestPriority
}

/** Throws ABN_PROFILE_INVALID. */
export function encodeManifest({ at, packages }: Manifest): Uint8Array {
  const format = packages.some(({ priority }) => priority !== 0) ? 2 : 1
  const listed = format === 2 ? packages : packages.map(({ priority: _, ...one }) => one)
  const value = { format, at, packages: listed }
  checkManifest(value)
  return encodeCanonicalJson(value)
}

/** Throws ABN_PROFILE_INVALID, ABN_STORE_NEWER or ABN_JSON_INVALID. */
export function parseManifest(bytes: Uint8Array): Manifest {
  return checkManifest(parseCanonicalJson(bytes))
}

function checkManifest(value: JsonValue): Manifest {
  const place: Place = {
    path: '',
    fail: (reason) => new AbnError('ABN_PROFILE_INVALID', `manifest of a profile: ${reason}`),
  }
  const format = formatOf(value, place)
  const fields = fieldsOf(value, place, ['format', 'at', 'packages'])
  const packages = sortedListOf(
    fields.packages,
    below(place, 'packages'),
    (one, at) => packageOf(one, at, format),
    ({ name }) => name,
  )
  const needsTwo = packages.some(({ priority }) => priority !== 0)
  requireThat(needsTwo === (format === 2), below(place, 'format'), 'expected 2 where there are priorities, else 1')
  return { at: countOf(fields.at, below(place, 'at')), packages }
}

/** Before anything else, so that what a newer version wrote is not taken for damage. */
function formatOf(value: JsonValue, place: Place): 1 | 2 {
  const format = isObject(value) ? value.format : undefined
  if (typeof format === 'number' && Number.isInteger(format) && format > 2) {
    throw new AbnError('ABN_STORE_NEWER', `a profile has a manifest of format ${format}, this abnpkg knows 1 and 2`, {
      hint: 'update abnpkg; nothing was changed',
    })
  }
  requireThat(format === 1 || format === 2, below(place, 'format'), 'expected 1 or 2')
  return format
}

function packageOf(value: JsonValue, place: Place, format: 1 | 2): ProfilePackage {
  const names = [
    'name',
    'version',
    'recipe',
    'paths',
    'requested',
    ...(format === 2 ? (['priority'] as const) : []),
  ] as const
  const fields = fieldsOf(value, place, names)
  const name = textOf(fields.name, below(place, 'name'))
  requireName(name)
  const version = textOf(fields.version, below(place, 'version'))
  requireVersion(version)
  const path = (item: JsonValue, at: Place) => parseStorePath(textOf(item, at))
  const priority = format === 2 ? fields.priority : 0
  requireThat(
    isPriority(priority),
    below(place, 'priority'),
    `expected a whole number from -${highestPriority} to ${highestPriority}`,
  )
  return {
    name,
    version,
    recipe: parseRecipeHash(textOf(fields.recipe, below(place, 'recipe'))),
    paths: sortedListOf(fields.paths, below(place, 'paths'), path, (text) => text),
    requested: textOf(fields.requested, below(place, 'requested')),
    priority,
  }
}
