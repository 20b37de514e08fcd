import test from 'ava'
import fc from 'fast-check'
import { createHotBlobs } from '../../cache-server/storage/hot-blobs.ts'

test('what was asked for longest ago goes first, and no more is kept than was said', (t) => {
  const hot = createHotBlobs(100)
  const keep = (name: string, bytes: number) => hot.begin().offer(name, Buffer.alloc(bytes, name))
  keep('a', 40)
  keep('b', 40)
  t.is(hot.get('a', 40)?.length, 40)
  keep('c', 40)
  t.is(hot.get('b', 1), undefined)
  t.is(hot.get('a', 41), undefined, 'only its beginning is here')
  t.deepEqual(hot.get('a', 1), Buffer.alloc(40, 'a'))
  keep('d', 101)
  t.is(hot.get('d', 1), undefined, 'larger than all that may be kept')
  keep('a', 30)
  t.is(hot.get('a', 31), undefined)
})

test('what was read before a change is not kept after it', (t) => {
  const hot = createHotBlobs(100)
  const reading = hot.begin()
  hot.forget('a')
  reading.offer('a', Buffer.from('old'))
  t.is(hot.get('a', 1), undefined)
})

test('the bytes are copied', (t) => {
  const hot = createHotBlobs(100)
  const lent = Buffer.from('lent')
  hot.begin().offer('a', lent)
  lent.fill(0)
  t.is(hot.get('a', 4)?.toString(), 'lent')
})

test('whatever happens, an answer is the beginning of the newest', (t) => {
  const name = fc.constantFrom('a', 'b', 'c')
  const step = fc.oneof(
    fc.record({ kind: fc.constant('read' as const), name, bytes: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ kind: fc.constant('replace' as const), name }),
  )
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const hot = createHotBlobs(100)
    const files = new Map<string, number>([...'abc'].map((one) => [one, 0]))
    const contentOf = (one: string, bytes: number) => Buffer.alloc(bytes, `${one}${files.get(one)}`)
    for (const one of steps) {
      if (one.kind === 'replace') {
        files.set(one.name, (files.get(one.name) ?? 0) + 1)
        hot.forget(one.name)
        continue
      }
      const found = hot.get(one.name, one.bytes)
      const expected = contentOf(one.name, one.bytes)
      if (found === undefined) hot.begin().offer(one.name, expected)
      else if (!found.subarray(0, one.bytes).equals(expected)) return false
    }
    return true
  })
  fc.assert(property)
  t.pass()
})
