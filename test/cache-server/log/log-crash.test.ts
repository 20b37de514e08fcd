// A log whose process dies at random instants, on storage that fails in both ways: nothing acknowledged is lost, every checkpoint that
// anybody has seen is a beginning of the tree, and there is one tree.
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import test from 'ava'
import { openCache } from '../../../cache-server/cache.ts'
import { checkCache } from '../../../cache-server/fsck.ts'
import { checkLog } from '../../../cache-server/log/check-log.ts'
import { openLog } from '../../../cache-server/log/log.ts'
import { readEntries } from '../../../cache-server/log/read-tile.ts'
import { entryIndices } from '../../../cache-server/log/sequencer.ts'
import { emptyEdge, grow, rootOf } from '../../../cache-server/log/tree-edge.ts'
import { openTreeFiles, type TreeFiles } from '../../../cache-server/log/tree-files.ts'
import { openDirectoryBlobs } from '../../../cache-server/storage/directory-blobs.ts'
import { createGroupCommit } from '../../../cache-server/storage/group-commit.ts'
import type { Index } from '../../../cache-server/storage/index.ts'
import { openLevelIndex } from '../../../cache-server/storage/level-index.ts'
import { type Sha256, sha256Of } from '../../../format/hash.ts'
import { utf8 } from '../../../trust/bytes.ts'
import { type VerifiedCheckpoint, verifyCheckpoint } from '../../../trust/log/checkpoint.ts'
import { parseEntries } from '../../../trust/log/tile.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { faults, faultyIndex, type Plan } from '../conformance/faults.ts'
import { logConfig, logSecret, sessionOf } from '../log-support.ts'
import { alice, attestationOf, configOf, packageOf, revocationsOf } from '../support.ts'

/** The same for the same seed. */
function randomFrom(seed: number): (below: number) => number {
  let count = 0
  return (below) => createHash('sha256').update(`${seed} ${count++}`).digest().readUInt32BE() % below
}

class Died extends Error {}

type Life = { left: number; readonly random: (below: number) => number }

/** Counts what is done to the disk; at zero the process dies, with that done, half done or not, and does nothing any more. */
function mortal(life: Life) {
  const step = async (action: () => Promise<void>, half?: () => Promise<void>): Promise<void> => {
    if (life.left < 0) throw new Died()
    life.left--
    if (life.left >= 0) return action()
    const way = life.random(3)
    if (way === 1) await action()
    if (way === 2) await half?.()
    throw new Died()
  }
  return {
    index: (index: Index): Index => ({
      ...index,
      write: (changes, options) => step(() => index.write(changes, options)),
    }),
    files: (files: TreeFiles): TreeFiles => ({
      ...files,
      write: (all) =>
        step(
          () => files.write(all),
          () => files.write(new Map([...all].slice(0, life.random(all.size + 1)))),
        ),
      remove: (path) => step(() => files.remove(path)),
    }),
  }
}

for (const seed of [1, 2, 3, 4]) {
  test(`killed again and again, a log is one tree (${seed})`, async (t) => {
    const random = randomFrom(seed)
    const directory = temporaryDirectory(t)
    const disk = await openLevelIndex(join(directory, 'index'))
    t.teardown(() => disk.close())
    const place = openTreeFiles(join(directory, 'log'))
    const acknowledged = new Set<Sha256>()
    const seen: VerifiedCheckpoint[] = []
    let number = 0

    async function live(life: Life): Promise<void> {
      const { index: through, files } = mortal(life)
      const index = through(disk)
      const commits = createGroupCommit(index)
      const log = await openLog({
        files: files(place),
        index,
        signer: logSecret,
        witnesses: [],
        quorum: 0,
        batchSeconds: 3600,
        refreshSeconds: 0,
        report: () => {},
        onPublished: async (checkpoint) => void seen.push(checkpoint),
      })
      const write = async () => {
        const bytes = utf8(`entry ${number++} ${'x'.repeat(random(90))}`)
        const digest = sha256Of(bytes)
        const record = `evidence/${digest}`
        await commits.commit([{ kind: 'put', key: record, value: bytes }, log.pending({ digest, record })])
        acknowledged.add(digest)
      }
      for (let round = 0; round < 6; round++) {
        const writes = Array.from({ length: random(150) }, write)
        const ended = await Promise.allSettled([...writes, log.publish()])
        const failed = ended.find(({ status }) => status === 'rejected')
        if (failed?.status === 'rejected') throw failed.reason
      }
      await log.publish()
      await log.close()
    }

    let deaths = 0
    for (let life = 0; life < 12; life++) {
      try {
        await live({ left: random(25), random })
      } catch (error) {
        if (!(error instanceof Died)) throw error
        deaths++
      }
      // What anybody may have read in between.
      const published = await place.readIfThere('checkpoint')
      if (published !== undefined) seen.push(verifyCheckpoint(published, logSecret.publicKey))
    }
    t.true(deaths > 3)
    await live({ left: 1_000_000, random })

    const last = seen.at(-1)
    if (last === undefined) return t.fail()
    const entries: Uint8Array[] = []
    for (let index = 0; index * 256 < last.size; index++) {
      const width = Math.min(256, last.size - index * 256)
      entries.push(...parseEntries(await readEntries(place, { index, width }), width))
    }
    for (const { size, root } of seen)
      t.deepEqual(Buffer.from(rootOf(grow(emptyEdge, entries.slice(0, size)).edge)), Buffer.from(root), `${size}`)
    const logged = new Set(entries.map((bytes) => sha256Of(bytes)))
    t.is(logged.size, entries.length)
    t.deepEqual(
      [...acknowledged].filter((digest) => !logged.has(digest)),
      [],
    )
    t.false((await entryIndices(disk, [...acknowledged])).includes(undefined))
    t.deepEqual((await checkLog(disk, { files: place, key: logSecret.publicKey })).faults, [])
  })
}

for (const fault of faults) {
  test(`evidence whose write ${fault} is logged once when it is sent again`, async (t) => {
    const data = temporaryDirectory(t)
    const plan: Plan = { next: undefined }
    const level = await openLevelIndex(join(data, 'level'))
    const blobs = await openDirectoryBlobs(join(data, 'blobs'))
    const backends = { index: faultyIndex(level, plan), blobs }
    const cache = await openCache({ data: join(data, 'cache'), config: configOf({ log: logConfig(t) }), backends })
    const session = sessionOf(alice)
    const texts = session.collateral === null ? [] : [session.collateral]
    const envelopes = [attestationOf(packageOf('hello'), alice).bytes, revocationsOf(alice, {}).bytes]
    const takes = [
      () => cache.sessions.accept(session.document, texts, 'alice'),
      ...envelopes.map((bytes) => () => cache.acceptor.accept([bytes], 'alice')),
    ]
    for (const take of takes) {
      plan.next = fault
      await t.throwsAsync(async () => take())
      await take()
    }
    // The log's own writes fail too, once each.
    for (let i = 0; i < 3; i++) {
      plan.next = fault
      await cache.log?.publish().catch(() => {})
    }
    plan.next = undefined
    t.true((await cache.log?.publish())?.size === 3)
    const entries = parseEntries(
      await readEntries(openTreeFiles(join(data, 'cache', 'log')), { index: 0, width: 3 }),
      3,
    )
    t.deepEqual(
      entries.map((bytes) => sha256Of(bytes)),
      [session.document, ...envelopes].map((bytes) => sha256Of(bytes)),
    )
    t.deepEqual((await checkCache(cache, { repair: false })).faults, [])
    await cache.close()
  })
}
