import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { launcher, makeHome } from '../_support/channel.ts'

test('Ctrl-C ends a build, keeps what is whole, and leaves nothing in the way', async (t) => {
  using home = makeHome()
  const child = spawn(launcher, ['build', 'greet', 'endless'], { env: home.env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  for await (const piece of child.stderr.setEncoding('utf8')) {
    const before = said.includes('building endless')
    said += piece
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

test('a signal ends the evaluation of recipes at once', async (t) => {
  using home = makeHome()
  writeFileSync(join(home.channel, 'recipes/packages/endless-recipe.ts'), 'for (;;);\n')
  const child = spawn(launcher, ['search', 'greet'], { env: home.env, stdio: ['ignore', 'ignore', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  // The signal is sent while the recipes are evaluated: then the thread of the interpreter is at work.
  const isEvaluating = () => cpuSeconds(child.pid ?? 0) > 1
  while (child.exitCode === null && !isEvaluating()) await setTimeout(20)
  child.kill('SIGTERM')
  const said = await text(child.stderr)
  if (child.exitCode === null) await once(child, 'exit')
  t.is(child.exitCode, 130)
  t.regex(said, /error\[ABN_INTERRUPTED\]: interrupted\nhint: run the same command again/)
})

/** Processor time of a process, from /proc/PID/stat (proc(5)), in the usual hundredths. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
