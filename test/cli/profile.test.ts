// Profiles under hard conditions: awkward homes, several processes at once, kill -9, and the reasons that upgrade gives.
import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { manifestText } from '../../cli/profiles/manifest-file.ts'
import { listGenerations, profileRoot, readGeneration, readProfile } from '../../store/profiles.ts'
import { removeDirectory } from '../../store/remove-directory.ts'
import { openStore, type Store } from '../../store/store.ts'
import { makeHome } from '../_support/channel.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import { pathOf, recipeOf, registerFiles } from '../store/support.ts'

const child = join(import.meta.dirname, 'children/change-profile.ts')

type Env = Readonly<Record<string, string>>

function abnpkg(env: Env, ...args: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync('abnpkg', args, { env, encoding: 'utf8', timeout: 120_000 })
  if (status !== 0) throw new Error(`abnpkg ${args.join(' ')}: status ${status}\n${stdout}${stderr}`)
  return stdout
}

/** A day in this home: install, start by name in a new shell, go back, remove. */
function liveIn(env: Env) {
  abnpkg(env, 'install', 'greet@1.0.0')
  abnpkg(env, 'install', 'greet')
  const script = [
    'eval "$(abnpkg env --shell bash)"',
    'printf "%s\\0" "$(command -v greet)" "$(greet there)" "$(cat "$' + '{XDG_DATA_DIRS%%:*}/greet/version")"',
  ].join('\n')
  const shell = () => spawnSync('bash', ['--norc', '-c', script], { env, encoding: 'utf8', timeout: 120_000 })
  const { stdout, stderr } = shell()
  const [where, said, version] = stdout.split('\0')
  abnpkg(env, 'rollback')
  const before = shell().stdout.split('\0')[2]
  abnpkg(env, 'remove', 'greet')
  return { stderr, where, said, version, before, left: abnpkg(env, 'list') }
}

const expectedIn = (root: string) => {
  const where = join(root, 'var/profiles/default/root/bin/greet')
  return { stderr: '', where, said: 'greet there', version: '1.1.0', before: '1.0.0', left: '' }
}

test('a home with blanks, quotes, dollars and line breaks, and a symbolic link to it', (t) => {
  using home = makeHome()
  const real = join(home.directory, `a 'real' "home"\n$(touch no) \\ *`)
  const link = join(home.directory, 'home link')
  mkdirSync(real)
  symlinkSync(real, link)
  for (const [place, name] of [
    [real, 'one'],
    [link, 'other'],
  ] as const) {
    const root = join(place, '.local/share', name)
    t.deepEqual(liveIn({ ...home.env, HOME: place, ABNPKG_ROOT: root }), expectedIn(root), JSON.stringify(root))
  }
})

const shared = '/dev/shm'
const isOther = existsSync(shared) && statSync(shared).dev !== statSync(import.meta.dirname).dev

;(isOther ? test : test.skip)('a home on another file system than the temporary directory and the channel', (t) => {
  using home = makeHome()
  let directory: string
  try {
    directory = mkdtempSync(join(shared, 'abnpkg-test-'))
  } catch {
    return t.pass('it is not ours to write')
  }
  t.teardown(() => removeDirectory(directory))
  const root = join(directory, 'root')
  t.deepEqual(liveIn({ ...home.env, HOME: directory, ABNPKG_ROOT: root }), expectedIn(root))
})

async function storeWithTen(root: string): Promise<Store> {
  const store = openStore({ root, durable: false })
  for (let i = 0; i < 10; i++) {
    const files = { [`bin/p${i}`]: { program: `${i}` }, [`share/man/man1/p${i}.1`]: `${i}` }
    await registerFiles(store, `p${i}`, { out: files })
  }
  return store
}

test('changes by several processes at once are all made, each in a generation of its own', async (t) => {
  const store = await storeWithTen(temporaryDirectory(t))
  const ends = Array.from({ length: 10 }, async (_, i) => {
    const running = spawn(process.execPath, [child, store.root, String(i)], { stdio: 'inherit' })
    return await new Promise((resolve) => running.once('exit', resolve))
  })
  t.deepEqual(await Promise.all(ends), Array(10).fill(0))
  t.deepEqual(listGenerations(store, 'default'), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  const names = readProfile(store, 'default')?.manifest.packages.map(({ name }) => name)
  t.deepEqual(names, ['p0', 'p1', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7', 'p8', 'p9'])
  t.deepEqual(readdirSync(join(profileRoot(store, 'default'), 'bin')), names)
})

test('kill -9 at random instants of changing, switching and deleting leaves whole generations', async (t) => {
  const root = temporaryDirectory(t)
  const store = await storeWithTen(root)
  const until = Date.now() + 3000
  let kills = 0
  while (Date.now() < until || kills < 3) {
    const running = spawn(process.execPath, [child, root], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = new Promise((resolve) => running.once('exit', resolve))
    await new Promise((resolve) => running.stdout.once('data', resolve))
    await delay(Math.random() * 100)
    running.kill('SIGKILL')
    await ended
    kills++
    const numbers = listGenerations(store, 'default')
    for (const number of numbers) {
      const { manifest } = readGeneration(store, 'default', number)
      const bin = join(store.layout.generations, `default/${number}/root/bin`)
      const shown = existsSync(bin) ? readdirSync(bin) : []
      t.deepEqual(
        shown,
        manifest.packages.map(({ name }) => name),
        `generation ${number}`,
      )
    }
    const current = readProfile(store, 'default')
    t.true(current === undefined || numbers.includes(current.number))
  }
  t.log(`${kills} kills, generations ${listGenerations(store, 'default')}`)
  // Nobody has to remove a lock, and the next process removes what the dead have left.
  const { status } = spawnSync(process.execPath, [child, root, '3'], { stdio: 'inherit' })
  t.is(status, 0)
  t.deepEqual(readdirSync(store.layout.temporary), [])
})

test('upgrade says which recipe is the reason', (t) => {
  using home = makeHome()
  const { env, channel, root } = home
  const reasons = (): unknown => {
    const { changes }: { changes: { name: string; because?: unknown }[] } = JSON.parse(
      abnpkg(env, 'upgrade', '--dry-run', '--json'),
    )
    return changes.map(({ name, because }) => [name, because])
  }
  const edit = (file: string, from: string, to: string) => {
    const path = join(channel, 'recipes/packages', file)
    const text = readFileSync(path, 'utf8')
    if (!text.includes(from)) throw new Error(`${file} has no ${from}`)
    writeFileSync(path, text.replace(from, to))
    return () => writeFileSync(path, text)
  }
  const [itself, tool] = [
    { kind: 'recipe', name: 'collider', version: '1', isItself: true },
    { kind: 'recipe', name: 'tool', version: '1', isItself: false },
  ]
  abnpkg(env, 'install', 'collider')
  t.deepEqual(reasons(), [])
  const undoSummary = edit('tool.ts', 'summary: ', "homepage: 'https://example.org/', summary: ")
  t.deepEqual(reasons(), [], 'what does not affect the build is no reason')
  undoSummary()
  const undoOwn = edit('mischief.ts', '/bin/greet`', '/bin/greets`')
  t.deepEqual(reasons(), [['collider', [itself]]])
  const undoTool = edit('tool.ts', "steps: [['/build/tool',", "env: { A: 'b' }, steps: [['/build/tool',")
  t.deepEqual(reasons(), [['collider', [itself, tool]]])
  undoOwn()
  t.deepEqual(reasons(), [['collider', [tool]]])
  const undoVersion = edit('tool.ts', "version: '1'", "version: '3'")
  t.deepEqual(reasons(), [['collider', [{ kind: 'version', name: 'tool', from: '1', to: '3' }]]])
  undoVersion()
  const items = join(root, 'var/items')
  for (const name of readdirSync(items)) if (name.endsWith('-tool-1.json')) rmSync(join(items, name))
  t.deepEqual(reasons(), [['collider', [{ kind: 'unknown', name: 'tool', version: '1', isItself: false }]]])
  undoTool()
  t.deepEqual(reasons(), [])
})

test('an exported manifest quotes whatever was asked for', (t) => {
  const one = { name: 'a', version: '1', recipe: recipeOf('a'), paths: [pathOf('a')], priority: 0 }
  const wishes = ['a@^1', "a@'", 'a@"\\', 'a@$' + '{x}`\n\u2028*/']
  const generation = { number: 1, manifest: { at: 1, packages: wishes.map((requested) => ({ ...one, requested })) } }
  const text = manifestText(generation, { profile: 'p', isExact: false })
  const listed = text.split('\n').filter((line) => line.startsWith('    '))
  t.deepEqual(
    listed.map((line) => new Function(`return [${line}]`)()[0]),
    wishes,
  )
  t.regex(manifestText(generation, { profile: 'p', isExact: true }), /'a@1'/)
})
