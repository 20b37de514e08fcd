// Two people add packages on two branches, with the real git.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { bothSides } from '../../../cli/project/merge.ts'
import { encodeLockfile } from '../../../format/lockfile.ts'
import { abnpkgIn, lockIn, lockTextIn, type ProjectHome, projectHome, writeLock } from './support.ts'

const hasGit = spawnSync('git', ['--version']).status === 0
const withGit = hasGit ? test : test.skip

function git({ project, env }: ProjectHome, ...args: readonly string[]): { status: number | null; text: string } {
  const who = ['-c', 'user.name=Somebody', '-c', 'user.email=somebody@example.org', '-c', 'commit.gpgsign=false']
  const { status, stdout, stderr } = spawnSync('git', [...who, ...args], {
    cwd: project,
    env: { ...env, GIT_CONFIG_NOSYSTEM: '1' },
    encoding: 'utf8',
  })
  return { status, text: `${stdout}${stderr}` }
}

/** One branch has added `ours`, the other `theirs`; then the other is merged. */
async function merged(home: ProjectHome, ours: string, theirs: string) {
  const add = async (name: string) => (await abnpkgIn(home, 'add', name)).status
  const statuses = [await add('beta'), await add('greet')]
  git(home, 'init', '--quiet', '--initial-branch=ours')
  git(home, 'add', '.')
  git(home, 'commit', '--quiet', '-m', 'both')
  git(home, 'checkout', '--quiet', '-b', 'theirs')
  statuses.push(await add(theirs))
  git(home, 'commit', '--quiet', '-a', '-m', 'theirs')
  git(home, 'checkout', '--quiet', 'ours')
  statuses.push(await add(ours))
  git(home, 'commit', '--quiet', '-a', '-m', 'ours')
  return { statuses, merge: git(home, 'merge', '--quiet', 'theirs', '-m', 'merged') }
}

withGit('packages with another between them merge by themselves', async (t) => {
  const home = projectHome(t)
  const { statuses, merge } = await merged(home, 'alpha', 'delta')
  t.deepEqual(statuses, [0, 0, 0, 0])
  t.is(merge.status, 0, merge.text)
  t.deepEqual(
    lockIn(home).packages.map(({ name }) => name),
    ['alpha', 'beta', 'delta', 'greet'],
  )
  const synced = await abnpkgIn(home, 'sync', '--locked')
  t.is(synced.status, 0, synced.text)
})

withGit('where they meet, abnpkg lock makes one of both', async (t) => {
  const home = projectHome(t)
  const { merge } = await merged(home, 'needy', 'omega')
  t.is(merge.status, 1)
  t.true(readFileSync(join(home.project, 'abnpkg.lock'), 'utf8').includes('<<<<<<<'))
  writeFileSync(
    join(home.project, 'abnpkg.json'),
    '{"packages":{"beta":"^1.0","greet":"^1.1.0","needy":"^2.0.0","omega":"^1.0"}}',
  )
  const refused = await abnpkgIn(home, 'sync')
  t.regex(refused.stderr, /ABN_LOCKFILE_CONFLICT[\s\S]*'abnpkg lock'/)
  const locked = await abnpkgIn(home, 'lock', '--no-build')
  t.is(locked.status, 0, locked.text)
  t.deepEqual(
    lockIn(home).packages.map(({ name }) => name),
    ['beta', 'greet', 'needy', 'omega'],
  )
  // What both sides have locked is what is locked now.
  const now = lockTextIn(home)
  git(home, 'checkout', '--quiet', '--force', 'ours')
  const ours = lockIn(home)
  git(home, 'checkout', '--quiet', '--force', 'theirs')
  const theirs = lockIn(home)
  t.is(encodeLockfile(bothSides(ours, theirs)), now)
})

test('two sides with other bits for one recipe are not settled by the machine', async (t) => {
  const home = projectHome(t)
  t.is((await abnpkgIn(home, 'add', 'greet')).status, 0)
  const ours = lockIn(home)
  writeLock(home, (text) => text.replace(/output out [0-9a-f]{64}/, `output out ${'0'.repeat(64)}`))
  const theirs = lockIn(home)
  t.throws(() => bothSides(ours, theirs), { code: 'ABN_LOCKFILE_INVALID', message: /other bits for greet 1\.1\.0/ })
  t.deepEqual(bothSides(ours, ours), ours)
})
