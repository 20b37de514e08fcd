/**
 * What a builder has to do and has done: one file a recipe, var/builder/tasks/<recipe hash>.json, canonical JSON, each written
 * in one piece. It only remembers; what is built is known by the store, what is signed by var/attestations and what is
 * published by the caches, so that a task that is carried out again does nothing twice.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { canonicalJson, type JsonValue, parseCanonicalJson } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import { below, booleanOf, countOf, fieldsOf, listOf, type Place, requireThat, textOf } from '../../format/fields.ts'
import { parseRecipeHash, parseSha256, type RecipeHash, type Sha256 } from '../../format/hash.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import type { Store } from '../../store/store.ts'
import { temporaryPrefix, writeDurably } from '../../store/write-durably.ts'

export type Task = {
  readonly format: 1
  readonly recipe: RecipeHash
  readonly name: string
  readonly version: string
  readonly state: 'waiting' | 'done' | 'failed'
  /** How often it failed since it last succeeded or was begun anew. */
  readonly attempts: number
  /** When to try again, in seconds since 1970. */
  readonly notBefore: number
  /** Which attestation of the package each cache has taken, with all that belongs to it. Sorted by cache. */
  readonly published: readonly { readonly cache: string; readonly attestation: Sha256 }[]
  /** When the statement must be made anew; 0 when there is none. */
  readonly renew: number
  /** Statements of others that say something else of the same recipe. */
  readonly contradictions: readonly Contradiction[]
  readonly error: { readonly code: string; readonly message: string } | null
  readonly changed: number
}

export type Contradiction = {
  readonly cache: string
  readonly recipe: RecipeHash
  readonly attestation: Sha256
  /** Key id of who signed it, if it is genuine. */
  readonly key: string
  /** Whether the signature was checked with a key of the configuration. */
  readonly verified: boolean
  /** 'build': other bits from the same inputs; 'inputs': other bits, but other inputs too. */
  readonly cause: 'build' | 'inputs'
}

export function newTask({ recipe, name, version }: Pick<Task, 'recipe' | 'name' | 'version'>, now: number): Task {
  const nothing = { attempts: 0, notBefore: 0, published: [], renew: 0, contradictions: [], error: null }
  return { format: 1, recipe, name, version, state: 'waiting', ...nothing, changed: now }
}

export function writeTask(store: Store, task: Task): void {
  const directory = directoryOf(store)
  withDiskErrors(`cannot make ${directory}`, () => mkdirSync(directory, { recursive: true }))
  writeDurably(`${directory}/${task.recipe}.json`, canonicalJson(jsonOf(task)))
}

export function readTask(store: Store, recipe: RecipeHash): Task | undefined {
  const file = `${directoryOf(store)}/${recipe}.json`
  return existsSync(file) ? parseTask(readFileSync(file), file) : undefined
}

/** All, sorted by recipe. Throws ABN_BUILDER_STATE. */
export function readTasks(store: Store): readonly Task[] {
  const directory = directoryOf(store)
  if (!existsSync(directory)) return []
  const names = readdirSync(directory).filter((name) => !name.startsWith(temporaryPrefix))
  return names.sort().map((name) => parseTask(readFileSync(`${directory}/${name}`), `${directory}/${name}`))
}

export function removeTask(store: Store, recipe: RecipeHash): void {
  rmSync(`${directoryOf(store)}/${recipe}.json`, { force: true })
}

function directoryOf({ root }: Store): string {
  return `${root}/var/builder/tasks`
}

function jsonOf(task: Task): JsonValue {
  return { ...task, published: [...task.published].sort((a, b) => (a.cache < b.cache ? -1 : 1)) }
}

const FIELDS = [
  'attempts',
  'changed',
  'contradictions',
  'error',
  'format',
  'name',
  'notBefore',
  'published',
  'recipe',
  'renew',
  'state',
  'version',
] as const

function parseTask(bytes: Uint8Array, file: string): Task {
  const place: Place = {
    path: '',
    fail: (reason) =>
      new AbnError('ABN_BUILDER_STATE', `${file}: ${reason}`, {
        hint: 'remove that file; the task will be found again',
      }),
  }
  const fields = fieldsOf(jsonIn(bytes, place), place, FIELDS)
  const { state, error } = fields
  requireThat(fields.format === 1, below(place, 'format'), 'expected 1')
  requireThat(state === 'waiting' || state === 'done' || state === 'failed', below(place, 'state'), 'not a state')
  return {
    format: 1,
    recipe: parseRecipeHash(textOf(fields.recipe, below(place, 'recipe'))),
    name: textOf(fields.name, below(place, 'name')),
    version: textOf(fields.version, below(place, 'version')),
    state,
    attempts: countOf(fields.attempts, below(place, 'attempts')),
    notBefore: countOf(fields.notBefore, below(place, 'notBefore')),
    published: listOf(fields.published, below(place, 'published'), (one, at) => {
      const { cache, attestation } = fieldsOf(one, at, ['cache', 'attestation'])
      return { cache: textOf(cache, at), attestation: parseSha256(textOf(attestation, at)) }
    }),
    renew: countOf(fields.renew, below(place, 'renew')),
    contradictions: listOf(fields.contradictions, below(place, 'contradictions'), contradictionOf),
    error: error === null ? null : errorOf(error, below(place, 'error')),
    changed: countOf(fields.changed, below(place, 'changed')),
  }
}

function contradictionOf(value: JsonValue, place: Place): Contradiction {
  const fields = fieldsOf(value, place, ['attestation', 'cache', 'cause', 'key', 'recipe', 'verified'])
  const { cause } = fields
  requireThat(cause === 'build' || cause === 'inputs', below(place, 'cause'), 'expected "build" or "inputs"')
  return {
    cache: textOf(fields.cache, place),
    recipe: parseRecipeHash(textOf(fields.recipe, place)),
    attestation: parseSha256(textOf(fields.attestation, place)),
    key: textOf(fields.key, place),
    verified: booleanOf(fields.verified, place),
    cause,
  }
}

function errorOf(value: JsonValue, place: Place): NonNullable<Task['error']> {
  const { code, message } = fieldsOf(value, place, ['code', 'message'])
  return { code: textOf(code, place), message: textOf(message, place) }
}

function jsonIn(bytes: Uint8Array, place: Place): JsonValue {
  try {
    return parseCanonicalJson(bytes)
  } catch (error) {
    throw place.fail(error instanceof Error ? error.message : 'not JSON')
  }
}
