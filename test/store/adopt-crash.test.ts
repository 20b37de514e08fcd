// kill -9 while many items are adopted at once.
import { spawn } from 'node:child_process'
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { parseStoreItem, storePathOfItem } from '../../format/store-path.ts'
import { outputDigestOfDirectory } from '../../store/output-digest.ts'
import { openStore, type Store } from '../../store/store.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import { listing } from './support.ts'

/** Runs the child until it is killed, some milliseconds after it has begun. */
async function adoptAndDie(root: string, mode: string, milliseconds: number): Promise<void> {
  const child = join(import.meta.dirname, 'children/adopt-forever.ts')
  const running = spawn(process.execPath, [child, root, mode], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<NodeJS.Signals | null>((resolve) => running.once('exit', (_, signal) => resolve(signal)))
  await new Promise((resolve) => running.stdout.once('data', resolve))
  await delay(milliseconds)
  running.kill('SIGKILL')
  if ((await ended) !== 'SIGKILL') throw new Error('it ended before it was killed')
}

/** Every valid item has its bits and its form, and refers to valid items only. The number of them. */
function requireWhole(store: Store): number {
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
  return records.length
}

for (const mode of ['', 'durable']) {
  test(`kill -9 at random instants of adopting leaves a whole store${mode && ', also when it is flushed'}`, async (t) => {
    const root = temporaryDirectory(t)
    const until = Date.now() + 2500
    let kills = 0
    for (; kills < 3 || Date.now() < until; kills++) {
      await adoptAndDie(root, mode, Math.random() * (mode === '' ? 60 : 250))
      await using store = openStore({ root })
      requireWhole(store)
    }
    // What was interrupted works when it is done again, and nothing of the dead is left.
    for (let tries = 0; tries < 20; tries++) {
      await using store = openStore({ root })
      if (requireWhole(store) >= 12) break
      await adoptAndDie(root, mode, 1000)
    }
    await using store = openStore({ root })
    t.true(requireWhole(store) >= 12, `${kills} kills`)
    using _ = await store.createWorkspace()
    t.is(readdirSync(store.layout.temporary).filter((name) => !name.endsWith('.lock')).length, 1)
  })
}
