// The same bits for root and for an ordinary user, with other cores, another umask, time zone and physical root.
// And a store that stays whole when builds are killed.
import { chownSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { removeDirectory } from '../../../store/remove-directory.ts'
import { users } from '../sandbox/_support/harness.ts'
import { drive, killAndLook } from './_support/kill.ts'

test('the same bits whoever builds, and wherever', async (t) => {
  const results: string[] = []
  const circumstances = users.flatMap(({ ids }) => [
    { ids, env: { CORES: '1' } },
    { ids, env: { CORES: '3', TZ: 'Asia/Tokyo', LANG: 'de_DE.UTF-8', HOME: '/nowhere' } },
  ])
  for (const { ids, env } of circumstances) {
    const directory = mkdtempSync(join(tmpdir(), 'abn-users-'))
    if (ids) chownSync(directory, ids.uid, ids.gid)
    const { code, text } = await drive(directory, 'salt', { env, ...(ids ? { ids } : {}) })
    t.is(code, 0)
    results.push(text)
    removeDirectory(directory)
  }
  const [first = '[]', ...others] = results
  t.is(JSON.parse(first).length, 10)
  for (const other of others) t.is(other, first)
})

test('kill -9 of a driver leaves a whole store', async (t) => {
  await killAndLook(t, 6)
})
