import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { parseStoreItem, storePathOfItem } from '../../format/store-path.ts'
import { outputDigestOfDirectory } from '../../store/output-digest.ts'
import { readProfile } from '../../store/profiles.ts'
import { openStore, type Store } from '../../store/store.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import { listing, pathOf, registerFiles } from './support.ts'

const child = (name: string) => join(import.meta.dirname, 'children', name)

/** Every valid item is there, has its bits and its form, and refers to valid items only. */
function verify(store: Store): { valid: number; leftovers: number } {
  const records = readdirSync(store.layout.items).filter((name) => !name.startsWith('.new-'))
  for (const record of records) {
    const item = parseStoreItem(record.replace(/\.json$/, ''))
    const { outputDigest, path } = store.readItem(storePathOfItem(item))
    const directory = store.physicalPath(path)
    if (outputDigestOfDirectory(directory, item).outputDigest !== outputDigest) throw new Error(`${item}: other bits`)
    if ((lstatSync(directory).mode & 0o7777) !== 0o555) throw new Error(`${item}: writable`)
    const odd = listing(directory).filter((line) => !/( (444|555)| -> .*) 1000$/.test(line))
    if (odd.length > 0) throw new Error(`${item}: ${odd}`)
    store.closureOf([path])
  }
  return { valid: records.length, leftovers: readdirSync(store.layout.store).length - records.length }
}

test('kill -9 at random instants of registering and switching leaves a whole store', async (t) => {
  const root = temporaryDirectory(t)
  const until = Date.now() + 8000
  let kills = 0
  while (Date.now() < until || kills <= 5) {
    const running = spawn(process.execPath, [child('register-forever.ts'), root], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = new Promise((resolve) => running.once('exit', resolve))
    // Starting Node takes long and is not what is tested: the clock runs from the first output.
    await new Promise((resolve) => running.stdout.once('data', resolve))
    await delay(Math.random() * 60)
    running.kill('SIGKILL')
    await ended
    kills++
  }
  await using store = openStore({ root })
  const { valid } = verify(store)
  t.true(valid > 0, `${valid} items after ${kills} kills`)
  t.log(`${valid} items after ${kills} kills`)
  const profile = readProfile(store, 'default')
  for (const { paths } of profile?.manifest.packages ?? []) for (const path of paths) t.true(store.has(path))
  // What was interrupted works when it is done again, and nothing of the dead is left.
  const next = valid === 0 ? 0 : Number(readFileSync(join(root, 'next'), 'utf8'))
  await registerFiles(store, `n${next}`, { out: { a: `${next}` }, dev: { a: pathOf(`n${next}`) } })
  verify(store)
  t.deepEqual(readdirSync(store.layout.temporary), [])
})

const unshare = ['unshare', '--user', '--map-root-user', '--mount']
const mayMount = spawnSync('sh', ['-c', `${unshare.join(' ')} mount -t tmpfs -o size=1m tmpfs /mnt`]).status === 0

;(mayMount ? test : test.skip)('a full disk is a clear error, and nothing is registered by halves', (t) => {
  const root = temporaryDirectory(t)
  // Each line of output: bytes left free on the disk, the error's code or "ok", and what is in store/ and items/ then.
  const script = `mount -t tmpfs -o size=2m,nr_inodes=200 tmpfs "$1" && exec "$2" "$3" "$1"`
  const { stdout, stderr, status } = spawnSync(
    unshare[0] ?? '',
    [...unshare.slice(1), 'sh', '-c', script, 'sh', root, process.execPath, child('fill-disk.ts')],
    { encoding: 'utf8' },
  )
  t.is(status, 0, stderr)
  const lines = stdout.trim().split('\n')
  t.true(lines.includes('ok 1 1 0'), stdout)
  const failed = lines.filter((line) => !line.startsWith('ok'))
  t.true(failed.length > 2, stdout)
  for (const line of failed) t.is(line, 'ABN_DISK_FULL 0 0 0', stdout)
})

;(mayMount ? test : test.skip)(
  'a full disk while a generation is made is a clear error, and the profile is as it was',
  (t) => {
    const root = temporaryDirectory(t)
    const script = `mount -t tmpfs -o size=4m,nr_inodes=600 tmpfs "$1" && exec "$2" "$3" "$1"`
    const { stdout, stderr, status } = spawnSync(
      unshare[0] ?? '',
      [...unshare.slice(1), 'sh', '-c', script, 'sh', root, process.execPath, child('fill-profile.ts')],
      { encoding: 'utf8' },
    )
    t.is(status, 0, stderr)
    const lines = stdout.trim().split('\n')
    t.is(lines.pop(), 'ok 2 1,2 0 10', stdout)
    t.true(lines.length > 3, stdout)
    for (const line of lines) t.is(line, 'ABN_DISK_FULL 1 1 0 9', stdout)
  },
)

const isRoot = process.getuid?.() === 0

;(isRoot ? test : test.skip)('an ordinary user can register, replace leavings and remove', (t) => {
  const root = temporaryDirectory(t)
  chmodSync(root, 0o777)
  const { stdout, stderr } = spawnSync(
    'setpriv',
    ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, child('as-user.ts'), join(root, 'store')],
    { encoding: 'utf8' },
  )
  t.is(stdout, 'done\n', stderr)
})

;(isRoot ? test : test.skip)('a store of another user can be read, and says why it cannot be changed', async (t) => {
  const root = temporaryDirectory(t)
  chmodSync(root, 0o755)
  await registerFiles(openStore({ root }), 'n', { out: { a: 'a' } })
  const { stdout, stderr } = spawnSync(
    'setpriv',
    ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, child('as-stranger.ts'), root],
    { encoding: 'utf8' },
  )
  t.is(stdout, 'true ABN_STORE_UNUSABLE\n', stderr)
  t.true(existsSync(join(root, 'store')))
})
