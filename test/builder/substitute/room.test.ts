// How much is on its way at once: by number, by bytes, in order, and one that is larger than the room.
import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { createRoom } from '../../../builder/substitute/room.ts'

function visitors(most: { readonly things: number; readonly bytes: number }) {
  const room = createRoom(most)
  const inside: number[] = []
  const come = async (bytes: number): Promise<void> => {
    await room.take(bytes)
    inside.push(bytes)
  }
  const go = async (bytes: number): Promise<void> => {
    inside.splice(inside.indexOf(bytes), 1)
    room.give(bytes)
    await turn()
  }
  return { come, go, inside }
}

test('at most so many', async (t) => {
  const { come, go, inside } = visitors({ things: 2, bytes: 100 })
  for (const bytes of [1, 2, 3]) void come(bytes)
  await turn()
  t.deepEqual(inside, [1, 2])
  await go(1)
  t.deepEqual(inside, [2, 3])
})

test('at most so many bytes, and nobody overtakes', async (t) => {
  const { come, go, inside } = visitors({ things: 9, bytes: 100 })
  for (const bytes of [60, 41, 40, 5]) void come(bytes)
  await turn()
  t.deepEqual(inside, [60])
  await go(60)
  t.deepEqual(inside, [41, 40, 5])
})

test('what is larger than the room is let in alone', async (t) => {
  const { come, go, inside } = visitors({ things: 9, bytes: 100 })
  for (const bytes of [1, 101, 2]) void come(bytes)
  await turn()
  t.deepEqual(inside, [1])
  await go(1)
  t.deepEqual(inside, [101])
  await go(101)
  t.deepEqual(inside, [2])
})
