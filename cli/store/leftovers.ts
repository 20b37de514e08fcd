// What stands beside the items in a store and is of no use any more, found by `abnpkg gc`. What each rule keeps is also written in
// docs/garbage.md. Looked for under the store's exclusive lock, so that no install or build is about to use what is found.
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { storeItemOf } from '../../format/store-path.ts'
import type { Garbage } from '../../store/collect-garbage.ts'
import type { Store } from '../../store/store.ts'
import { parseAttestation } from '../../trust/attestation.ts'

export type Leftover = { readonly kind: LeftoverKind; readonly path: string; readonly bytes: number }

export type LeftoverKind =
  | 'attestation'
  | 'build log'
  | 'channel checkout'
  | 'channel repository'
  | 'compiled code'
  | 'decision'
  | 'evaluation'
  | 'failed build'
  | 'note'
  | 'partial download'

const DAY = 86_400

export type LeftoverOptions = {
  /** Seconds since 1970. */
  readonly now: number
  /** The directory of downloads. */
  readonly sources: string
  /** Digests of the checkouts that configured channels stand at. */
  readonly channels?: ReadonlySet<string>
  /** Where Node keeps compiled code. */
  readonly compileCache?: string | undefined
}

/** Never throws for what cannot be read: that is left alone. */
export function leftoversOf(store: Store, garbage: Garbage, options: LeftoverOptions): readonly Leftover[] {
  const look: Look = {
    store,
    garbage,
    now: options.now,
    staying: new Set(garbage.staying.map(({ path }) => storeItemOf(path))),
    going: new Set(garbage.items.map(({ path }) => storeItemOf(path))),
  }
  return [
    ...buildLogs(look),
    ...decisions(look),
    ...attestations(look),
    ...olderThan(look, 'failed build', `${store.root}/var/failed`, 7),
    ...olderThan(look, 'channel checkout', `${store.layout.cache}/channels`, 30).filter(
      ({ path }) => options.channels?.has(basename(path)) !== true && basename(path) !== 'repositories',
    ),
    // A lock beside one stays: somebody may hold it.
    ...olderThan(look, 'channel repository', `${store.layout.cache}/channels/repositories`, 30).filter(
      ({ path }) => !path.endsWith('.lock'),
    ),
    ...olderThan(look, 'evaluation', `${store.layout.cache}/evaluations`, 30),
    ...olderThan(look, 'note', `${store.layout.cache}/answers`, 30),
    ...partialDownloads(look, options.sources),
    ...unfinishedCode(look, options.compileCache),
  ]
}

/** Downloads that none of these hashes names. */
export function unnamedDownloads(directory: string, named: ReadonlySet<string>): readonly Omit<Leftover, 'kind'>[] {
  return filesIn(directory).filter(({ name }) => /^[0-9a-f]{64}$/.test(name) && !named.has(name))
}

type Look = {
  readonly store: Store
  readonly garbage: Garbage
  readonly now: number
  /** Items by their names. */
  readonly staying: ReadonlySet<string>
  readonly going: ReadonlySet<string>
}

/** The log of a build that failed is there without an item; it is read soon or never. */
function buildLogs(look: Look): Leftover[] {
  return filesIn(look.store.layout.log).flatMap((file) => {
    const item = file.name.replace(/(-check|-challenge)?\.(log\.zst|tests\.json)$/, '')
    if (look.staying.has(item)) return []
    return look.going.has(item) || isOlder(file, look, 7) ? leftover('build log', file) : []
  })
}

/** A record is kept as long as an item, or a note about one that was built, names it. One that nobody names yet may be about to be. */
function decisions(look: Look): Leftover[] {
  const files = filesIn(`${look.store.root}/var/decisions`)
  const { staying, items } = look.garbage
  const isNoteOut = ({ name, path, mtime }: File) =>
    name.endsWith('.json') &&
    !look.staying.has(name.slice(0, -'.json'.length)) &&
    (look.going.has(name.slice(0, -'.json'.length)) || isOlder({ name, path, mtime, bytes: 0 }, look, 7))
  const notes = files.filter(({ name }) => name.endsWith('.json'))
  const out = notes.filter(isNoteOut)
  const recordOf = (file: File) =>
    attempt((): string | null => JSON.parse(readFileSync(file.path, 'utf8')).record) ?? ''
  const named = new Set<string>(notes.filter((note) => !out.includes(note)).map(recordOf))
  const wasNamed = new Set<string>(out.map(recordOf))
  for (const { origin } of staying) if (origin.kind === 'substituted') named.add(origin.decision)
  for (const { origin } of items) if (origin.kind === 'substituted') wasNamed.add(origin.decision)
  const records = files.filter((file) => {
    const digest = file.name.replace(/\.zst$/, '')
    return file.name.endsWith('.zst') && !named.has(digest) && (wasNamed.has(digest) || isOlder(file, look, 7))
  })
  return [...out, ...records].flatMap((file) => leftover('decision', file))
}

/** What this machine has stated holds until it expires, also when the item is gone; after that nobody can use it. */
function attestations(look: Look): Leftover[] {
  const recipes = new Set<string>(look.garbage.staying.map(({ recipe }) => recipe))
  return filesIn(`${look.store.root}/var/attestations`).flatMap((file) => {
    if (recipes.has(file.name.slice(0, 64))) return []
    const expires = attempt(() => parseAttestation(readFileSync(file.path)).statement.expires)
    return expires !== undefined && expires < look.now ? leftover('attestation', file) : []
  })
}

/** One that can be taken up again, or that a process still writes, is younger. */
function partialDownloads(look: Look, directory: string): Leftover[] {
  const files = filesIn(directory).filter(({ name }) => name.startsWith('.partial-'))
  return files.flatMap((file) => (isOlder(file, look, 1) ? leftover('partial download', file) : []))
}

/** Node writes compiled code beside its place, and leaves that there when the disk is full. */
function unfinishedCode(look: Look, directory: string | undefined): Leftover[] {
  const files = directory === undefined ? [] : filesIn(directory)
  return files.flatMap((file) =>
    /^[0-9a-f]{8}\.[A-Za-z0-9]{6}$/.test(file.name) && isOlder(file, look, 1) ? leftover('compiled code', file) : [],
  )
}

function olderThan(look: Look, kind: LeftoverKind, directory: string, days: number): Leftover[] {
  return filesIn(directory).flatMap((file) => (isOlder(file, look, days) ? leftover(kind, file) : []))
}

type File = { readonly name: string; readonly path: string; readonly bytes: number; readonly mtime: number }

/** Files and directories; the size of a directory is that of what is in it. */
function filesIn(directory: string): File[] {
  const names = attempt(() => readdirSync(directory)) ?? []
  return names.flatMap((name) => {
    const path = `${directory}/${name}`
    const status = attempt(() => lstatSync(path))
    if (status === undefined) return []
    const bytes = status.isDirectory() ? filesIn(path).reduce((sum, file) => sum + file.bytes, 0) : status.size
    return { name, path, bytes, mtime: status.mtimeMs / 1000 }
  })
}

/** A time in the future, from a clock that jumped back, is not old. */
function isOlder({ mtime }: File, { now }: Look, days: number): boolean {
  return now - mtime > days * DAY
}

function leftover(kind: LeftoverKind, { path, bytes }: File): Leftover[] {
  return [{ kind, path, bytes }]
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
