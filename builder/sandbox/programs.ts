/**
 * The sandbox's own programs (init, the launcher), written in Abl: compiled at first use and kept in a cache directory
 * under the digest of their source and of the compiler, so that a changed source or compiler is compiled again.
 *
 * Trusts the cache directory as it trusts the store's: whoever can write there is the user.
 */
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withDiskErrors } from '../../store/io-errors.ts'

/** The path of the executable compiled from `sources` (file names in this folder, or absolute paths). */
export async function compiledProgram(sources: readonly string[], cacheDirectory: string): Promise<string> {
  const texts = sources.map((name) => readFileSync(join(name.startsWith('/') ? '' : import.meta.dirname, name), 'utf8'))
  const path = join(cacheDirectory, `abl-${digest([...texts, ...compilerTexts()])}`)
  if (isThere(path)) return path
  const { compileAbl } = await import('../../bootstrap/abl/reference.ts')
  withDiskErrors(`cannot write ${path}`, () => {
    mkdirSync(cacheDirectory, { recursive: true })
    const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
    writeFileSync(temporary, compileAbl(texts), { flush: true })
    chmodSync(temporary, 0o755)
    renameSync(temporary, path)
  })
  return path
}

/** What makes a new process one of a sandbox. */
export const initSources: readonly string[] = ['system.abl', 'init.abl']

/** What makes a store appear at /abn/store for one program. */
export const launcherSources: readonly string[] = ['system.abl', 'launcher.abl']

function compilerTexts(): readonly string[] {
  const folder = join(import.meta.dirname, '../../bootstrap/abl')
  return ['reference.ts', 'code.ts', 'tokens.ts'].map((name) => readFileSync(join(folder, name), 'utf8'))
}

function digest(texts: readonly string[]): string {
  const hash = createHash('sha256')
  for (const text of texts) hash.update(`${text.length}\n`).update(text)
  return hash.digest('hex')
}

function isThere(path: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false })
  return status !== undefined && status.size > 0
}
