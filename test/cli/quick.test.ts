import { spawnSync } from 'node:child_process'
import { appendFileSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { nothingToDo } from '../../cli/quick.ts'
import { type Home, launcher, makeHome } from '../_support/channel.ts'

const argv = ['install', 'greet']
const answer = ['greet 1.1.0 is installed already']

test('an install with nothing to do is answered without evaluating, as long as nothing has changed', async (t) => {
  using home = makeHome()
  t.is(nothingToDo(argv, home.env), undefined, 'before anything is installed')
  // Files that were changed less than two seconds ago are never taken for unchanged.
  await delay(2100)
  abnpkg(home, argv)
  t.is(nothingToDo(argv, home.env), undefined, 'an install that did something')
  t.is(abnpkg(home, argv), `${answer}\n`)
  t.deepEqual(nothingToDo(argv, home.env), answer)

  t.is(nothingToDo(['install', 'tool'], home.env), undefined, 'another package')
  t.is(nothingToDo([...argv, '--json'], home.env), undefined, 'an option')
  t.is(nothingToDo(argv, { ...home.env, ABNPKG_CHANNEL: undefined }), undefined, 'another channel')
  t.is(nothingToDo(argv, { ...home.env, ABNPKG_CHANNEL: './channel' }), undefined, 'a relative channel')

  abnpkg(home, ['install', 'greet@1.0.0'])
  t.is(nothingToDo(argv, home.env), undefined, 'another generation')
  abnpkg(home, argv)
  abnpkg(home, argv)
  t.deepEqual(nothingToDo(argv, home.env), answer)

  const records = join(home.root, 'var/items')
  const record = readdirSync(records).find((name) => name.includes('-greet-1.1.0')) ?? ''
  renameSync(join(records, record), join(home.root, 'aside'))
  t.is(nothingToDo(argv, home.env), undefined, 'an item that is gone')
  renameSync(join(home.root, 'aside'), join(records, record))
  t.deepEqual(nothingToDo(argv, home.env), answer)

  appendFileSync(join(home.channel, 'recipes/packages/greet.ts'), '\n')
  t.is(nothingToDo(argv, home.env), undefined, 'a recipe that was changed')
})

function abnpkg({ env }: Home, args: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(launcher, args, { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return stdout
}
