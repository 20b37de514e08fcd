import { existsSync, lutimesSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { leftoversOf, unnamedDownloads } from '../../../cli/store/leftovers.ts'
import { storeItemOf } from '../../../format/store-path.ts'
import { findGarbage, type Garbage } from '../../../store/collect-garbage.ts'
import { writeRoot } from '../../../store/roots.ts'
import { openStore, type Store } from '../../../store/store.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { pathOf, registerFiles } from '../../store/support.ts'

const NOW = 1_800_000_000
const DAY = 86_400

/** One item stays, one goes. */
async function looked(t: ExecutionContext): Promise<{ store: Store; garbage: Garbage }> {
  const store = openStore({ root: temporaryDirectory(t), durable: false })
  await registerFiles(store, 'leftovers-stay', { out: { a: 'a' } })
  await registerFiles(store, 'leftovers-go', { out: { a: 'a' } })
  writeRoot(store, 'mine', [pathOf('leftovers-stay')])
  return { store, garbage: findGarbage(store, {}) }
}

const [stays, goes, gone] = ['leftovers-stay', 'leftovers-go', 'leftovers-gone'].map((name) =>
  storeItemOf(pathOf(name)),
)
const [one, two] = ['1', '2'].map((digit) => digit.repeat(64))

/** Path below the root, age in days, content; and whether it goes. */
const rows: readonly (readonly [title: string, path: string, days: number, goes: boolean, content?: string])[] = [
  ['the log of what stays', `var/log/${stays}.log.zst`, 100, false],
  ['the log of what goes', `var/log/${goes}.log.zst`, 0, true],
  ['the report of its smoke tests', `var/log/${goes}.tests.json`, 0, true],
  ['the log of its second build', `var/log/${goes}-check.log.zst`, 0, true],
  ['the log of a build that failed yesterday', `var/log/${gone}.log.zst`, 1, false],
  ['the log of one that failed last week', `var/log/${gone}.log.zst`, 8, true],
  ['a failed build of yesterday', `var/failed/${gone}-x`, 1, false],
  ['one of last week', `var/failed/${gone}-y`, 8, true],
  ['a note on what stays', `var/decisions/${stays}.json`, 100, false, '{}'],
  ['a note on what goes', `var/decisions/${goes}.json`, 0, true, `{"record":"${one}"}`],
  ['a record that nobody names, of today', `var/decisions/${two}.zst`, 0, false],
  ['a record that nobody names, of last week', `var/decisions/${two}.zst`, 8, true],
  ['an attestation that cannot be read', `var/attestations/${one}-0123456789abcdef.json`, 100, false],
  ['a part of a download that can be taken up again', `var/cache/sources/.partial-${one}`, 0.5, false],
  ['one that was given up', `var/cache/sources/.partial-${one}-77-aa`, 2, true],
  ['a download', `var/cache/sources/${one}`, 100, false],
  ['an evaluation of last week', 'var/cache/evaluations/x.index', 8, false],
  ['one of last year', 'var/cache/evaluations/x.index', 300, true],
  ['an answer of last week', 'var/cache/answers/install x', 8, false],
  ['an answer of last year', 'var/cache/answers/install x', 300, true],
  ['a checkout of last week', `var/cache/channels/${one}`, 8, false],
  ['a checkout that was not used since last year', `var/cache/channels/${one}`, 300, true],
  ['one of last year at which a channel stands', `var/cache/channels/${two}`, 300, false],
  ['a repository of last week', 'var/cache/channels/repositories/ab', 8, false],
  ['a repository that was not used since last year', 'var/cache/channels/repositories/ab', 300, true],
  ['the lock of a repository', 'var/cache/channels/repositories/ab.lock', 300, false],
  ['compiled code', 'code/0123abcd', 100, false],
  ['compiled code that is being written', 'code/0123abcd.a1B2c3', 0, false],
  ['compiled code that was never finished', 'code/0123abcd.a1B2c3', 2, true],
  ['a divergence, which is kept for ever', `var/divergences/${gone}.json`, 1000, false],
  ['a file of the future, after the clock went back', `var/log/${gone}.log.zst`, -1000, false],
]

for (const [title, path, days, isOut, content = ''] of rows) {
  test(title, async (t) => {
    const { store, garbage } = await looked(t)
    const file = join(store.root, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
    lutimesSync(file, NOW - days * DAY, NOW - days * DAY)
    const channels = new Set([String(two)])
    const found = leftoversOf(store, garbage, {
      now: NOW,
      sources: `${store.layout.cache}/sources`,
      channels,
      compileCache: join(store.root, 'code'),
    })
    const under = found.filter((one) => file.startsWith(one.path))
    // The file's own directory is new, by a clock that this test does not set.
    t.is(under.length > 0, isOut, JSON.stringify(found))
    t.true(existsSync(file))
  })
}

test('a record goes with the last note that names it', async (t) => {
  const { store, garbage } = await looked(t)
  mkdirSync(`${store.root}/var/decisions`)
  for (const digest of [one, two]) writeFileSync(`${store.root}/var/decisions/${digest}.zst`, '')
  writeFileSync(`${store.root}/var/decisions/${goes}.json`, `{"record":"${one}"}`)
  writeFileSync(`${store.root}/var/decisions/${stays}.json`, `{"record":"${two}"}`)
  const found = leftoversOf(store, garbage, { now: NOW, sources: '' }).map(({ path }) => path.slice(store.root.length))
  t.deepEqual(found.sort(), [`/var/decisions/${one}.zst`, `/var/decisions/${goes}.json`].sort())
})

test('downloads that no recipe names', async (t) => {
  const { store } = await looked(t)
  const directory = `${store.layout.cache}/sources`
  mkdirSync(directory, { recursive: true })
  for (const name of [one, two, '.partial-x', 'other']) writeFileSync(`${directory}/${name}`, '12345')
  t.deepEqual(
    unnamedDownloads(directory, new Set([String(two)])).map(({ path, bytes }) => [path, bytes]),
    [[`${directory}/${one}`, 5]],
  )
})
