// Places where no store can be made: an error with a hint, at once.
import { spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { openStore } from '../../store/store.ts'
import { temporaryDirectory } from '../_support/temporary.ts'

const program = `
  import { openStore } from ${JSON.stringify(join(import.meta.dirname, '../../store/store.ts'))}
  try { openStore({ root: process.argv[1] }) } catch (error) { process.stdout.write(error.code + ' ' + !!error.hint) }`

for (const root of ['/proc/x', '/proc/x/y/z', '/proc/self/x']) {
  test(`${root} is no place for a store`, (t) => {
    // In a process of its own, as the fault would be one that never ends.
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program, root], {
      encoding: 'utf8',
      timeout: 60_000,
      killSignal: 'SIGKILL',
    })
    t.is(stdout, 'ABN_STORE_UNUSABLE true')
  })
}

test('neither is a symbolic link to nothing, or to itself', (t) => {
  const directory = temporaryDirectory(t)
  for (const [name, target] of [
    ['dangling', 'nothing'],
    ['loop', 'loop'],
  ] as const) {
    symlinkSync(target, join(directory, name))
    t.throws(() => openStore({ root: join(directory, name) }), { code: 'ABN_STORE_UNUSABLE' })
    t.throws(() => openStore({ root: join(directory, name, 'below') }), { code: 'ABN_STORE_UNUSABLE' })
  }
})

test('one to a directory is', (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'real'))
  symlinkSync('real', join(directory, 'link'))
  t.notThrows(() => openStore({ root: join(directory, 'link/a') }))
})
