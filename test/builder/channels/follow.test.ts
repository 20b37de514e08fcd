// A channel as a user meets it: added, updated, pinned, fetched again from a pin.
import { once } from 'node:events'
import { readdirSync, readFile, readFileSync, rmSync, statSync, utimesSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { checkedOut } from '../../../builder/channels/checkout.ts'
import { addChannel, type FollowedChannel, updateChannel } from '../../../builder/channels/follow.ts'
import { fingerprintOf } from '../../../builder/channels/ssh-key.ts'
import { sha256Of } from '../../../format/hash.ts'
import { outputDigestOfDirectory, sourceTreeItem } from '../../../store/output-digest.ts'
import { removeDirectory } from '../../../store/remove-directory.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { channelFile, type Files, hasGit, newSigner, recipesOf, TestRepository } from './_support/repository.ts'

const gitTest = hasGit ? test : test.skip

function scene(t: ExecutionContext) {
  const top = temporaryDirectory(t)
  const repository = new TestRepository(join(top, 'repository'))
  const signal = new AbortController().signal
  const options = { cacheDirectory: join(top, 'cache'), signal }
  const alice = newSigner()
  const files: Files = { '.abnpkg-channel.json': channelFile(alice), ...recipesOf('one') }
  const first = repository.commit({ files, by: alice })
  const introduction = { commit: first, key: fingerprintOf(alice.key) }
  const add = (more: object = {}) =>
    addChannel({ name: 'extra', url: repository.directory, branch: '', introduction, ...more }, options)
  const update = (channel: FollowedChannel, more: object = {}) =>
    updateChannel(channel, { ...options, allowRollback: false, ...more })
  return { top, repository, options, alice, files, first, add, update }
}

gitTest('what is added is checked out under its digest, read-only, and only what recipes may use', async (t) => {
  const { repository, options, alice, files, add, first } = scene(t)
  repository.commit({ files: { ...files, 'README.md': 'x', 'src/a.c': 'x' }, parents: [first], by: alice })
  const { channel, commits } = await add()
  t.is(commits, 2)
  t.is(channel.kind, 'signed')
  const directory = join(options.cacheDirectory, channel.pin.digest)
  t.deepEqual(readdirSync(directory).sort(), ['.abnpkg-channel.json', 'recipes'])
  t.is(outputDigestOfDirectory(directory, sourceTreeItem).outputDigest, channel.pin.digest)
  t.is(statSync(join(directory, 'recipes/packages/one.ts')).mode & 0o777, 0o444)
  t.is(statSync(join(directory, 'recipes/packages')).mode & 0o777, 0o555)
})

gitTest('an update takes what comes after, and nothing when there is nothing', async (t) => {
  const { repository, options, alice, files, add, update, first } = scene(t)
  const added = await add()
  t.is((await update(added.channel)).channel, added.channel)
  const second = repository.commit({ files: { ...files, ...recipesOf('two') }, parents: [first], by: alice })
  const { channel } = await update(added.channel)
  t.is(channel.pin.commit, second)
  t.true(readdirSync(join(options.cacheDirectory, channel.pin.digest, 'recipes/packages')).includes('two.ts'))
})

gitTest('a key that a listed key has added may commit from then on', async (t) => {
  const { repository, alice, files, add, update, first } = scene(t)
  const bob = newSigner()
  const { channel } = await add()
  const both = { ...files, '.abnpkg-channel.json': channelFile(alice, bob) }
  const second = repository.commit({ files: both, parents: [first], by: alice })
  const third = repository.commit({ files: both, parents: [second], by: bob })
  const side = repository.commitObject({ files: both, parents: [second], by: alice })
  const merged = repository.commit({ files: both, parents: [third, side], by: bob })
  t.is((await update(channel)).channel.pin.commit, merged)
})

gitTest('a pin keeps a channel where it is, and the commit that is asked for is checked too', async (t) => {
  const { repository, alice, files, add, update, first } = scene(t)
  const second = repository.commit({ files: { ...files, ...recipesOf('two') }, parents: [first], by: alice })
  const { channel } = await add()
  const pinned = (await update(channel, { commit: first })).channel
  t.true(pinned.isPinned)
  t.is(pinned.pin.commit, first)
  t.is((await update(pinned)).channel.pin.commit, second)
  const stray = repository.commitObject({ files, parents: [first] })
  await t.throwsAsync(update(channel, { commit: stray }), { code: 'ABN_CHANNEL_UNTRUSTED' })
  await t.throwsAsync(update(channel, { commit: 'main' }), { code: 'ABN_CHANNEL_COMMIT' })
})

gitTest('from a pin alone the same channel is fetched on another machine', async (t) => {
  const { repository, options, alice, files, add, first, top } = scene(t)
  const { channel } = await add()
  repository.commit({ files: recipesOf('two'), parents: [first], by: alice })
  const elsewhere = { ...options, cacheDirectory: join(top, 'elsewhere') }
  await t.throwsAsync(checkedOut(channel.pin, { ...elsewhere, offline: true }), { code: 'ABN_CHANNEL_OFFLINE' })
  const found = await checkedOut(channel.pin, elsewhere)
  t.is(found.directory, join(elsewhere.cacheDirectory, channel.pin.digest))
  t.is(readFileSync(join(found.directory, 'recipes/packages/one.ts'), 'utf8'), files['recipes/packages/one.ts'] ?? '')
  rmSync(join(elsewhere.cacheDirectory, 'repositories'), { recursive: true })
  removeDirectory(repository.directory)
  t.is((await checkedOut(channel.pin, elsewhere)).directory, found.directory, 'nothing is fetched twice')
})

gitTest('what is used is as young as its last use', async (t) => {
  const { options, add, update } = scene(t)
  const { channel } = await add()
  const checkout = join(options.cacheDirectory, channel.pin.digest)
  const repositories = join(options.cacheDirectory, 'repositories')
  const repository = join(repositories, readdirSync(repositories).find((name) => !name.endsWith('.lock')) ?? '')
  const ageOf = (path: string) => Date.now() - statSync(path).mtimeMs
  const days = (count: number) => Date.now() / 1000 - count * 86_400
  for (const path of [checkout, repository]) utimesSync(path, days(100), days(100))
  await checkedOut(channel.pin, { ...options, offline: true })
  t.true(ageOf(checkout) < 3_600_000)
  t.true(ageOf(repository) > 90 * 86_400_000)
  await update(channel)
  t.true(ageOf(repository) < 3_600_000)
  utimesSync(checkout, days(0.5), days(0.5))
  const { mtimeMs } = statSync(checkout)
  await checkedOut(channel.pin, options)
  t.is(statSync(checkout).mtimeMs, mtimeMs, 'once a day is enough')
  utimesSync(checkout, days(-100), days(-100))
  await checkedOut(channel.pin, options)
  t.true(Math.abs(ageOf(checkout)) < 3_600_000, 'a clock that was wrong')
})

gitTest('another digest under the commit of a pin is refused', async (t) => {
  const { options, add, top } = scene(t)
  const { channel } = await add()
  const pin = { ...channel.pin, digest: sha256Of('other') }
  const elsewhere = { ...options, cacheDirectory: join(top, 'elsewhere') }
  await t.throwsAsync(checkedOut(pin, elsewhere), { code: 'ABN_CHANNEL_DIFFERS' })
  t.deepEqual(readdirSync(elsewhere.cacheDirectory), ['repositories'])
})

gitTest('what is kept of a repository may be damaged', async (t) => {
  const { repository, options, alice, files, add, update, first } = scene(t)
  const { channel } = await add()
  const repositories = join(options.cacheDirectory, 'repositories')
  for (const name of readdirSync(repositories)) {
    if (!name.endsWith('.lock')) rmSync(join(repositories, name, 'objects'), { recursive: true })
  }
  const second = repository.commit({ files, parents: [first], by: alice })
  t.is((await update(channel)).channel.pin.commit, second)
})

gitTest('a repository with SHA-256 names', async (t) => {
  const { top, options, alice, files } = scene(t)
  const repository = new TestRepository(join(top, 'sha256'), 'sha256')
  const commit = repository.commit({ files, by: alice })
  t.is(commit.length, 64)
  const url = repository.directory
  const { channel } = await addChannel(
    { name: 'x', url, branch: '', introduction: { commit, key: alice.key } },
    options,
  )
  t.is(channel.pin.commit, commit)
})

gitTest('over http; a host that does not answer is told at once', async (t) => {
  const { repository, options, first, alice } = scene(t)
  repository.git(['update-server-info'])
  const server = createServer((request, response) => {
    const path = join(repository.directory, decodeURIComponent(new URL(request.url ?? '', 'http://x').pathname))
    readFile(path, (error, data) => (error ? response.writeHead(404).end() : response.end(data)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  const introduction = { commit: first, key: alice.key }
  const url = `http://127.0.0.1:${port}/`
  const { channel } = await addChannel({ name: 'x', url, branch: 'main', introduction }, options)
  t.is(channel.pin.commit, first)
  await new Promise((resolve) => server.close(resolve))
  const update = updateChannel(channel, { ...options, allowRollback: false })
  await t.throwsAsync(update, { code: 'ABN_CHANNEL_FETCH', message: /connection refused/ })
  t.is((await checkedOut(channel.pin, options)).name, 'x', 'what is here needs no host')
})
