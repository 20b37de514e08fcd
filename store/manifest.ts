/**
 * The manifest of a profile's generation, `manifest.json`: which packages, why, and where they are. Canonical JSON.
 */
import { encodeCanonicalJson, type JsonValue, parseCanonicalJson } from '../format/canonical-json.ts'
import { AbnError } from '../format/errors.ts'
import { below, countOf, fieldsOf, type Place, requireThat, sortedListOf, textOf } from '../format/fields.ts'
import { parseRecipeHash, type RecipeHash } from '../format/hash.ts'
import { parseStorePath, requireName, requireVersion, type StorePath } from '../format/store-path.ts'

export type Manifest = {
  readonly format: 1
  /** When the generation was made, in seconds since 1970. */
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
}

/** Throws ABN_PROFILE_INVALID. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return encodeCanonicalJson(checkManifest(manifest))
}

/** Throws ABN_PROFILE_INVALID or ABN_JSON_INVALID. */
export function parseManifest(bytes: Uint8Array): Manifest {
  return checkManifest(parseCanonicalJson(bytes))
}

function checkManifest(value: JsonValue): Manifest {
  const place: Place = {
    path: '',
    fail: (reason) => new AbnError('ABN_PROFILE_INVALID', `manifest of a profile: ${reason}`),
  }
  const fields = fieldsOf(value, place, ['format', 'at', 'packages'])
  requireThat(fields.format === 1, below(place, 'format'), 'expected 1')
  return {
    format: fields.format,
    at: countOf(fields.at, below(place, 'at')),
    packages: sortedListOf(fields.packages, below(place, 'packages'), packageOf, ({ name }) => name),
  }
}

function packageOf(value: JsonValue, place: Place): ProfilePackage {
  const fields = fieldsOf(value, place, ['name', 'version', 'recipe', 'paths', 'requested'])
  const name = textOf(fields.name, below(place, 'name'))
  requireName(name)
  const version = textOf(fields.version, below(place, 'version'))
  requireVersion(version)
  const path = (item: JsonValue, at: Place) => parseStorePath(textOf(item, at))
  return {
    name,
    version,
    recipe: parseRecipeHash(textOf(fields.recipe, below(place, 'recipe'))),
    paths: sortedListOf(fields.paths, below(place, 'paths'), path, (text) => text),
    requested: textOf(fields.requested, below(place, 'requested')),
  }
}
