// Every package twice from the seed, in circumstances as different as one machine allows, and the same bits.
//
// What differs: the user (root and an ordinary one, if root runs this), the physical root, the number of cores, the host's
// name, time zone, language, umask, home, and the date, where there is a C compiler for shift-clock.c. What does not: kernel and
// processor. The outputs are also searched for today's date.
//
// ABNPKG_TEST_PACKAGES="hello lua" builds only these and what they need; ABNPKG_SOURCE_CACHE is used if it is set.
import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { evaluate, ownChannel } from '../../builder/evaluate/evaluate.ts'
import { parseStoreItem, storePathOfItem } from '../../format/store-path.ts'
import { openStore, type Store } from '../../store/store.ts'
import { house, launcher } from '../_support/channel.ts'
import { temporaryDirectory } from '../_support/temporary.ts'

const isRoot = process.getuid?.() === 0

/** A user id that nothing else has; it needs no account. */
const ordinary = isRoot ? 12345 : undefined

type Circumstances = {
  readonly root: string
  readonly cores: number
  readonly hostname: string
  readonly umask: string
  readonly user?: number | undefined
  readonly env: Readonly<Record<string, string>>
  /** What the command is run with: shift-clock, or nothing. */
  readonly wrapper?: readonly string[]
}

test.serial('the same bits whoever builds, where, when, and with how many cores', async (t) => {
  const directory = temporaryDirectory(t)
  chmodSync(directory, 0o755)
  const names = await namesToBuild()
  const wrapper = otherDate(directory)
  t.log(wrapper.length > 0 ? 'with another date' : 'with the same date: shift-clock.c cannot be compiled or run here')
  const one = { root: join(directory, 'a'), cores: 1, hostname: 'one', umask: '0022', env: { TZ: 'UTC' } }
  const other = {
    root: join(directory, 'another/much/longer/root'),
    cores: 2,
    hostname: 'a-host-with-another-name',
    umask: '0077',
    user: ordinary,
    env: { TZ: 'Asia/Tokyo', LANG: 'de_DE.UTF-8', HOME: '/nowhere' },
    wrapper,
  }
  const stores = [await build(one, names), await build(other, names)] as const

  const items = itemsOf(stores[0])
  t.deepEqual(itemsOf(stores[1]), items)
  t.true(items.length >= names.length)
  let differing = 0
  for (const item of items) {
    const [first, second] = stores.map((store) => store.readItem(storePathOfItem(parseStoreItem(item))).outputDigest)
    if (first !== second) differing++
    t.log(first === second ? 'same     ' : 'DIFFERENT', first?.slice(0, 16), second?.slice(0, 16), item.slice(33))
  }
  t.is(differing, 0)

  const host = [one.root, other.root, directory, house, one.hostname, other.hostname, hostname(), ...today()]
  for (const item of items) {
    const found = strangers(
      join(stores[0].layout.store, item),
      host.filter((word) => word.length > 4),
    )
    t.deepEqual(found, [], item)
  }
})

test.serial('a build that reads the clock comes out otherwise with another date', async (t) => {
  const directory = temporaryDirectory(t)
  const wrapper = otherDate(directory)
  if (wrapper.length === 0) return t.pass('shift-clock.c cannot be compiled or run here')
  const channel = join(directory, 'channel')
  for (const part of ['recipes', 'bootstrap']) cpSync(join(house, part), join(channel, part), { recursive: true })
  cpSync(join(import.meta.dirname, '_support/clock.recipe'), join(channel, 'recipes/packages/clock.ts'))
  const usual = { cores: 2, hostname: 'one', umask: '0022', env: { ABNPKG_CHANNEL: channel } }
  const years: string[] = []
  for (const [name, more] of Object.entries({ now: {}, later: { wrapper } })) {
    const store = await build({ ...usual, ...more, root: join(directory, name) }, ['clock'])
    const item = itemsOf(store).find((each) => each.endsWith('-clock-1')) ?? 'missing'
    years.push(readFileSync(join(store.layout.store, item, 'year'), 'utf8'))
  }
  const year = new Date().getUTCFullYear()
  t.deepEqual(years.map(Number), [year, year + SHIFT_YEARS])
})

const SHIFT_YEARS = 3

/** What a command is run with so that it sees another date; nothing where that cannot be had. */
function otherDate(directory: string): readonly string[] {
  const program = join(directory, 'shift-clock')
  const source = join(import.meta.dirname, '_support/shift-clock.c')
  const wrapper = [program, String(SHIFT_YEARS * 365.25 * 86_400)]
  if (spawnSync('cc', ['-O1', '-o', program, source]).status !== 0) return []
  const [first = '', ...rest] = wrapper
  return spawnSync(first, [...rest, 'true']).status === 0 ? wrapper : []
}

test.serial('musl and tcc come out the same when the finished tcc builds them', async (t) => {
  const directory = temporaryDirectory(t)
  const channel = join(directory, 'channel')
  for (const part of ['recipes', 'bootstrap']) cpSync(join(house, part), join(channel, part), { recursive: true })
  const packages = join(channel, 'recipes/packages')
  for (const name of ['musl', 'tcc']) {
    const changes: readonly (readonly [string, string])[] = [
      ["import { tccBoot } from './seed.ts'", "import { tcc as tccBoot } from './tcc.ts'"],
      [`export const ${name} =`, `export const ${name}Again =`],
      [`name: '${name}',`, `name: '${name}-again',`],
    ]
    let text = readFileSync(join(packages, `${name}.ts`), 'utf8')
    for (const [from, to] of changes) {
      t.true(text.includes(from), from)
      text = text.replace(from, to)
    }
    writeFileSync(join(packages, `${name}-again.ts`), text)
  }
  const root = join(directory, 'root')
  const names = ['musl', 'tcc', 'musl-again', 'tcc-again']
  await build({ root, cores: 2, hostname: 'one', umask: '0022', env: { ABNPKG_CHANNEL: channel } }, names)
  const places = new Map(readdirSync(join(root, 'store')).map((item) => [item.slice(33).replace(/-\d.*/, ''), item]))
  for (const name of ['musl', 'tcc']) {
    const [before, after] = [name, `${name}-again`].map((each) => join(root, 'store', places.get(each) ?? 'missing'))
    const { status, stdout } = spawnSync('diff', ['-r', before ?? '', after ?? ''], { encoding: 'utf8' })
    t.is(status, 0, stdout)
  }
})

async function namesToBuild(): Promise<readonly string[]> {
  const given = process.env.ABNPKG_TEST_PACKAGES?.split(/\s+/).filter((name) => name !== '')
  if (given !== undefined && given.length > 0) return given
  const { packages } = await evaluate([ownChannel])
  return packages.filter(({ metadata }) => !metadata.hidden).map(({ derivation }) => derivation.name)
}

/** Runs `abnpkg build` in a host name of its own if root runs this. Its messages go to standard error. */
async function build(
  { root, cores, hostname, umask, user, env, wrapper = [] }: Circumstances,
  names: readonly string[],
): Promise<Store> {
  mkdirSync(root, { recursive: true })
  if (user !== undefined) chownSync(root, user, user)
  const command = [launcher, 'build', '--cores', String(cores), ...names]
  const asUser = user === undefined ? [] : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--']
  const script = `${isRoot ? `hostname ${hostname}; ` : ''}umask ${umask}; exec "$@"`
  const [program = '', ...args] = [
    ...(isRoot ? ['unshare', '--uts'] : []),
    'sh',
    '-c',
    script,
    'sh',
    ...asUser,
    ...wrapper,
    ...command,
  ]
  const sources = process.env.ABNPKG_SOURCE_CACHE
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin',
      ABNPKG_ROOT: root,
      ...(sources === undefined ? {} : { ABNPKG_SOURCE_CACHE: sources }),
      ...env,
    },
  })
  const status = await new Promise((resolve) => child.on('close', resolve))
  if (status !== 0) throw new Error(`abnpkg build in ${root} ended with status ${status}`)
  return openStore({ root })
}

function itemsOf({ layout }: Store): readonly string[] {
  return readdirSync(layout.items)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .sort((a, b) => (a.slice(33) < b.slice(33) ? -1 : 1))
}

/** Today as programs write it down: __DATE__, ISO 8601, manual pages. */
function today(): string[] {
  const now = new Date()
  const part = (options: Intl.DateTimeFormatOptions) => now.toLocaleDateString('en-US', { timeZone: 'UTC', ...options })
  const [year, month, short, day] = [
    now.getUTCFullYear(),
    part({ month: 'long' }),
    part({ month: 'short' }),
    now.getUTCDate(),
  ]
  return [
    `${short} ${String(day).padStart(2)} ${year}`,
    `${day} ${short} ${year}`,
    `${month} ${year}`,
    `${month} ${day}, ${year}`,
    now.toISOString().slice(0, 10),
  ]
}

/** What an output should not know: the given words, interpreters outside the store, links that lead out of it. */
function strangers(output: string, words: readonly string[]): string[] {
  return readdirSync(output, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    const path = join(entry.parentPath, entry.name)
    if (entry.isSymbolicLink()) return /^\/(?!abn\/store\/)/.test(readlinkSync(path)) ? [`${path} leads out`] : []
    if (!entry.isFile()) return []
    const bytes = readFileSync(path)
    const interpreter = /^#! *([^ \n]*)/.exec(bytes.toString('latin1', 0, 200))?.[1]
    const isForeign = interpreter !== undefined && !interpreter.startsWith('/abn/store/')
    return [
      ...(isForeign ? [`${path} is for ${interpreter}`] : []),
      ...words.filter((word) => bytes.includes(word)).map((word) => `${path} names ${word}`),
    ]
  })
}
