// A channel in a temporary directory, written by the test itself: module name → text.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Channel } from '../../../builder/evaluate/channel.ts'

export type TemporaryChannel = {
  readonly channel: Channel
  readonly cacheDirectory: string
  /** `path` is relative to the channel's directory. */
  readonly write: (path: string, text: string) => void
  readonly [Symbol.dispose]: () => void
}

/** Paths of `files` without a slash are modules in recipes/packages. */
export function temporaryChannel(files: Readonly<Record<string, string>>, name = 'abnpkg'): TemporaryChannel {
  const directory = mkdtempSync(join(tmpdir(), 'abnpkg-evaluate-'))
  const root = join(directory, 'channel')
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  mkdirSync(join(root, 'recipes/packages'), { recursive: true })
  for (const [path, text] of Object.entries(files)) write(path.includes('/') ? path : `recipes/packages/${path}`, text)
  return {
    channel: { name, directory: root, modules: 'recipes/packages' },
    cacheDirectory: join(directory, 'cache'),
    write,
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  }
}

/** A small but complete recipe; `fields` go into it as they are written. */
export function recipeText(exportName: string, fields = ''): string {
  return `export const ${exportName} = recipe({ name: '${exportName}', version: '1.0', summary: 's', license: 'MIT',
  build: steps([['/bin/true', out]]), ${fields} })\n`
}

export const imports =
  "import { file, git, gnuBuild, local, makeBuild, out, output, recipe, steps, tarball, zip } from 'abnpkg'\n"
