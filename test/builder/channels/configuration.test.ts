// channels.json: what is written is read again, and whatever is not exactly that is refused.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import {
  type ConfiguredChannel,
  encodeChannels,
  readChannels,
  writeChannels,
} from '../../../builder/channels/configuration.ts'
import { parseSshKey } from '../../../builder/channels/ssh-key.ts'
import { sha256Of } from '../../../format/hash.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

const key = parseSshKey('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIyFeM+F+bSGSY0QTnvqpFyaXzqQqCmMEALDuFpu0obC comment')
const pin = { url: 'https://example.org/a.git', commit: 'a'.repeat(40), digest: sha256Of('x') }
const all: readonly ConfiguredChannel[] = [
  {
    kind: 'signed',
    name: 'a',
    branch: 'main',
    pin: { name: 'a', ...pin },
    isPinned: true,
    introduction: { commit: 'b'.repeat(40), key },
  },
  { kind: 'unsigned', name: 'b', branch: '', pin: { name: 'b', ...pin, url: '/srv/b' }, isPinned: false },
  { kind: 'live', name: 'c', directory: '/home/me/recipes' },
]

test('what is written is read', (t) => {
  const user = join(temporaryDirectory(t), 'config')
  t.deepEqual(readChannels({ user, system: undefined }), [])
  writeChannels(user, all)
  t.deepEqual(readChannels({ user, system: undefined }), all)
})

test("the user's hide the system's of the same name, and come first", (t) => {
  const [user, system] = [join(temporaryDirectory(t), 'a'), join(temporaryDirectory(t), 'b')]
  writeChannels(user, [{ kind: 'live', name: 'c', directory: '/mine' }])
  writeChannels(system, all)
  const found = readChannels({ user, system })
  t.deepEqual(
    found.map(({ name }) => name),
    ['c', 'a', 'b'],
  )
  t.like(found[0], { directory: '/mine' })
})

const refused = test.macro((t, change: (text: string) => string) => {
  const user = temporaryDirectory(t)
  const text = encodeChannels(all)
  const changed = change(text)
  t.not(changed, text, 'the test changes something')
  mkdirSync(user, { recursive: true })
  writeFileSync(join(user, 'channels.json'), changed)
  t.throws(() => readChannels({ user, system: undefined }), { code: 'ABN_CONFIGURATION' })
})

const replace = (from: string | RegExp, to: string) => (text: string) => text.replace(from, to)
test('no JSON', refused, () => '{')
test('a later format', refused, replace('"format": 1', '"format": 2'))
test('an unknown field', refused, replace('"pinned"', '"trusted": true,\n"pinned"'))
test('a missing field', refused, replace(/"branch": "main",\s*/, ''))
test('an unknown kind', refused, replace('"unsigned"', '"trusted"'))
test('a name twice', refused, replace('"name": "b"', '"name": "a"'))
test('a name that is ours', refused, replace('"name": "b"', '"name": "abnpkg"'))
test('a short commit', refused, replace('"commit": "aaaa', '"commit": "aaa'))
test('an address that git would take for an option', refused, replace('"/srv/b"', '"--upload-pack=x"'))
test('another transport', refused, replace('"/srv/b"', '"ext::sh -c x"'))
test('a directory that depends on where one is', refused, replace('"/home/me/recipes"', '"recipes"'))
test('a key of another type', refused, replace('ssh-ed25519', 'ssh-rsa'))
