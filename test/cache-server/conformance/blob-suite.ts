/** What any blob store must do. Each backend's test calls it with its own way of opening an empty one. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext, TestFn } from 'ava'
import type { BlobKey, BlobStore } from '../../../cache-server/storage/blobs.ts'
import { sha256Of } from '../../../format/hash.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

export type OpenBlobs = (t: ExecutionContext) => Promise<BlobStore>

export function blobSuite(test: TestFn, name: string, open: OpenBlobs): void {
  const big = Buffer.alloc(1_500_000, 'abc')
  const keyOf = (content: Uint8Array): BlobKey => ({ kind: 'archive', digest: sha256Of(content) })

  /** Pieces are copied: they are lent only until `take` resolves. */
  async function read(
    blobs: BlobStore,
    key: BlobKey,
    start: number,
    end: number,
    between = async (): Promise<void> => {},
  ): Promise<Buffer | undefined> {
    const pieces: Buffer[] = []
    const found = await blobs.read(key, { start, end }, async (chunk) => {
      pieces.push(Buffer.from(chunk))
      await between()
    })
    return found ? Buffer.concat(pieces) : undefined
  }

  function staged(t: ExecutionContext, content: Uint8Array): string {
    const file = join(temporaryDirectory(t), 'staged')
    writeFileSync(file, content)
    return file
  }

  test(`${name}: a blob is there whole or not at all`, async (t) => {
    const blobs = await open(t)
    const key = keyOf(big)
    t.is(await blobs.size(key), undefined)
    t.is(await read(blobs, key, 0, 1), undefined)
    await blobs.put(key, staged(t, big))
    t.is(await blobs.size(key), big.length)
    t.true((await read(blobs, key, 0, big.length))?.equals(big))
    t.true((await read(blobs, key, 7, 11))?.equals(big.subarray(7, 11)))
    t.true((await read(blobs, key, 1_000_000, big.length))?.equals(big.subarray(1_000_000)))
    t.is(await blobs.size({ ...key, kind: 'source' }), undefined)
  })

  test(`${name}: putting and removing twice do no harm`, async (t) => {
    const blobs = await open(t)
    const key = keyOf(big)
    await blobs.put(key, staged(t, big))
    await blobs.put(key, staged(t, big))
    t.is(await blobs.size(key), big.length)
    await blobs.remove(key)
    await blobs.remove(key)
    t.is(await blobs.size(key), undefined)
  })

  test(`${name}: a put that fails leaves readers what they had`, async (t) => {
    const blobs = await open(t)
    const key = keyOf(big)
    await t.throwsAsync(blobs.put(key, '/nowhere/at/all'))
    t.is(await blobs.size(key), undefined)
    await blobs.put(key, staged(t, big))
    await t.throwsAsync(blobs.put(key, '/nowhere/at/all'))
    t.true((await read(blobs, key, 0, big.length))?.equals(big))
  })

  test(`${name}: what is read often is what is there, also after it was replaced or removed`, async (t) => {
    const blobs = await open(t)
    const small = Buffer.alloc(3000, 'small')
    const other = Buffer.alloc(3100, 'other')
    const key = keyOf(small)
    const often = async (expected: Buffer | undefined, ends: readonly number[]): Promise<void> => {
      for (const end of [...ends, ...ends, ...ends]) {
        t.deepEqual(await read(blobs, key, 0, end), expected?.subarray(0, end))
        t.deepEqual(await read(blobs, key, 5, end), expected?.subarray(5, end))
      }
    }
    await blobs.put(key, staged(t, small))
    await often(small, [1000, 3000, 2000])
    // The same archive, compressed otherwise.
    await blobs.put(key, staged(t, other))
    await often(other, [3000, 3100])
    // While it is read and not kept yet.
    await blobs.put(key, staged(t, small))
    await read(blobs, key, 0, 3000)
    await read(blobs, key, 0, 3000, async () => blobs.put(key, staged(t, other)))
    await often(other, [3000, 3100])
    await blobs.remove(key)
    await often(undefined, [3000, 100])
  })

  test(`${name}: a read under way survives the removal`, async (t) => {
    const blobs = await open(t)
    const key = keyOf(big)
    await blobs.put(key, staged(t, big))
    let removed = 0
    const got = await read(blobs, key, 0, big.length, async () => {
      if (removed++ === 0) await blobs.remove(key)
    })
    t.true(got?.equals(big))
    t.is(await read(blobs, key, 0, 1), undefined)
  })

  test(`${name}: what was read before and is put anew is read anew`, async (t) => {
    const blobs = await open(t)
    const key = keyOf(big)
    for (const content of [big, Buffer.alloc(1000, 'x')]) {
      await blobs.put(key, staged(t, content))
      for (let i = 0; i < 3; i++) t.true((await read(blobs, key, 0, content.length))?.equals(content))
    }
    await t.throwsAsync(read(blobs, key, 0, 1001))
  })

  test(`${name}: many read at once, each its own bytes`, async (t) => {
    const blobs = await open(t)
    const contents = Array.from({ length: 5 }, (_, i) => Buffer.alloc(700_000 + i, `${i}`))
    for (const content of contents) await blobs.put(keyOf(content), staged(t, content))
    const readers = Array.from({ length: 200 }, async (_, i) => {
      const content = contents[i % 5] ?? big
      const got = await read(
        blobs,
        keyOf(content),
        0,
        content.length,
        () => new Promise((resolve) => void setImmediate(resolve)),
      )
      return got?.equals(content)
    })
    t.true((await Promise.all(readers)).every((isSame) => isSame === true))
  })

  test(`${name}: what the taker throws ends the read`, async (t) => {
    const blobs = await open(t)
    const key = keyOf(big)
    await blobs.put(key, staged(t, big))
    const gone = async () => {
      throw new Error('gone')
    }
    await t.throwsAsync(read(blobs, key, 0, big.length, gone), { message: 'gone' })
    t.true((await read(blobs, key, 0, big.length))?.equals(big))
  })

  test(`${name}: the list has each kind for itself`, async (t) => {
    const blobs = await open(t)
    const contents = ['a', 'b', 'c'].map((text) => Buffer.from(text))
    for (const content of contents) await blobs.put(keyOf(content), staged(t, content))
    const file = staged(t, Buffer.from('s'))
    await blobs.put({ kind: 'source', digest: sha256Of('s') }, file)
    t.true(!existsSync(file) || readFileSync(file).length === 1)
    const found: string[] = []
    for await (const { digest, bytes } of blobs.list('archive')) found.push(`${digest} ${bytes}`)
    t.deepEqual(found.sort(), contents.map((content) => `${sha256Of(content)} 1`).sort())
  })
}
