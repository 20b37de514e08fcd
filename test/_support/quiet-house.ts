/** abnpkg in a directory of its own, where nobody is at work: for tests of what holds as long as none of its files changes. */
import { cpSync, mkdtempSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeDirectory } from '../../store/remove-directory.ts'
import { house } from './channel.ts'

const PARTS = ['abnpkg', 'package.json', 'package-lock.json', 'cli', 'builder', 'store', 'format', 'trust', 'recipes']

/** Its libraries are those of this checkout. Remove it in the end. */
export function quietHouse(): { readonly launcher: string; readonly remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), 'abn-house-'))
  for (const part of [...PARTS, 'bootstrap']) {
    cpSync(join(house, part), join(directory, part), { recursive: true, preserveTimestamps: true })
  }
  symlinkSync(join(house, 'node_modules'), join(directory, 'node_modules'))
  return { launcher: join(directory, 'abnpkg'), remove: () => removeDirectory(directory) }
}
