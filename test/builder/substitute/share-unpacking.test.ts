// Who unpacks what has come: other threads while they have room, this one otherwise, and nobody after the end.
import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { mostGiven, shareUnpacking } from '../../../builder/substitute/share-unpacking.ts'
import type { UnpackFetched } from '../../../builder/substitute/unpack-fetched.ts'
import { parseSha256 } from '../../../format/hash.ts'
import { storeItemOf } from '../../../format/store-path.ts'
import { userPath } from '../../faults/_support/world.ts'

const fetched = { address: 'http://cache.example', packed: new Uint8Array() }

const receiptOf = (directory: string, bytes = 0) => ({
  item: storeItemOf(userPath),
  directory,
  digest: parseSha256('0'.repeat(64)),
  bytes,
  references: [],
  caches: [],
})

const FULL = mostGiven.bytes

/** Is done with the oldest when told so. */
function otherThread() {
  const given: { readonly directory: string; readonly done: PromiseWithResolvers<void> }[] = []
  const unpack: UnpackFetched = (_, { directory }) => {
    const done = Promise.withResolvers<void>()
    given.push({ directory, done })
    return done.promise
  }
  const finish = (error?: Error): void => {
    const oldest = given.shift()
    if (error === undefined) oldest?.done.resolve()
    else oldest?.done.reject(error)
  }
  return { unpack, finish, has: () => given.map(({ directory }) => directory) }
}

test('others first, in the order in which it came; this thread one at a time, and others again as soon as they have room', async (t) => {
  const other = otherThread()
  const here: string[] = []
  using sharing = shareUnpacking(async (_, { directory }) => void here.push(directory), [other.unpack])
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']
  const all = names.map((name) => sharing.unpack(fetched, receiptOf(name)))
  t.deepEqual([other.has(), here], [['a', 'b', 'c', 'd', 'e'], []], 'this thread has not done anything in the meantime')
  await turn()
  t.deepEqual([other.has(), here], [['a', 'b', 'c', 'd', 'e'], ['f']])
  other.finish()
  await all[0]
  await turn()
  t.deepEqual(other.has(), ['b', 'c', 'd', 'e', 'g'])
  while (here.length < 3) await turn()
  t.deepEqual(here, ['f', 'h', 'i'])
  while (other.has().length > 0) other.finish()
  await Promise.all(all)
})

test('a thread that has much to unpack is given no more, so that nobody waits at the end; the one with least is given it', async (t) => {
  const [first, second] = [otherThread(), otherThread()]
  const here: string[] = []
  using sharing = shareUnpacking(async (_, { directory }) => void here.push(directory), [first.unpack, second.unpack])
  const sizes: [string, number][] = [
    ['a', FULL],
    ['b', FULL - 1],
    ['c', 1],
    ['d', 1],
  ]
  const all = sizes.map(([name, bytes]) => sharing.unpack(fetched, receiptOf(name, bytes)))
  t.deepEqual([first.has(), second.has()], [['a'], ['b', 'c']])
  while (here.length < 1) await turn()
  t.deepEqual(here, ['d'])
  first.finish()
  await all[0]
  await turn()
  const more = sharing.unpack(fetched, receiptOf('e', FULL))
  t.deepEqual([first.has(), second.has()], [['e'], ['b', 'c']])
  for (const { finish } of [first, second, second]) finish()
  await Promise.all([...all, more])
})

test('what goes wrong is told to whom it concerns, and the rest goes on', async (t) => {
  const other = otherThread()
  const here = async () => {
    throw new Error('wrong here')
  }
  using sharing = shareUnpacking(here, [other.unpack])
  const [first, second, third] = ['a', 'b', 'c'].map((name) => sharing.unpack(fetched, receiptOf(name, FULL)))
  await t.throwsAsync(second ?? turn(), { message: 'wrong here' })
  other.finish(new Error('wrong there'))
  await t.throwsAsync(first ?? turn(), { message: 'wrong there' })
  await turn()
  t.deepEqual(other.has(), ['c'])
  other.finish()
  await third
})

test('after its end nothing begins', async (t) => {
  const here: string[] = []
  const sharing = shareUnpacking(async (_, { directory }) => void here.push(directory), [])
  const waiting = sharing.unpack(fetched, receiptOf('a'))
  sharing[Symbol.dispose]()
  await t.throwsAsync(waiting, { message: /has ended/ })
  await turn()
  t.deepEqual(here, [])
  await t.throwsAsync(sharing.unpack(fetched, receiptOf('b')), { message: /has ended/ })
})
