// What a person has configured, and who cannot.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import {
  configurationDirectories,
  parseCacheAddress,
  readCaches,
  readConfiguration,
  writeCaches,
} from '../../../builder/substitute/configuration.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

const policy = (kind: string) => JSON.stringify({ format: 1, operators: [], default: { kind }, packages: {} })

test('where it is', (t) => {
  t.like(configurationDirectories({ HOME: '/home/a' }), { user: '/home/a/.config/abnpkg', system: '/etc/abnpkg' })
  t.is(configurationDirectories({ HOME: '/home/a', XDG_CONFIG_HOME: '/b' }).user, '/b/abnpkg')
  t.is(configurationDirectories({ HOME: '/home/a', XDG_CONFIG_HOME: 'relative' }).user, '/home/a/.config/abnpkg')
  t.is(configurationDirectories({}).user, undefined)
})

test("both lists of caches count, the person's policy takes the place of the system's", (t) => {
  const [user, system] = [join(temporaryDirectory(t), 'user'), join(temporaryDirectory(t), 'system')]
  t.deepEqual(readConfiguration({ user, system }), { caches: [], policy: undefined })
  writeCaches(user, ['https://a.example', 'https://b.example'])
  writeCaches(system, ['https://b.example', 'https://c.example'])
  t.deepEqual(readConfiguration({ user, system }).caches, [
    'https://a.example',
    'https://b.example',
    'https://c.example',
  ])
  writeFileSync(join(system, 'policy.json'), policy('paranoid'))
  t.is(readConfiguration({ user, system }).policy?.policy.default.kind, 'paranoid')
  writeFileSync(join(user, 'policy.json'), policy('source-only'))
  t.is(readConfiguration({ user, system }).policy?.policy.default.kind, 'source-only')
})

test('what cannot be read is an error, never absent', (t) => {
  const user = temporaryDirectory(t)
  for (const text of [
    '',
    '{',
    '{"format":2,"caches":[]}',
    '{"format":1,"caches":[],"trusted":true}',
    '{"format":1,"caches":[1]}',
  ]) {
    writeFileSync(join(user, 'caches.json'), text)
    t.throws(() => readCaches(user), { code: 'ABN_CONFIGURATION' }, text)
  }
  writeCaches(user, [])
  writeFileSync(join(user, 'policy.json'), '{}')
  t.throws(() => readConfiguration({ user, system: undefined }), { code: 'ABN_POLICY_INVALID' })
  const other = temporaryDirectory(t)
  mkdirSync(join(other, 'policy.json'))
  t.throws(() => readConfiguration({ user: other, system: undefined }), { code: 'ABN_CONFIGURATION' })
})

test('addresses', (t) => {
  t.is(parseCacheAddress('https://a.example'), 'https://a.example')
  t.is(parseCacheAddress('http://A.example:8470/abn/'), 'http://a.example:8470/abn')
  const wrong = [
    '',
    'a.example',
    'file:///etc',
    'ftp://a.example',
    'https://u:p@a.example',
    'https://a.example/?q',
    'https://a.example/#f',
  ]
  for (const text of wrong) t.throws(() => parseCacheAddress(text), { code: 'ABN_CACHE_ADDRESS' }, text)
})
