// A channel whose packages build in no time in the real sandbox, because their only tool is a small program in Abl: with it
// the commands can be tested without the chain from the seed. Also the surroundings in which a test runs abnpkg.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileAbl } from '../../bootstrap/abl/reference.ts'

export const house = join(import.meta.dirname, '../..')
export const launcher = join(house, 'abnpkg')

export type Home = {
  readonly directory: string
  readonly channel: string
  readonly root: string
  /** What abnpkg is run with: nothing of the caller's but the system's PATH. */
  readonly env: Readonly<Record<string, string>>
  readonly [Symbol.dispose]: () => void
}

/** A fresh home directory with a store to be, and the test channel in it. */
export function makeHome(): Home {
  const directory = mkdtempSync(join(tmpdir(), 'abnpkg-test-'))
  const channel = join(directory, 'channel')
  const root = join(directory, 'root')
  cpSync(join(import.meta.dirname, 'channel'), channel, { recursive: true })
  mkdirSync(join(channel, 'recipes/files'))
  const tool = compileAbl([readFileSync(join(import.meta.dirname, 'tool.abl'), 'utf8')])
  writeFileSync(join(channel, 'recipes/files/tool'), tool, { mode: 0o755 })
  return {
    directory,
    channel,
    root,
    env: {
      PATH: `${house}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`,
      HOME: directory,
      LANG: 'C.UTF-8',
      ABNPKG_ROOT: root,
      ABNPKG_CHANNEL: channel,
    },
    [Symbol.dispose]: () => {
      spawnSync('chmod', ['-R', 'u+w', directory]) // the store's directories are read-only
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
