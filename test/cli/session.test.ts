import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { launcher, makeHome } from '../_support/channel.ts'

test('a current directory that was removed is an error with a hint', (t) => {
  using home = makeHome()
  const inNowhere = (line: string) => {
    mkdirSync(join(home.directory, 'gone'), { recursive: true })
    return spawnSync('sh', ['-c', `cd "${home.directory}/gone" && rmdir "$PWD" && "${launcher}" ${line}`], {
      env: home.env,
      encoding: 'utf8',
    })
  }
  for (const line of [
    'list --root store',
    'search greet --channel channel',
    'list --root store --json',
    'search greet',
  ]) {
    const { status, stderr } = inNowhere(line)
    t.is(status, 1, line)
    t.regex(stderr, /^error\[ABN_CURRENT_DIRECTORY\]: .*\n.*\nhint: change to another one/m, line)
  }
  t.is(inNowhere(`list --root ${home.root}`).status, 0, 'where it does not matter')
})

test('a store that is not there is empty, one that cannot be there is an error', (t) => {
  using home = makeHome()
  const list = (root: string) =>
    spawnSync(launcher, ['list', '--json', '--root', root], { env: home.env, encoding: 'utf8' })
  t.deepEqual(JSON.parse(list(join(home.directory, 'none/below')).stdout), {
    profile: 'default',
    generation: 0,
    packages: [],
  })
  for (const root of ['/dev/null', '/dev/null/below']) {
    const { status, stdout } = list(root)
    t.is(status, 1)
    t.is(JSON.parse(stdout).error.code, 'ABN_STORE_UNUSABLE')
    t.truthy(JSON.parse(stdout).error.hint)
  }
})

test('a build is stopped after --timeout, and after --max-silent without a word', (t) => {
  using home = makeHome()
  for (const option of ['--timeout', '--max-silent']) {
    const { status, stderr } = spawnSync(launcher, ['build', 'endless', option, '1s'], {
      env: home.env,
      encoding: 'utf8',
    })
    t.is(status, 1)
    t.regex(stderr, option === '--timeout' ? /error\[ABN_BUILD_TIME\]/ : /error\[ABN_BUILD_SILENT\]/)
  }
})
