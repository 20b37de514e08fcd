// Who unpacks what has come: other threads while they have room, this one otherwise, and nobody after the end.
import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { shareUnpacking, type Unpacking } from '../../../builder/substitute/share-unpacking.ts'
import { parseSha256 } from '../../../format/hash.ts'
import { storeItemOf } from '../../../format/store-path.ts'
import { userPath } from '../../faults/_support/world.ts'

const fetched = { address: 'http://cache.example', packed: new Uint8Array() }

const receiptOf = (directory: string) => ({
  item: storeItemOf(userPath),
  directory,
  digest: parseSha256('0'.repeat(64)),
  bytes: 0,
  references: [],
  caches: [],
})

/** Has so much room, and is done with the oldest when told so. */
function otherThread(room: number) {
  const has: { readonly directory: string; readonly done: PromiseWithResolvers<void> }[] = []
  const thread: Unpacking = {
    hasRoom: () => has.length < room,
    unpack: (_, { directory }) => {
      const done = Promise.withResolvers<void>()
      has.push({ directory, done })
      return done.promise
    },
  }
  const finish = (error?: Error): void => {
    const oldest = has.shift()
    if (error === undefined) oldest?.done.resolve()
    else oldest?.done.reject(error)
  }
  return { thread, finish, has: () => has.map(({ directory }) => directory) }
}

test('others first, in the order in which it came; this thread one at a time, and others again as soon as they have room', async (t) => {
  const other = otherThread(2)
  const here: string[] = []
  using sharing = shareUnpacking(async (_, { directory }) => void here.push(directory), [other.thread])
  const all = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => sharing.unpack(fetched, receiptOf(name)))
  t.deepEqual([other.has(), here], [['a', 'b'], []], 'this thread has not done anything in the meantime')
  await turn()
  t.deepEqual([other.has(), here], [['a', 'b'], ['c']])
  other.finish()
  await all[0]
  await turn()
  t.deepEqual(other.has(), ['b', 'd'])
  while (here.length < 3) await turn()
  t.deepEqual(here, ['c', 'e', 'f'])
  other.finish()
  other.finish()
  await Promise.all(all)
})

test('what goes wrong is told to whom it concerns, and the rest goes on', async (t) => {
  const other = otherThread(1)
  const here = async () => {
    throw new Error('wrong here')
  }
  using sharing = shareUnpacking(here, [other.thread])
  const [first, second, third] = ['a', 'b', 'c'].map((name) => sharing.unpack(fetched, receiptOf(name)))
  await t.throwsAsync(second ?? turn(), { message: 'wrong here' })
  other.finish(new Error('wrong there'))
  await t.throwsAsync(first ?? turn(), { message: 'wrong there' })
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
