/** Stores in temporary directories, and outputs to register in them. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { parseRecipeHash, type RecipeHash, sha256Of } from '../../format/hash.ts'
import { type StorePath, storePathOf } from '../../format/store-path.ts'
import type { BuiltOrigin } from '../../store/item.ts'
import type { Registered, Registration } from '../../store/register.ts'
import type { Store } from '../../store/store.ts'

export function recipeOf(name: string): RecipeHash {
  return parseRecipeHash(sha256Of(name))
}

export function pathOf(name: string, output = 'out'): StorePath {
  return storePathOf(recipeOf(name), name, '1', output)
}

export const origin: BuiltOrigin = {
  kind: 'built',
  at: 1,
  seconds: 2,
  system: 'x86_64-linux',
  resolved: sha256Of(''),
  inputs: [],
  log: '',
}

/** A text is a file, `{ link }` a symbolic link, `{ program }` an executable file. */
export type Files = Readonly<Record<string, string | { link: string } | { program: string }>>

export function writeFiles(directory: string, files: Files): void {
  mkdirSync(directory, { recursive: true })
  for (const [path, content] of Object.entries(files)) {
    const at = join(directory, path)
    mkdirSync(dirname(at), { recursive: true })
    if (typeof content === 'string') writeFileSync(at, content)
    else if ('link' in content) symlinkSync(content.link, at)
    else writeFileSync(at, content.program, { mode: 0o755 })
  }
}

export type RegisterOptions = Partial<Pick<Registration, 'candidates' | 'buildReferences'>> & {
  /** Changes the staged directories before they are registered. */
  readonly prepare?: (directory: string) => void
}

/** Stages and registers the outputs of one derivation. */
export async function registerFiles(
  store: Store,
  name: string,
  outputs: Readonly<Record<string, Files>>,
  { prepare = () => {}, candidates = [], buildReferences }: RegisterOptions = {},
): Promise<Registered> {
  using lock = await store.lockDerivation(recipeOf(name))
  using workspace = await store.createWorkspace()
  const staged = Object.entries(outputs).map(([output, files]) => {
    const directory = join(workspace.directory, output)
    writeFiles(directory, files)
    prepare(directory)
    return { output, path: pathOf(name, output), directory }
  })
  return await store.register({ lock, name, version: '1', outputs: staged, candidates, origin, buildReferences })
}

/** As if the holds (hold.ts) had been made then; by default long ago. */
export function dateHolds(root: string, made = new Date(1000)): void {
  const directory = join(root, 'var/holds')
  for (const name of existsSync(directory) ? readdirSync(directory) : []) utimesSync(join(directory, name), made, made)
}

/** Every path below a directory with mode, mtime and target. */
export function listing(directory: string, prefix = ''): string[] {
  return readdirSync(directory).flatMap((name) => {
    const at = join(directory, name)
    const status = lstatSync(at)
    const target = status.isSymbolicLink() ? ` -> ${readlinkSync(at)}` : ` ${(status.mode & 0o7777).toString(8)}`
    const line = `${prefix}${name}${target} ${status.mtimeMs}`
    return status.isDirectory() ? [line, ...listing(at, `${prefix}${name}/`)] : [line]
  })
}
