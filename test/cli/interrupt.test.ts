import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { launcher, makeHome } from '../_support/channel.ts'

test('Ctrl-C ends a build, keeps what is whole, and leaves nothing in the way', async (t) => {
  using home = makeHome()
  const child = spawn(launcher, ['build', 'greet', 'endless'], { env: home.env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  for await (const text of child.stderr.setEncoding('utf8')) {
    const before = said.includes('building endless')
    said += text
    if (!before && said.includes('building endless')) child.kill('SIGINT')
  }
  if (child.exitCode === null) await once(child, 'exit')
  t.is(child.exitCode, 130)
  t.regex(said, /error\[ABN_INTERRUPTED\]: interrupted\nhint: run the same command again/)
  const { stdout, status } = spawnSync(launcher, ['install', 'greet'], { env: home.env, encoding: 'utf8' })
  t.is(status, 0)
  t.is(stdout, 'installed greet 1.1.0\n')
  t.true(existsSync(join(home.root, 'var/profiles/default/root/bin/greet')))
})
