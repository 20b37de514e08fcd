// kill -9 at many instants of a run of builds: the store is whole after each.
import test from 'ava'
import { killAndLook } from '../../builder/realise/_support/kill.ts'

test('kill -9 at a hundred instants leaves a whole store', async (t) => {
  t.timeout(10 * 60 * 1000)
  await killAndLook(t, 100)
})
