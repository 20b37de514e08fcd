// What somebody might try who controls the repository, the way to it, or a key that may not commit. Each must end in an
// error of its own, with nothing checked out beyond what was there before.
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { readChannelTree } from '../../../builder/channels/channel-tree.ts'
import { addChannel, updateChannel } from '../../../builder/channels/follow.ts'
import { parseObjectId } from '../../../builder/channels/git-objects.ts'
import { Repository } from '../../../builder/channels/repository.ts'
import { AbnError, type ErrorCode } from '../../../format/errors.ts'
import {
  channelFile,
  type Files,
  hasGit,
  recipesOf,
  type Signer,
  signatureOf,
  type TestRepository,
  withSignature,
} from './_support/repository.ts'
import { type Scene, scene } from './_support/scene.ts'

/** Makes the attack, then updates: it must be refused with this code and reason. */
const attack = test.macro(
  async (t, make: (scene: Scene) => unknown, code: ErrorCode, reason: RegExp, more: object = {}) => {
    if (!hasGit) return t.pass('no git here')
    const made = await scene(t)
    const before = made.digests()
    await make(made)
    const error = await t.throwsAsync(made.update(more))
    t.true(error instanceof AbnError, String(error?.stack))
    if (error instanceof AbnError) t.is(error.code, code, error.message)
    t.regex(error?.message ?? '', reason)
    t.deepEqual(made.digests(), before)
  },
)

const UNTRUSTED = 'ABN_CHANNEL_UNTRUSTED'
const OBJECT = 'ABN_CHANNEL_OBJECT'
const HISTORY = 'ABN_CHANNEL_HISTORY'

test(
  'a commit in the middle that is not signed',
  attack,
  ({ repository, files, first, alice }) => {
    const middle = repository.commit({ files, parents: [first] })
    repository.commit({ files, parents: [middle], by: alice })
  },
  UNTRUSTED,
  /it is not signed/,
)

test(
  'a key that may not commit',
  attack,
  ({ repository, files, first, mallory }) => {
    repository.commit({ files, parents: [first], by: mallory })
  },
  UNTRUSTED,
  /none of the keys that its parent [0-9a-f]{40} lists/,
)

test(
  'a key that lists itself in the commit that it signs',
  attack,
  ({ repository, files, first, alice, mallory }) => {
    const own = { ...files, '.abnpkg-channel.json': channelFile(alice, mallory) }
    repository.commit({ files: own, parents: [first], by: mallory })
  },
  UNTRUSTED,
  /none of the keys/,
)

test(
  'a key that was taken off the list',
  attack,
  ({ repository, files, first, alice, mallory }) => {
    const without = { ...files, '.abnpkg-channel.json': channelFile(mallory) }
    const second = repository.commit({ files: without, parents: [first], by: alice })
    repository.commit({ files, parents: [second], by: alice })
  },
  UNTRUSTED,
  /none of the keys/,
)

test(
  'a merge of a commit that does not count',
  attack,
  ({ repository, files, first, alice, mallory }) => {
    const side = repository.commitObject({ files: { ...files, ...recipesOf('bad') }, parents: [first], by: mallory })
    repository.commit({ files, parents: [first, side], by: alice })
  },
  UNTRUSTED,
  /none of the keys/,
)

test(
  'a merge by a key that only one side lists',
  attack,
  ({ repository, files, first, alice, mallory }) => {
    const own = { ...files, '.abnpkg-channel.json': channelFile(alice, mallory) }
    const side = repository.commitObject({ files: own, parents: [first], by: alice })
    repository.commit({ files: own, parents: [first, side], by: mallory })
  },
  UNTRUSTED,
  /none of the keys/,
)

test(
  'a merge of a history of its own, with a list of its own',
  attack,
  ({ repository, files, first, alice, mallory }) => {
    const own = repository.commitObject({ files: { '.abnpkg-channel.json': channelFile(alice) }, by: mallory })
    repository.commit({ files, parents: [first, own], by: alice })
  },
  HISTORY,
  /has no parent/,
)

test(
  'another history that begins with another introduction',
  attack,
  ({ repository, files, alice }) => {
    repository.commit({ files, by: alice, message: 'another\n' })
  },
  HISTORY,
  /has no parent/,
)

test(
  'a signature over other bytes',
  attack,
  ({ repository, files, first, alice }) => {
    repository.commit({
      files,
      parents: [first],
      by: alice,
      tamper: (text) => text.replace(/a commit\n$/, 'another\n'),
    })
  },
  UNTRUSTED,
  /not that of its key over these bytes/,
)

test(
  'the signature of another commit',
  attack,
  ({ repository, files, first }) => {
    const other = repository.git(['cat-file', 'commit', first])
    const armor = (/gpgsig (.*?END SSH SIGNATURE-----)/s.exec(other)?.[1] ?? '').replaceAll('\n ', '\n')
    repository.commit({ files, parents: [first], tamper: (text) => withSignature(text, armor) })
    requireSignature(armor)
  },
  UNTRUSTED,
  /not that of its key over these bytes/,
)

test(
  'a signature for another purpose (namespace "file")',
  attack,
  ({ repository, files, first, alice }) => {
    repository.commit({ files, parents: [first], by: alice, sign: { namespace: 'file' } })
  },
  UNTRUSTED,
  /it is for "file", expected "git"/,
)

test(
  'the name of the hash exchanged after signing',
  attack,
  ({ repository, files, first, alice }) => {
    const tamper = (text: string) => exchanged(text, 'sha512', 'sha256')
    repository.commit({ files, parents: [first], by: alice, tamper })
  },
  UNTRUSTED,
  /not that of its key/,
)

test(
  'a hash that nobody should use',
  attack,
  ({ repository, files, first, alice }) => {
    const tamper = (text: string) => exchanged(text, 'sha512', 'sha384')
    repository.commit({ files, parents: [first], by: alice, tamper })
  },
  UNTRUSTED,
  /expected the hash sha512 or sha256, got "sha384"/,
)

test(
  'a key of another type in the signature',
  attack,
  ({ repository, files, first, alice }) => {
    const tamper = (text: string) => exchanged(text, 'ssh-ed25519', 'ssh-rsa-foo')
    repository.commit({ files, parents: [first], by: alice, tamper })
  },
  UNTRUSTED,
  /expected a key of type ssh-ed25519, got "ssh-rsa-foo"/,
)

test(
  'two signatures',
  attack,
  ({ repository, files, first, alice, mallory }) => {
    const tamper = (text: string) => withSignature(text, signatureOf(mallory, Buffer.from(text)))
    repository.commit({ files, parents: [first], by: alice, tamper })
  },
  OBJECT,
  /gpgsig is there twice/,
)

test(
  'a signature under the name that another git reads',
  attack,
  ({ repository, files, first, alice }) => {
    const tamper = (text: string) => text.replace('gpgsig ', 'gpgsig-sha256 ')
    repository.commit({ files, parents: [first], by: alice, tamper })
  },
  OBJECT,
  /"gpgsig-sha256" is not allowed/,
)

test(
  'a header that nobody knows',
  attack,
  ({ repository, files, first, alice }) => {
    const tamper = (text: string) => text.replace('\nauthor', '\nextra x\nauthor')
    repository.commit({ files, parents: [first], by: alice, tamper })
  },
  'ABN_CHANNEL_FETCH',
  /git fetch failed/,
)

test(
  'a second tree',
  attack,
  ({ repository, files, first, alice }) => {
    const tamper = (text: string) => text.replace(/^(tree .*\n)/, '$1$1')
    repository.commit({ files, parents: [first], by: alice, tamper })
  },
  'ABN_CHANNEL_FETCH',
  /git fetch failed/,
)

test(
  'a commit that was replaced (git replace)',
  attack,
  ({ repository, files, first, alice, mallory }) => {
    const evil = repository.commitObject({ files: { ...files, ...recipesOf('bad') }, parents: [first], by: mallory })
    const good = repository.commitObject({ files, parents: [first], by: alice })
    repository.git(['replace', good, evil])
    repository.git(['update-ref', 'refs/heads/main', evil])
  },
  UNTRUSTED,
  /none of the keys/,
)

test(
  'a graft that hides commits that do not count',
  attack,
  ({ repository, files, first, alice, mallory }) => {
    const middle = repository.commit({ files, parents: [first], by: mallory })
    const head = repository.commit({ files, parents: [middle], by: alice })
    mkdirSync(join(repository.directory, 'info'), { recursive: true })
    writeFileSync(join(repository.directory, 'info/grafts'), `${head} ${first}\n`)
  },
  'ABN_CHANNEL_FETCH',
  /git fetch failed/,
)

test(
  'a repository without the commits in between (shallow)',
  attack,
  ({ repository, files, first, alice, mallory }) => {
    const middle = repository.commit({ files, parents: [first], by: mallory })
    const head = repository.commit({ files, parents: [middle], by: alice })
    writeFileSync(join(repository.directory, 'shallow'), `${head}\n`)
  },
  'ABN_CHANNEL_FETCH',
  /git (fetch|rev-parse) failed/,
)

test(
  'a tag in the place of a branch',
  attack,
  ({ repository, files, first, alice }) => {
    const second = repository.commit({ files, parents: [first], by: alice })
    repository.git(['update-ref', '-d', 'refs/heads/main'])
    repository.git(['update-ref', 'refs/tags/main', second])
  },
  'ABN_CHANNEL_FETCH',
  /git fetch failed/,
)

test(
  'a symbolic link below recipes',
  attack,
  ({ repository, first, alice, files }) => {
    const secret = repository.write('blob', '/etc/passwd')
    const directory = repository.git(['mktree'], `120000 blob ${secret}\tpasswd.ts\n`)
    const packages = repository.git(['mktree'], `040000 tree ${directory}\tpackages\n`)
    const top = { '.abnpkg-channel.json': files['.abnpkg-channel.json'] ?? '' }
    repository.commit({ files: top, extraEntries: [`040000 tree ${packages}\trecipes`], parents: [first], by: alice })
  },
  'ABN_CHANNEL_TREE',
  /recipes\/packages\/passwd\.ts is a link/,
)

test(
  'a submodule in the place of the recipes',
  attack,
  ({ repository, files, first, alice }) => {
    const top = { '.abnpkg-channel.json': files['.abnpkg-channel.json'] ?? '' }
    repository.commit({ files: top, extraEntries: [`160000 commit ${first}\trecipes`], parents: [first], by: alice })
  },
  'ABN_CHANNEL_TREE',
  /recipes is no directory/,
)

test(
  'the list of keys as a link',
  attack,
  ({ repository, first, alice }) => {
    const target = repository.write('blob', 'recipes/keys.json')
    const extraEntries = [`120000 blob ${target}\t.abnpkg-channel.json`]
    repository.commit({ files: recipesOf('one'), extraEntries, parents: [first], by: alice })
  },
  'ABN_CHANNEL_FILE',
  /has no file \.abnpkg-channel\.json/,
)

test(
  'a name that leads out of the channel',
  attack,
  ({ repository, files, first, alice }) => {
    evilTree(repository, { files, first, alice, name: '..' })
  },
  'ABN_CHANNEL_FETCH',
  /git fetch failed/,
)

test(
  'names that differ in case only',
  attack,
  ({ repository, files, first, alice }) => {
    const more = { 'recipes/packages/A.ts': '1', 'recipes/packages/a.ts': '2' }
    repository.commit({ files: { ...files, ...more }, parents: [first], by: alice })
  },
  OBJECT,
  /the same but for their case/,
)

test(
  'a name that turns the direction of writing',
  attack,
  ({ repository, files, first, alice }) => {
    repository.commit({ files: { ...files, 'recipes/packages/a\u202est.ts': '' }, parents: [first], by: alice })
  },
  OBJECT,
  /a name in it is not allowed/,
)

test(
  'a list of keys with a member twice',
  attack,
  ({ repository, files, first, alice, mallory }) => {
    const [own, his] = [channelFile(alice), channelFile(mallory)].map((text) => text.slice(1, -1))
    repository.commit({ files: { ...files, '.abnpkg-channel.json': `{${own},${his}}` }, parents: [first], by: alice })
  },
  'ABN_CHANNEL_FILE',
  /it is not JSON/,
)

test(
  'a list of keys of a later version',
  attack,
  ({ repository, files, first, alice }) => {
    const text = channelFile(alice).replace('"format":1', '"format":2')
    repository.commit({ files: { ...files, '.abnpkg-channel.json': text }, parents: [first], by: alice })
  },
  'ABN_CHANNEL_FILE',
  /expected 1/,
)

test(
  'a repository larger than git may fetch',
  attack,
  ({ repository, files, first, alice }) => {
    const big = Buffer.alloc(3 << 20)
    for (let i = 0; i < big.length; i += 4) big.writeUInt32LE((i * 2654435761) >>> 0, i)
    const id = repository.write('blob', big)
    repository.commit({ files, extraEntries: [`100644 blob ${id}\tbig`], parents: [first], by: alice })
  },
  'ABN_CHANNEL_FETCH',
  /larger than|git fetch failed/,
  { largestBytes: 1 << 20 },
)

const gitTest = hasGit ? test : test.skip

gitTest('a roll-back is taken only when it is asked for', async (t) => {
  const { repository, files, first, alice, channel, update } = await scene(t)
  const signal = new AbortController().signal
  const options = { cacheDirectory: join(repository.directory, '../cache'), signal, allowRollback: false }
  const second = repository.commit({ files: { ...files, ...recipesOf('two') }, parents: [first], by: alice })
  const newer = (await updateChannel(channel, options)).channel
  t.is(newer.pin.commit, second)
  repository.git(['update-ref', 'refs/heads/main', first])
  await t.throwsAsync(updateChannel(newer, options), { code: 'ABN_CHANNEL_ROLLBACK' })
  const side = repository.commit({ files: { ...files, ...recipesOf('side') }, parents: [first], by: alice })
  await t.throwsAsync(updateChannel(newer, options), { code: 'ABN_CHANNEL_ROLLBACK' })
  t.is((await updateChannel(newer, { ...options, allowRollback: true })).channel.pin.commit, side)
  t.truthy(await update())
})

gitTest('an introduction that the named key has not signed, or that is no commit of the channel', async (t) => {
  const { repository, first, mallory, alice, top } = await scene(t)
  const options = { cacheDirectory: join(top, 'other'), signal: new AbortController().signal }
  const add = (introduction: { commit: string; key: Signer['key'] }) =>
    addChannel({ name: 'x', url: repository.directory, branch: '', introduction }, options)
  await t.throwsAsync(add({ commit: first, key: mallory.key }), { code: UNTRUSTED })
  await t.throwsAsync(add({ commit: '0'.repeat(40), key: alice.key }), { code: HISTORY })
  await t.throwsAsync(add({ commit: 'HEAD', key: alice.key }), { code: 'ABN_CHANNEL_COMMIT' })
})

gitTest('hooks and settings of the repository are not obeyed', async (t) => {
  const { repository, files, first, alice, update, top } = await scene(t)
  const trap = join(top, 'sprung')
  repository.commit({ files, parents: [first], by: alice })
  for (const name of ['post-upload-pack', 'pre-upload-pack', 'post-checkout', 'reference-transaction', 'post-merge']) {
    mkdirSync(join(repository.directory, 'hooks'), { recursive: true })
    writeFileSync(join(repository.directory, 'hooks', name), `#!/bin/sh\ntouch ${trap}\n`)
    chmodSync(join(repository.directory, 'hooks', name), 0o755)
  }
  repository.git(['config', 'uploadpack.packObjectsHook', `touch ${trap};`])
  repository.git(['config', 'core.fsmonitor', `touch ${trap};`])
  await update()
  t.false(existsSync(trap))
})

gitTest('objects that are not what their names say are noticed without git', async (t) => {
  const { repository, first, channel } = await scene(t)
  const options = { cacheDirectory: join(repository.directory, '../cache'), signal: new AbortController().signal }
  await using ours = await Repository.open(channel.pin.url, options)
  const bytes = await ours.read(parseObjectId(first), 'commit', 1 << 20)
  const lying = async () => Buffer.from(String(bytes).replace('A <a@', 'B <a@'))
  await t.throwsAsync(ours.read(parseObjectId(first), 'tree', 1 << 20), { code: OBJECT })
  await t.throwsAsync(ours.read(parseObjectId(first), 'commit', 10), { code: OBJECT })
  await t.throwsAsync(readChannelTree(lying, parseObjectId(first)), { code: OBJECT })
})

gitTest('more files, or more bytes, than a channel may have', async (t) => {
  const { repository, files, channel } = await scene(t)
  const tree = parseObjectId(repository.git(['rev-parse', 'main^{tree}']))
  const options = { cacheDirectory: join(repository.directory, '../cache'), signal: new AbortController().signal }
  await using ours = await Repository.open(channel.pin.url, options)
  const limits = { files: 100, bytes: 1 << 20, fileBytes: 1 << 20 }
  t.is((await readChannelTree(ours.read, tree, limits)).files.length, Object.keys(files).length)
  await t.throwsAsync(readChannelTree(ours.read, tree, { ...limits, files: 1 }), { code: 'ABN_CHANNEL_TREE' })
  await t.throwsAsync(readChannelTree(ours.read, tree, { ...limits, fileBytes: 10 }), { code: OBJECT })
})

function requireSignature(armor: string): void {
  if (!armor.startsWith('-----BEGIN SSH')) throw new Error('the test found no signature')
}

/** Writes a tree that git itself would not write. */
function evilTree(
  repository: TestRepository,
  { files, first, alice, name }: { files: Files; first: string; alice: Signer; name: string },
): void {
  const blob = repository.write('blob', 'x')
  const entry = Buffer.concat([Buffer.from(`100644 ${name}\0`), Buffer.from(blob, 'hex')])
  const bad = repository.write('tree', entry)
  const packages = repository.git(['mktree', '--missing'], `040000 tree ${bad}\tpackages\n`)
  const top = { '.abnpkg-channel.json': files['.abnpkg-channel.json'] ?? '' }
  repository.commit({ files: top, extraEntries: [`040000 tree ${packages}\trecipes`], parents: [first], by: alice })
}

/** Replaces a text of the same length within the signature's armour. */
function exchanged(commit: string, from: string, to: string): string {
  const lines = commit.split('\n')
  const begin = lines.findIndex((line) => line.includes('BEGIN SSH'))
  const end = lines.findIndex((line) => line.includes('END SSH'))
  const blob = Buffer.from(lines.slice(begin + 1, end).join(''), 'base64').toString('latin1')
  if (!blob.includes(from) || from.length !== to.length) throw new Error('the test replaced nothing')
  const text = Buffer.from(blob.replace(from, to), 'latin1').toString('base64')
  const body = (text.match(/.{1,70}/g) ?? []).map((line) => ` ${line}`)
  return [...lines.slice(0, begin + 1), ...body, ...lines.slice(end)].join('\n')
}
