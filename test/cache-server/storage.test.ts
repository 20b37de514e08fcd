import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { openCache } from '../../cache-server/cache.ts'
import { attestationsOf, blobRecord } from '../../cache-server/catalogue.ts'
import { checkCache } from '../../cache-server/fsck.ts'
import { openDirectoryBlobs } from '../../cache-server/storage/directory-blobs.ts'
import { createGroupCommit } from '../../cache-server/storage/group-commit.ts'
import { openLevelIndex } from '../../cache-server/storage/level-index.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import { blobSuite } from './conformance/blob-suite.ts'
import { faults, faultyBlobs, faultyIndex, type Plan } from './conformance/faults.ts'
import { indexSuite } from './conformance/index-suite.ts'
import { alice, attestationOf, configOf, packageOf } from './support.ts'

indexSuite(test, 'level', async (t) => {
  const index = await openLevelIndex(join(temporaryDirectory(t), 'index'))
  t.teardown(() => index.close())
  return index
})

blobSuite(test, 'directory', async (t) => openDirectoryBlobs(join(temporaryDirectory(t), 'blobs')))

test('a second process cannot open the same index', async (t) => {
  const directory = join(temporaryDirectory(t), 'index')
  const index = await openLevelIndex(directory)
  t.teardown(() => index.close())
  await t.throwsAsync(openLevelIndex(directory), { code: 'ABN_CACHE_DATA' })
})

test('a group that fails fails for all in it, and the next goes on', async (t) => {
  const index = await openLevelIndex(join(temporaryDirectory(t), 'index'))
  t.teardown(() => index.close())
  const plan: Plan = { next: 'failed, not written' }
  const { commit } = createGroupCommit(faultyIndex(index, plan))
  const put = (key: string) => commit([{ kind: 'put', key, value: new Uint8Array() }])
  const results = await Promise.allSettled([put('a'), put('b')])
  t.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  await put('c')
  t.deepEqual([await index.get('a'), (await index.get('c'))?.length], [undefined, 0])
})

const hello = packageOf('hello')
const key = { kind: 'archive', digest: hello.digest } as const

for (const fault of faults) {
  for (const at of ['index', 'blobs'] as const) {
    test(`publishing when the ${at} says "${fault}" is repeated without harm`, async (t) => {
      const data = temporaryDirectory(t)
      const plan: Plan = { next: undefined }
      const index = await openLevelIndex(join(data, 'index'))
      const blobs = await openDirectoryBlobs(join(data, 'blobs'))
      // The directory has no format file yet: openCache must find only what it makes itself.
      const home = temporaryDirectory(t)
      const backends =
        at === 'index' ? { index: faultyIndex(index, plan), blobs } : { index, blobs: faultyBlobs(blobs, plan) }
      const cache = await openCache({ data: home, config: configOf(), backends })
      t.teardown(() => cache.close())
      const envelopes = [attestationOf(hello, alice).bytes]
      if (at === 'index') {
        plan.next = fault
        await t.throwsAsync(cache.acceptor.accept(envelopes, 'alice'))
        const known = await attestationsOf(cache.index, [hello.recipe])
        t.is(known.length, fault === 'failed, but written' ? 1 : 0)
      }
      const [taken] = await cache.acceptor.accept(envelopes, 'alice')
      t.true(taken?.status === 'accepted' || taken?.status === 'known')
      const stage = () => {
        const file = join(home, 'uploads', 'staged')
        writeFileSync(file, hello.compressed)
        return file
      }
      plan.next = fault
      await t.throwsAsync(cache.publisher.publish(key, stage(), 'alice'))
      await cache.publisher.publish(key, stage(), 'alice')
      t.is((await blobRecord(cache.index, key))?.bytes, hello.compressed.length)
      const { faults: found } = await checkCache(cache, { repair: false })
      t.deepEqual(found, [])
    })
  }
}

test('a blob moves between file systems by a copy', async (t) => {
  if (!existsSync('/dev/shm')) return t.pass()
  const blobs = await openDirectoryBlobs(join(temporaryDirectory(t), 'blobs'))
  const file = join('/dev/shm', `abn-test-${process.pid}`)
  writeFileSync(file, hello.compressed)
  await blobs.put(key, file)
  t.false(existsSync(file))
  t.is(await blobs.size(key), hello.compressed.length)
})
