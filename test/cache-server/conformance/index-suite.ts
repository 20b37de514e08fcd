/** What any index must do. Each backend's test calls it with its own way of opening an empty one. */
import type { ExecutionContext, TestFn } from 'ava'
import type { Index } from '../../../cache-server/storage/index.ts'

export type OpenIndex = (t: ExecutionContext) => Promise<Index>

export function indexSuite(test: TestFn, name: string, open: OpenIndex): void {
  const bytes = (text: string) => new TextEncoder().encode(text)
  const put = (key: string, value = key) => ({ kind: 'put', key, value: bytes(value) }) as const
  const plain = (value: Uint8Array | undefined) => value && Uint8Array.from(value)
  const collect = async (keys: AsyncIterable<string>) => {
    const found: string[] = []
    for await (const key of keys) found.push(key)
    return found
  }

  test(`${name}: what is written is read, until it is removed`, async (t) => {
    const index = await open(t)
    t.is(await index.get('a'), undefined)
    await index.write([put('a', '1'), put('b', '2')], { durable: true })
    t.deepEqual((await index.getMany(['b', 'x', 'a'])).map(plain), [bytes('2'), undefined, bytes('1')])
    await index.write([put('a', '3'), { kind: 'remove', key: 'b' }, { kind: 'remove', key: 'nothing' }], {
      durable: false,
    })
    t.deepEqual(plain(await index.get('a')), bytes('3'))
    t.is(await index.get('b'), undefined)
  })

  test(`${name}: values may be empty and binary`, async (t) => {
    const index = await open(t)
    const value = Uint8Array.from({ length: 256 }, (_, i) => i)
    await index.write(
      [
        { kind: 'put', key: 'k', value },
        { kind: 'put', key: 'e', value: new Uint8Array() },
      ],
      { durable: true },
    )
    t.deepEqual([...((await index.get('k')) ?? [])], [...value])
    t.is((await index.get('e'))?.length, 0)
  })

  test(`${name}: keys come in order, by prefix, after a key, up to a limit`, async (t) => {
    const index = await open(t)
    await index.write(
      ['a/2', 'b/1', 'a/1', 'a/10', 'a', 'ab/1', 'a/~'].map((key) => put(key)),
      { durable: true },
    )
    t.deepEqual(await collect(index.keys({ prefix: 'a/' })), ['a/1', 'a/10', 'a/2', 'a/~'])
    t.deepEqual(await collect(index.keys({ prefix: 'a/', after: 'a/10' })), ['a/2', 'a/~'])
    t.deepEqual(await collect(index.keys({ prefix: 'a/', limit: 2 })), ['a/1', 'a/10'])
    t.deepEqual(await collect(index.keys({ prefix: '' })), ['a', 'a/1', 'a/10', 'a/2', 'a/~', 'ab/1', 'b/1'])
    const values: string[] = []
    for await (const [key, value] of index.entries({ prefix: 'a/1' })) values.push(`${key}=${Buffer.from(value)}`)
    t.deepEqual(values, ['a/1=a/1', 'a/10=a/10'])
  })

  test(`${name}: a snapshot stays as it was`, async (t) => {
    const index = await open(t)
    await index.write([put('a', '1'), put('b')], { durable: true })
    const snapshot = await index.snapshot()
    await index.write([put('a', '2'), put('c'), { kind: 'remove', key: 'b' }], { durable: true })
    t.deepEqual(plain(await snapshot.get('a')), bytes('1'))
    t.deepEqual(await collect(snapshot.keys({ prefix: '' })), ['a', 'b'])
    await snapshot.close()
    t.deepEqual(await collect(index.keys({ prefix: '' })), ['a', 'c'])
  })
}
