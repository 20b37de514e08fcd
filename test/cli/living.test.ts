import test from 'ava'
import { makeHome } from '../_support/channel.ts'
import { liveRound, requireUsable } from '../_support/living.ts'

test('installs, a shell and collections at once, with kill -9: the store is whole, and nothing that is used goes', async (t) => {
  using home = makeHome()
  let killed = 0
  let shells = 0
  for (let round = 0; round < 6; round++) {
    const report = await liveRound(home, Math.random)
    t.deepEqual(report.failed, [], `round ${round}`)
    killed += report.killed
    shells += report.shells
  }
  await requireUsable(home)
  t.log(`${killed} killed, ${shells} shells lived through collections`)
})
