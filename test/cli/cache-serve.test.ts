// A cache run by hand: serve, publish to it, stop it, and look after its data directory.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import test from 'ava'
import { launcher } from '../_support/channel.ts'
import { abnpkg, homeFor } from '../builder/service/_support/world.ts'

test('a cache is served, filled, checked, backed up, exported and imported', async (t) => {
  const home = homeFor(t)
  const data = `${home.directory}/cache`
  const key = (await abnpkg(home, 'key', 'new', 'alice')).stdout.trim()
  const serve = async (directory: string) => {
    const args = ['cache', 'serve', '--data', directory, '--listen', '127.0.0.1:0', '--operator', key]
    const backups = ['--backups', `${home.directory}/backups`]
    const child = spawn(launcher, [...args, ...backups], { env: home.env, stdio: ['ignore', 'pipe', 'pipe'] })
    const url = await new Promise<string>((resolve) => {
      child.stdout.setEncoding('utf8').once('data', (text: string) => resolve(/serving (\S+)/.exec(text)?.[1] ?? text))
    })
    return { url, child }
  }
  const { url, child } = await serve(data)
  await abnpkg(home, 'build', 'greet')
  t.is((await abnpkg(home, 'publish', 'greet', '--to', url)).status, 0)
  const copy = new Promise<string>((resolve) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      const found = /backup in (\S+):/.exec(text)
      if (found?.[1]) resolve(found[1])
    })
  })
  child.kill('SIGUSR2')
  const whileServed = await copy
  t.regex((await abnpkg(home, 'cache', 'fsck', '--data', data)).stderr, /ABN_CACHE_DATA/)
  const taken = await abnpkg(home, 'cache', 'serve', '--data', `${data}2`, '--listen', new URL(url).host)
  t.regex(taken.stderr, /ABN_CACHE_LISTEN/)
  child.kill('SIGTERM')
  t.deepEqual(await once(child, 'exit'), [0, null])

  const act = async (...args: readonly string[]) => {
    const { status, stdout, stderr } = await abnpkg(home, 'cache', ...args, '--operator', key, '--json')
    t.is(status, 0, stderr)
    return JSON.parse(stdout)
  }
  t.like(await act('fsck', '--data', data), { attestations: 2, blobs: 6, faults: [] })
  t.like(await act('fsck', '--data', whileServed), { attestations: 2, blobs: 6, faults: [] })
  await act('gc', '--data', data)
  await act('backup', '--data', data, `${home.directory}/backup`)
  t.like(await act('fsck', '--data', `${home.directory}/backup`), { attestations: 2, blobs: 6, faults: [] })
  t.like(await act('export', '--data', data, `${home.directory}/export`), { recipes: 2, blobs: 6 })
  t.true(existsSync(`${home.directory}/export/v1/operators`))
  t.like(await act('import', '--data', `${home.directory}/other`, `${home.directory}/export`), {
    accepted: 2,
    blobs: 6,
  })
  t.like(await act('operators'), { operators: { 0: { name: 'alice', keys: { 0: key } } } })

  // What was backed up can be served as it is.
  const again = await serve(`${home.directory}/backup`)
  const known = await abnpkg(home, 'publish', 'greet', '--to', again.url, '--json')
  t.like(JSON.parse(known.stdout), { published: { 0: { accepted: 0, known: 2, sent: 0, present: 6 } } })
  again.child.kill('SIGTERM')
  t.deepEqual(await once(again.child, 'exit'), [0, null])
})
