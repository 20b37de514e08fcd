import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { parseAptProxies, parseDeb822, parseOneLine, readDebianBases } from '../../../builder/fetch/apt.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

test('one-line entries: options, comments, disabled lines, media', (t) => {
  const text = [
    '# deb http://commented.example/debian stable main',
    'deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] http://one.example/debian bookworm main contrib # why',
    'deb-src http://two.example/debian/ sid main',
    'deb cdrom:[Debian GNU/Linux 12.0.0 _Bookworm_]/ bookworm main',
    'rpm http://three.example/ x y',
    '',
  ].join('\n')
  t.deepEqual(parseOneLine(text), [
    { uris: ['http://one.example/debian'], suites: ['bookworm'], components: ['main', 'contrib'] },
    { uris: ['http://two.example/debian/'], suites: ['sid'], components: ['main'] },
  ])
})

test('deb822 stanzas: several values, continued lines, comments, disabled stanzas', (t) => {
  const text = `# comment
Types: deb deb-src
URIs: http://one.example/debian
  http://two.example/debian
# between
Suites: trixie
 trixie-updates
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: trixie
Components: main

types: deb
uris: http://lower.example/debian
suites: sid
components: main
`
  t.deepEqual(
    parseDeb822(text).map((entry) => entry.uris.join(' ')),
    ['http://one.example/debian http://two.example/debian', 'http://lower.example/debian'],
  )
  t.deepEqual(parseDeb822(text)[0]?.suites, ['trixie', 'trixie-updates'])
})

test("only Debian's own main archive counts, …/debian first, mirror files are followed", async (t) => {
  const directory = temporaryDirectory(t)
  await mkdir(join(directory, 'sources.list.d'))
  const put = (name: string, text: string) => writeFile(join(directory, name), text)
  await put('list', '# comment\nhttp://listed.example/debian/\tpriority:1\n')
  await put(
    'sources.list',
    [
      'deb http://copy.example/mirrors/deb12/ bookworm main',
      'deb http://security.example/debian-security bookworm-security main',
      'deb https://vendor.example/linux/debian bookworm stable',
      'deb http://ubuntu.example/ubuntu jammy main',
      'deb http://plain.example/debian bookworm main',
      'deb file:/srv/debian bookworm main',
    ].join('\n'),
  )
  await put(
    'sources.list.d/debian.sources',
    `Types: deb\nURIs: mirror+file://${directory}/list\nSuites: bookworm bookworm-updates\nComponents: main\n`,
  )
  await put('sources.list.d/off.list.disabled', 'deb http://disabled.example/debian sid main')
  t.deepEqual(await readDebianBases(directory), [
    'http://plain.example/debian/',
    'http://listed.example/debian/',
    'http://copy.example/mirrors/deb12/',
  ])
  t.deepEqual(await readDebianBases(join(directory, 'nowhere')), [])
})

test("apt's proxies: by scheme, by host, none", (t) => {
  const proxies = parseAptProxies(
    [
      'Acquire::http::Proxy "http://proxy.example:3142/";',
      'Acquire::http::Proxy::near.example "DIRECT";',
      'Acquire::https::Proxy "false";',
      'Acquire::http::Proxy::odd.example "socks5h://x:1";',
    ].join('\n'),
  )
  const proxyOf = (address: string) => proxies.proxyOf(new URL(address))
  t.is(proxyOf('http://a.example/'), 'http://proxy.example:3142/')
  t.is(proxyOf('http://near.example/'), 'DIRECT')
  t.is(proxyOf('https://a.example/'), 'DIRECT')
  t.is(proxyOf('http://odd.example/'), undefined)
  t.is(parseAptProxies('').proxyOf(new URL('http://a.example/')), undefined)
})
