import test from 'ava'
import { makeHome } from '../_support/channel.ts'
import { liveRound, requireUsable } from '../_support/living.ts'

const ROUNDS = 200

test('installs, a shell and collections at once, 200 times over, with kill -9 at random instants', async (t) => {
  t.timeout(60 * 60_000)
  using home = makeHome()
  const totals = { killed: 0, shells: 0 }
  for (let round = 0; round < ROUNDS; round++) {
    const { killed, shells, failed } = await liveRound(home, Math.random)
    t.deepEqual(failed, [], `round ${round}`)
    totals.killed += killed
    totals.shells += shells
  }
  await requireUsable(home)
  t.log(`${ROUNDS} rounds, ${totals.killed} killed, ${totals.shells} shells lived through collections`)
})
