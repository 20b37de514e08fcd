// First runs of the launcher, with the real npm: what a fresh checkout goes through.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { house } from '../_support/channel.ts'

const left = /\/(node_modules|\.git|\.cache)(\/|$)/

test.serial('two first runs at once install the dependencies once', async (t) => {
  using checkout = freshCheckout()
  const runs = [start(checkout.directory), start(checkout.directory)]
  const [first, second] = await Promise.all(runs.map(finish))
  t.is(first?.status, 0)
  t.is(second?.status, 0)
  t.is([first, second].filter((run) => run?.said.includes('installing the pinned Node')).length, 1)
  const again = await finish(start(checkout.directory))
  t.regex(again.said, /^abnpkg \d/)
  t.false(existsSync(join(checkout.directory, 'node_modules/ava')), 'no development dependencies')
})

test.serial('a first run that is killed half-way is repaired by the next', async (t) => {
  using checkout = freshCheckout()
  for (const milliseconds of [300, 1000, 2000]) {
    const child = start(checkout.directory)
    await delay(milliseconds)
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
    await finish(child)
  }
  const { status, said } = await finish(start(checkout.directory))
  t.is(status, 0, said)
})

test.serial('a lock file that has changed is followed, with development dependencies where they were', async (t) => {
  using checkout = freshCheckout()
  spawnSync('npm', ['ci'], { cwd: checkout.directory })
  t.true(existsSync(join(checkout.directory, 'node_modules/ava')))
  const soon = new Date(Date.now() + 1000)
  utimesSync(join(checkout.directory, 'package-lock.json'), soon, soon)
  await delay(1500)
  const { said } = await finish(start(checkout.directory))
  t.regex(said, /installing the pinned Node/)
  t.true(existsSync(join(checkout.directory, 'node_modules/ava')))
  t.notRegex((await finish(start(checkout.directory))).said, /installing/)
})

function freshCheckout() {
  const directory = mkdtempSync(join(tmpdir(), 'abnpkg-test-'))
  cpSync(house, directory, { recursive: true, filter: (path) => !left.test(path.slice(house.length)) })
  return { directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) }
}

function start(directory: string): ChildProcess {
  return spawn('./abnpkg', ['--version'], { cwd: directory, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
}

async function finish(child: ChildProcess): Promise<{ status: number | null; said: string }> {
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text) => (said += text))
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  return { status: child.exitCode, said }
}
