/**
 * The sandbox's own programs (init, the launcher), written in Abl: compiled at first use and kept in a cache directory
 * under the digest of their source and of the compiler, so that a changed source or compiler is compiled again.
 *
 * Trusts the cache directory as it trusts the store's: whoever can write there is the user.
 */
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import { makeDirectories } from '../../store/make-directories.ts'
import type { Store } from '../../store/store.ts'

/** Where the programs of a store are kept once they are compiled. */
export function programCacheOf({ layout }: Pick<Store, 'layout'>): string {
  return join(layout.cache, 'programs')
}

/**
 * The path of the executable compiled from `sources` (file names in this folder, or absolute paths). Where the cache cannot be
 * written, as in another user's store, it is compiled for this process alone.
 */
export async function compiledProgram(sources: readonly string[], cacheDirectory: string): Promise<string> {
  const texts = sources.map((name) => readFileSync(join(name.startsWith('/') ? '' : import.meta.dirname, name), 'utf8'))
  const name = `abl-${digest([...texts, ...compilerTexts()])}`
  const path = join(cacheDirectory, name)
  if (isThere(path)) return path
  const { compileAbl } = await import('../../bootstrap/abl/reference.ts')
  const program = compileAbl(texts)
  try {
    return writeProgram(path, program)
  } catch (error) {
    if (!(error instanceof AbnError) || error.code !== 'ABN_STORE_UNUSABLE') throw error
    return writeProgram(join(ownDirectory(), name), program)
  }
}

function writeProgram(path: string, program: Uint8Array): string {
  withDiskErrors(`cannot write ${path}`, () => {
    makeDirectories(dirname(path))
    const temporary = `${path}.${process.pid}.${crypto().randomBytes(4).toString('hex')}`
    writeFileSync(temporary, program, { flush: true })
    chmodSync(temporary, 0o755)
    renameSync(temporary, path)
  })
  return path
}

/** Nobody else can have put anything there; it goes with the process. */
function ownDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'abnpkg-programs-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** What makes a new process one of a sandbox. */
export const initSources: readonly string[] = ['system.abl', 'setup.abl', 'init.abl']

/** What makes a store appear at /abn/store for one program. */
export const launcherSources: readonly string[] = ['system.abl', 'launcher.abl']

function compilerTexts(): readonly string[] {
  const folder = join(import.meta.dirname, '../../bootstrap/abl')
  return ['reference.ts', 'code.ts', 'tokens.ts'].map((name) => readFileSync(join(folder, name), 'utf8'))
}

function digest(texts: readonly string[]): string {
  const hash = crypto().createHash('sha256')
  for (const text of texts) hash.update(`${text.length}\n`).update(text)
  return hash.digest('hex')
}

function isThere(path: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false })
  return status !== undefined && status.size > 0
}

/** Asked for in this way it is loaded in a fraction of the time; every program that is run waits for it. */
function crypto(): typeof import('node:crypto') {
  return process.getBuiltinModule('node:crypto')
}
