/**
 * Fills the build directory before the first step: sources and patches, then the recipe's own directories and files.
 *
 * Everything is written by this process, outside the sandbox, into directories that hold what hostile archives put
 * there. So nothing is written through a symbolic link, and modes and times are set, not left to the umask or the clock.
 */
import { chmodSync, lstatSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Derivation, expandPlaceholders } from '../../format/derivation.ts'
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import type { StorePath } from '../../format/store-path.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import { applyPatches } from '../unpack/patch.ts'
import { unpackSource } from '../unpack/source.ts'

export type Staging = {
  /** What will be /build; empty. */
  readonly build: string
  /** Output name → store path, and the directory that will be there; empty. */
  readonly outputs: ReadonlyMap<string, { readonly path: StorePath; readonly directory: string }>
}

export type PrepareOptions = {
  /** Each source and patch of the derivation as a file on disk, checked. */
  readonly files: ReadonlyMap<Sha256, string>
  readonly signal?: AbortSignal | undefined
}

/** Throws ABN_UNPACK_…, ABN_PATCH_…, ABN_SOURCE_COLLISION, ABN_DISK_FULL. */
export async function prepareBuild(derivation: Derivation, staging: Staging, options: PrepareOptions): Promise<void> {
  for (const source of derivation.sources) {
    await unpackOne(source, staging, options).catch((error: unknown) =>
      withDiskErrors(`cannot unpack a source into ${staging.build}`, () => {
        throw error
      }),
    )
  }
  withDiskErrors(`cannot write to ${staging.build}`, () => {
    const paths = new Map([...staging.outputs].map(([output, { path }]) => [output, path]))
    for (const directory of derivation.directories) makeDirectory(locate(directory, staging))
    for (const file of derivation.files) {
      const place = locate(file.path, staging)
      makeDirectory({ ...place, parts: place.parts.slice(0, -1) })
      writeFile(place, expandPlaceholders(file.text, paths), file.executable)
    }
  })
}

async function unpackOne(
  { to, sha256, unpack, patches }: Derivation['sources'][number],
  { build }: Staging,
  { files, signal }: PrepareOptions,
): Promise<void> {
  await unpackSource({ file: fileOf(sha256, files), unpack, root: build, to, signal })
  if (patches.length === 0) return
  const named = patches.map((patch) => ({ file: fileOf(patch, files), name: patch.slice(0, 16) }))
  applyPatches({ directory: join(build, to), patches: named })
}

function fileOf(sha256: Sha256, files: ReadonlyMap<Sha256, string>): string {
  const file = files.get(sha256)
  if (file === undefined) throw new TypeError(`prepareBuild: no file for source ${sha256}`)
  return file
}

/** A directory of ours and the names below it. */
type Place = { readonly top: string; readonly parts: readonly string[]; readonly said: string }

function locate(path: string, { build, outputs }: Staging): Place {
  const inOutput = /^@\{([a-z0-9]+)\}(?:\/(.*))?$/s.exec(path)
  const top = inOutput ? outputs.get(inOutput[1] ?? '')?.directory : build
  if (top === undefined) throw new TypeError(`prepareBuild: ${path} is in no output`)
  const parts = (inOutput ? (inOutput[2] ?? '') : path).split('/').filter((part) => part !== '')
  if (parts.some((part) => part === '.' || part === '..')) throw new TypeError(`prepareBuild: ${path} is not normal`)
  return { top, parts, said: path }
}

function makeDirectory({ top, parts, said }: Place): void {
  let path = top
  for (const part of parts) {
    path = join(path, part)
    const status = lstatSync(path, { throwIfNoEntry: false })
    if (status === undefined) {
      mkdirSync(path)
      chmodSync(path, 0o755)
    } else if (!status.isDirectory()) throw collision(said, status.isSymbolicLink() ? 'a symbolic link' : 'a file')
  }
}

function writeFile({ top, parts, said }: Place, text: string, executable: boolean): void {
  const path = join(top, ...parts)
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status !== undefined && !status.isFile()) {
    throw collision(said, status.isSymbolicLink() ? 'a symbolic link' : 'a directory')
  }
  writeFileSync(path, text)
  chmodSync(path, executable ? 0o755 : 0o644)
  utimesSync(path, 1, 1)
}

function collision(path: string, what: string): AbnError {
  return new AbnError('ABN_SOURCE_COLLISION', `the recipe writes ${path}, but the sources have ${what} in that place`, {
    hint: 'choose another path in the recipe, or unpack the source into a directory of its own',
  })
}
