// Workspaces that are hard to remove: too deep for any path, or another user's.
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { openStore } from '../../store/store.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import { users } from '../builder/sandbox/_support/harness.ts'

const child = (name: string) => join(import.meta.dirname, 'children', name)

for (const { name, ids } of users) {
  const rootOf = (directory: string): string => {
    const root = join(directory, 'root')
    mkdirSync(root)
    if (ids) chownSync(root, ids.uid, ids.gid)
    chmodSync(directory, 0o755)
    return root
  }
  const run = (...args: readonly string[]) => spawnSync(process.execPath, args, { ...ids, cwd: '/', encoding: 'utf8' })

  test(`directories that no path can name are removed (as ${name})`, (t) => {
    const root = rootOf(temporaryDirectory(t))
    const { stdout, stderr } = run(child('too-deep.ts'), root, 'dispose')
    t.is(stdout, '[]', stderr)
  })

  test(`and those that a process left when it died (as ${name})`, (t) => {
    const root = rootOf(temporaryDirectory(t))
    const dead = run(child('too-deep.ts'), root, 'die').stdout
    t.true(existsSync(dead))
    t.is(run(child('make-workspace.ts'), root).stdout, 'made')
    t.deepEqual(readdirSync(join(root, 'var/tmp')), [])
  })
}

const asRoot = process.getuid?.() === 0 && users.length > 1 ? test : test.skip
asRoot("another user's workspace is left alone and is in nobody's way", (t) => {
  const ids = users[1]?.ids ?? { uid: 0, gid: 0 }
  const directory = temporaryDirectory(t)
  chmodSync(directory, 0o755)
  const { layout } = openStore({ root: join(directory, 'root') })
  for (const one of [layout.root, ...readdirSync(layout.root).map((entry) => join(layout.root, entry))]) {
    chownSync(one, ids.uid, ids.gid)
  }
  for (const one of [layout.temporary, layout.locks]) chownSync(one, ids.uid, ids.gid)
  for (const left of ['without-lock', 'with-lock']) {
    mkdirSync(join(layout.temporary, left), { mode: 0o700 })
    writeFileSync(join(layout.temporary, left, 'file'), '')
  }
  writeFileSync(join(layout.temporary, 'with-lock.lock'), '', { mode: 0o600 })
  const { stdout, stderr } = spawnSync(process.execPath, [child('make-workspace.ts'), layout.root], {
    ...ids,
    cwd: '/',
    encoding: 'utf8',
  })
  t.is(stdout, 'made', stderr)
  t.true(existsSync(join(layout.temporary, 'without-lock/file')))
  t.true(existsSync(join(layout.temporary, 'with-lock/file')))
})
