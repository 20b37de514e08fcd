// What cannot be the name, address or branch of a channel: git is not even asked.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { addChannel } from '../../../builder/channels/follow.ts'
import type { ErrorCode } from '../../../format/errors.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

const addresses = test.macro(async (t, url: string, code: ErrorCode = 'ABN_CHANNEL_ADDRESS') => {
  const cacheDirectory = join(temporaryDirectory(t), 'cache')
  const options = { cacheDirectory, signal: new AbortController().signal }
  await t.throwsAsync(addChannel({ name: 'x', url, branch: '', introduction: undefined }, options), { code })
  t.false(existsSync(cacheDirectory), 'git was not asked')
})
for (const url of [
  '--upload-pack=touch /tmp/x',
  '-oProxyCommand=x',
  'ext::sh -c true',
  'file:///etc',
  'ssh://git@example.org/x',
  'git@example.org:x',
  'git://example.org/x',
  'fd::17/x',
  'relative/path',
  'https://user:secret@example.org/x',
  'https://example.org/x#y',
  'http://example.org/x', // anybody on the way could change an unsigned one
  'https://exam\u202eple.org/',
  `https://example.org/${'a'.repeat(3000)}`,
]) {
  test(`the address ${JSON.stringify(url.slice(0, 40))}`, addresses, url)
}
for (const name of ['Extra', 'abnpkg', '-x', 'a--b', 'a_b', 'a:b', '../x', 'café', 'ｅxtra', 'x'.repeat(40), '']) {
  test(`the name ${JSON.stringify(name)}`, async (t) => {
    const options = { cacheDirectory: '/nonexistent', signal: new AbortController().signal }
    const adding = addChannel({ name, url: '/nonexistent', branch: '', introduction: undefined }, options)
    await t.throwsAsync(adding, { code: 'ABN_CHANNEL_NAME' })
  })
}
for (const branch of ['-x', '--upload-pack=x', 'a..b', 'refs/heads/../x', 'a b', 'x:y', '+x', 'a.lock', 'a/', '*']) {
  test(`the branch ${JSON.stringify(branch)}`, async (t) => {
    const options = { cacheDirectory: '/nonexistent', signal: new AbortController().signal }
    const adding = addChannel({ name: 'x', url: '/nonexistent', branch, introduction: undefined }, options)
    await t.throwsAsync(adding, { code: 'ABN_CHANNEL_ADDRESS' })
  })
}
