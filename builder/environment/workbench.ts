/**
 * The directory in which a person works on a package's sources. It becomes /build, as in the package's own build; what belongs to
 * abnpkg is in `.abn`, which programs inside may not change:
 *
 *   .abn/develop.json     which sources these are, and whether they have been patched
 *   .abn/commands.sh      the phases as shell functions (commands.ts)
 *   .abn/outputs/<name>/  what the install phase makes
 *   .abn/build.sh         of the derivation; brought up to date each time, so that a changed recipe can be tried at once
 *
 * Sources and earlier builds are hostile: nothing is written or mounted through a symbolic link that they could have left.
 */
import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Derivation, expandPlaceholders } from '../../format/derivation.ts'
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import type { StorePath } from '../../format/store-path.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import { removeDirectory } from '../../store/remove-directory.ts'
import { prepareBuild } from '../realise/prepare.ts'
import { applyPatches } from '../unpack/patch.ts'
import { commandsOf } from './commands.ts'

export type Workbench = {
  /** Whether something was unpacked or patched now. */
  readonly changed: boolean
  /** Output name → the directory that stands in its place. */
  readonly outputs: ReadonlyMap<string, string>
}

export type WorkbenchOptions = {
  readonly directory: string // absolute
  readonly outputs: ReadonlyMap<string, StorePath>
  /** Sources and patches by hash; asked for only when they are needed. */
  readonly files: () => Promise<ReadonlyMap<Sha256, string>>
  /** How far: an unpacked directory is patched later, a patched one stays as it is. */
  readonly until: 'unpack' | 'patch'
  readonly signal: AbortSignal
}

/** Throws ABN_DEVELOP_DIRECTORY, ABN_UNPACK_…, ABN_PATCH_…, ABN_SOURCE_…, ABN_DISK_FULL. */
export async function openWorkbench(derivation: Derivation, options: WorkbenchOptions): Promise<Workbench> {
  const { directory, outputs, until } = options
  const state = readState(derivation, directory)
  let changed = true
  if (state === undefined) await unpack(derivation, options)
  else if (!state.patched && until === 'patch') await patch(derivation, options)
  else changed = false
  return withDiskErrors(`cannot write to ${directory}`, () => {
    for (const file of derivation.files.filter(({ path }) => path.startsWith('.abn/'))) {
      writeOwn(directory, file.path, expandPlaceholders(file.text, outputs), file.executable ? 0o755 : 0o644)
    }
    writeOwn(directory, '.abn/commands.sh', commandsOf(derivation, outputs), 0o644)
    const places = [...outputs.keys()].map((output) => {
      makeOwn(directory, `.abn/outputs/${output}`)
      return [output, join(directory, '.abn/outputs', output)] as const
    })
    return { changed, outputs: new Map(places) }
  })
}

type State = { readonly version: 1; readonly name: string; readonly sources: string; readonly patched: boolean }

/** Undefined where there is nothing yet. */
function readState(derivation: Derivation, directory: string): State | undefined {
  const status = lstatSync(directory, { throwIfNoEntry: false })
  if (status === undefined) return undefined
  if (!status.isDirectory()) throw unusable(directory, 'is not a directory')
  if (readdirSync(directory).length === 0) return undefined
  let state: State
  try {
    requireOwn(directory, '.abn')
    state = JSON.parse(readFileSync(join(directory, STATE), 'utf8'))
  } catch {
    throw unusable(directory, 'is not empty, and was not made by abnpkg develop')
  }
  if (state.version === 1 && state.sources === sourcesOf(derivation)) return state
  throw unusable(directory, `holds the sources of ${String(state.name)}, or other patches`)
}

function writeState(derivation: Derivation, directory: string, patched: boolean): void {
  const { name, version } = derivation
  const state: State = { version: 1, name: `${name} ${version}`, sources: sourcesOf(derivation), patched }
  writeOwn(directory, STATE, `${JSON.stringify(state, undefined, 2)}\n`, 0o644)
}

/** Beside its place, then renamed: an interrupted one leaves nothing that looks finished. */
async function unpack(derivation: Derivation, { directory, outputs, files, until, signal }: WorkbenchOptions) {
  const sources = until === 'patch' ? derivation.sources : derivation.sources.map((one) => ({ ...one, patches: [] }))
  const found = await files()
  const scratch = `${directory}.unpacking-${process.pid}`
  const [build, made] = [join(scratch, 'build'), join(scratch, 'outputs')]
  try {
    const staged = withDiskErrors(`cannot unpack into ${directory}`, () => {
      for (const path of [build, made]) mkdirSync(path, { recursive: true })
      return [...outputs].map(([output, path]) => {
        mkdirSync(join(made, output))
        return [output, { path, directory: join(made, output) }] as const
      })
    })
    await prepareBuild({ ...derivation, sources }, { build, outputs: new Map(staged) }, { files: found, signal })
    withDiskErrors(`cannot unpack into ${directory}`, () => {
      makeOwn(build, '.abn')
      renameSync(made, join(build, '.abn/outputs'))
      writeState(
        derivation,
        build,
        until === 'patch' || derivation.sources.every(({ patches }) => patches.length === 0),
      )
      renameSync(build, directory)
    })
  } finally {
    removeDirectory(scratch)
  }
}

async function patch(derivation: Derivation, { directory, files }: WorkbenchOptions): Promise<void> {
  const found = await files()
  for (const { to, patches } of derivation.sources) {
    const named = patches.map((sha256) => ({ file: found.get(sha256) ?? missing(sha256), name: sha256.slice(0, 16) }))
    if (named.length > 0 && to !== '.') makeOwn(directory, to)
    if (named.length > 0) applyPatches({ directory: join(directory, to), patches: named })
  }
  writeState(derivation, directory, true)
}

/** Says of which sources and patches a directory was made. */
function sourcesOf({ sources }: Derivation): string {
  return createHash('sha256').update(JSON.stringify(sources)).digest('hex')
}

const STATE = '.abn/develop.json'

/** `path` is relative, of plain names; what was there is replaced, not written into. */
function writeOwn(top: string, path: string, text: string, mode: number): void {
  makeOwn(top, dirname(path))
  rmSync(join(top, path), { force: true })
  writeFileSync(join(top, path), text, { flag: 'wx', mode })
}

/** A directory with its parents below `top`, none of which is a symbolic link. */
function makeOwn(top: string, path: string): void {
  let at = ''
  for (const part of path.split('/')) {
    at = at === '' ? part : `${at}/${part}`
    if (lstatSync(join(top, at), { throwIfNoEntry: false }) === undefined) mkdirSync(join(top, at))
    requireOwn(top, at)
  }
}

function requireOwn(top: string, path: string): void {
  if (!lstatSync(join(top, path)).isDirectory()) throw unusable(join(top, path), 'is not a directory')
}

function unusable(directory: string, reason: string): AbnError {
  return new AbnError('ABN_DEVELOP_DIRECTORY', `${directory} ${reason}`, {
    hint: 'choose another directory with --directory, or remove this one',
  })
}

function missing(sha256: Sha256): never {
  throw new TypeError(`openWorkbench: no file for ${sha256}`)
}
