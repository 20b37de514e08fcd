// A project is a stranger's: it may name caches and channels as it likes, and nobody is asked for anything before the user has them.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { listening } from '../../_support/listening.ts'
import { abnpkgIn, lockTextIn, projectHome, snapshot, writeLock, writeProjectFile } from './support.ts'

/** Remembers who came. */
async function lure(t: ExecutionContext): Promise<{ readonly url: string; readonly visits: string[] }> {
  const visits: string[] = []
  const server = createServer((request, response) => {
    visits.push(request.url ?? '')
    response.end('{}')
  })
  server.on('connection', () => visits.push('connection'))
  return { url: await listening(t, server), visits }
}

test('a suggested cache is not asked, a suggested policy not followed', async (t) => {
  const { url, visits } = await lure(t)
  const home = projectHome(t)
  const packages = { greet: '^1' }
  writeProjectFile(home, { packages, suggests: { caches: [url], policy: 'source-only' } })
  // The user believes somebody, so that caches would be asked if there were any.
  const configuration = join(home.directory, '.config/abnpkg')
  mkdirSync(configuration, { recursive: true })
  const rule = { kind: 'factors', depth: 'outputs', factors: [{ kind: 'operators', atLeast: 1 }] }
  const key = (await abnpkgIn(home, 'key', 'new', 'somebody')).stdout.trim()
  const operators = [{ name: 'somebody', keys: [key] }]
  writeFileSync(
    join(configuration, 'policy.json'),
    JSON.stringify({ format: 1, operators, default: rule, packages: {} }),
  )
  const before = snapshot(configuration)
  for (const words of [
    ['sync'],
    ['lock'],
    ['update'],
    ['add', 'greet'],
    ['outdated'],
    ['sync', '--frozen'],
    ['shell', '--', 'greet'],
  ]) {
    const said = await abnpkgIn(home, ...words)
    t.is(said.status, 0, said.text)
  }
  const synced = await abnpkgIn(home, 'sync', '--json')
  t.deepEqual(JSON.parse(synced.stdout).suggestions, [{ what: `the cache ${url}`, command: `abnpkg cache add ${url}` }])
  t.is(snapshot(configuration), before)
  t.deepEqual(visits, [])
  // Once the user has it, nothing is suggested any more, and it is asked.
  t.is((await abnpkgIn(home, 'cache', 'add', url)).status, 0)
  t.notRegex((await abnpkgIn(home, 'sync')).text, /suggests/)
  t.deepEqual(visits, [])
  t.is((await abnpkgIn(home, 'add', 'beta')).status, 0)
  t.not(visits.length, 0)
})

test('a channel that the user does not have is not fetched, whoever names it', async (t) => {
  const { url, visits } = await lure(t)
  const home = projectHome(t)
  t.is((await abnpkgIn(home, 'add', 'greet')).status, 0)
  writeProjectFile(home, { packages: { greet: '^1.1.0' }, channels: { acme: url } })
  for (const words of [['sync'], ['lock'], ['update'], ['add', 'beta'], ['outdated'], ['lock', '--check']]) {
    const said = await abnpkgIn(home, ...words)
    t.is(said.status, 1, words.join(' '))
    t.regex(said.stderr, /ABN_PROJECT_CHANNEL.*you have none of that name\nhint: .*'abnpkg channel add acme http:/)
  }
  // Named by the lock alone, with a commit and all.
  writeProjectFile(home, { packages: { greet: '^1.1.0' } })
  const channel = `channel acme\n  url ${url}\n  commit ${'ab'.repeat(20)}\n  digest ${'0'.repeat(64)}\n`
  writeLock(home, (text) =>
    text.replace('\npackage', `\n${channel}\npackage`).replace('channel abnpkg\n  recipe', 'channel acme\n  recipe'),
  )
  writeLock(home, (text) => text.replace(/recipe [0-9a-f]{64}/, `recipe ${'1'.repeat(64)}`))
  const frozen = await abnpkgIn(home, 'sync', '--frozen')
  t.regex(frozen.stderr, /ABN_PROJECT_CHANNEL/)
  t.regex(
    (await abnpkgIn(home, 'sync', '--locked')).stderr,
    /ABN_LOCKFILE_OUTDATED.*the channel acme is locked, and not wanted/,
  )
  t.is((await abnpkgIn(home, 'sync')).status, 0)
  t.notRegex(lockTextIn(home), /acme/)
  t.deepEqual(visits, [])
  t.false(existsSync(join(home.directory, '.config')))
  t.false(existsSync(join(home.root, 'var/cache/channels')))
})

test('looking writes nothing', async (t) => {
  const home = projectHome(t)
  writeProjectFile(home, { packages: { greet: '^1', beta: '*' } })
  const before = snapshot(home.project)
  for (const words of [
    ['lock', '--check'],
    ['lock', '--dry-run'],
    ['sync', '--dry-run'],
    ['lock', '--check', '--dry-run', '--json'],
    ['update', '--dry-run'],
    ['add', '--dry-run', 'alpha'],
    ['outdated'],
  ]) {
    const { status } = await abnpkgIn(home, ...words)
    t.is(status, words.includes('--check') ? 1 : 0)
  }
  const plan = JSON.parse((await abnpkgIn(home, 'sync', '--dry-run', '--json')).stdout)
  t.deepEqual([plan.changes.length, plan.builds.length], [2, 3])
  t.is(snapshot(home.project), before)
  t.false(existsSync(home.root), 'there is not even a store')
  t.is((await abnpkgIn(home, 'sync')).status, 0)
  const lock = snapshot(home.project)
  const roots = snapshot(join(home.root, 'var/gcroots'))
  const items = snapshot(join(home.root, 'var/items'))
  const checked = await abnpkgIn(home, 'lock', '--check', '--dry-run', '--json')
  t.like(JSON.parse(checked.stdout), { changed: false, changes: [] })
  t.regex((await abnpkgIn(home, 'sync', '--dry-run', '--frozen')).stdout, /^nothing to do\n$/)
  t.is((await abnpkgIn(home, 'remove', '--project', '--dry-run', 'beta')).status, 0)
  t.is(snapshot(home.project), lock)
  t.is(snapshot(join(home.root, 'var/gcroots')), roots)
  t.is(snapshot(join(home.root, 'var/items')), items)
})

test('a failed command leaves the project as it was', async (t) => {
  const home = projectHome(t)
  t.is((await abnpkgIn(home, 'add', 'greet')).status, 0)
  const before = snapshot(home.project)
  const broken = await abnpkgIn(home, 'add', 'beta', 'broken')
  t.regex(broken.stderr, /ABN_BUILD_FAILED/)
  t.is(snapshot(home.project), before)
  for (const words of [
    ['add', 'greet@9'],
    ['add'],
    ['add', 'greet@^1', 'nothing-like-it'],
    ['update', 'beta'],
    ['sync', 'greet'],
    ['sync', '--locked', '--frozen'],
  ]) {
    t.not((await abnpkgIn(home, ...words)).status, 0)
    t.is(snapshot(home.project), before, words.join(' '))
  }
})
