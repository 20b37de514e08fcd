// verify --repair with a policy: what is damaged is fetched, on the word of whoever the policy believes; else it is built.
import { chmodSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { secondStore } from '../../../cli/store/repair.ts'
import { openStore } from '../../../store/store.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { believe, world } from '../project/believing.ts'
import { abnpkgIn, type ProjectHome, projectHome } from '../project/support.ts'

function itemOf({ root }: ProjectHome, name: string): string {
  const found = readdirSync(join(root, 'store')).find((item) => item.includes(`-${name}-`))
  if (found === undefined) throw new Error(`no item ${name}`)
  return found
}

function damage(home: ProjectHome): string {
  const item = itemOf(home, 'greet')
  const file = join(home.root, 'store', item, 'share/greet/version')
  chmodSync(file, 0o644)
  writeFileSync(file, 'damaged')
  chmodSync(file, 0o444)
  return item
}

const recordOf = ({ root }: ProjectHome, item: string) => readFileSync(join(root, 'var/items', `${item}.json`), 'utf8')

test('by substitution', async (t) => {
  const { url } = await world(t)
  const home = projectHome(t)
  believe(home, url, ['alice', 'bob'])
  t.is((await abnpkgIn(home, 'install', 'needy', '--no-build')).status, 0)
  const item = damage(home)
  const before = recordOf(home, item)
  const repaired = await abnpkgIn(home, 'verify', '--repair', '--no-build')
  t.is(repaired.status, 0, repaired.text)
  t.regex(repaired.stdout, new RegExp(`^repaired /abn/store/${item}$`, 'm'))
  t.regex(repaired.text, /to fetch/)
  t.is(recordOf(home, item), before)
  t.is((await abnpkgIn(home, 'verify')).status, 0)

  // Contents and record are both gone: the decision that the new record names comes with it, and can be replayed.
  const [directory, record] = [join(home.root, 'store', item), join(home.root, 'var/items', `${item}.json`)]
  writeFileSync(record, 'damaged')
  const again = await abnpkgIn(home, 'verify', '--repair', '--no-build')
  t.is(again.status, 0, again.text)
  t.is(JSON.parse(recordOf(home, item)).origin.kind, 'substituted')
  t.is((await abnpkgIn(home, 'verify')).status, 0)
  const why = await abnpkgIn(home, 'why', 'greet')
  t.is(why.status, 0, why.text)
  t.true(readdirSync(directory).length > 0)
  t.deepEqual(readdirSync(join(home.root, 'var/tmp')), [])
})

test('by building, where nobody is believed; and not at all, where that is forbidden', async (t) => {
  const { url } = await world(t)
  const home = projectHome(t)
  believe(home, url, ['alice', 'bob'])
  t.is((await abnpkgIn(home, 'install', 'needy', '--no-build')).status, 0)
  believe(home, url, ['alice'])
  const item = damage(home)
  const refused = await abnpkgIn(home, 'verify', '--repair', '--no-build')
  t.is(refused.status, 1)
  t.regex(refused.stderr, /ABN_BUILD_NEEDED/)
  t.is(readFileSync(join(home.root, 'store', item, 'share/greet/version'), 'utf8'), 'damaged')
  const built = await abnpkgIn(home, 'verify', '--repair')
  t.is(built.status, 0, built.text)
  t.regex(built.text, /building greet/)
  t.notRegex(built.text, /to fetch/)
  t.is((await abnpkgIn(home, 'verify')).status, 0)
})

test('what was learnt of others is not forgotten while a repair goes on', (t) => {
  const store = openStore({ root: join(temporaryDirectory(t), 'root'), durable: false })
  const second = secondStore(store, new Set(), join(temporaryDirectory(t), 'second'))
  for (const name of ['trust', 'divergences', 'cache', 'log', 'failed', 'locks/trust']) {
    if (name === 'locks/trust') writeFileSync(`${store.root}/var/locks/trust`, '')
    t.is(realpathSync(`${second.root}/var/${name}`), realpathSync(`${store.root}/var/${name}`), name)
  }
})
