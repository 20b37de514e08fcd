// An operator takes a statement back, also while the service runs.
import { mkdirSync } from 'node:fs'
import test from 'ava'
import { issueRevocations } from '../../../builder/service/revocations.ts'
import {
  abnpkg,
  attestationsIn,
  builtIn,
  cacheFor,
  evidenceAt,
  homeFor,
  now,
  operatorKeys,
  runOnce,
  storeOf,
} from './_support/world.ts'

test('what is taken back is told, and built anew when it has left the store', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  const keyDirectory = `${home.directory}/keys`
  mkdirSync(keyDirectory)
  const statedOf = async (recipe: string) => attestationsIn(await evidenceAt(cache.url, `/v1/evidence/${recipe}`))
  const stop = new AbortController()
  const told: string[] = []
  const takenBack: string[] = []
  const config = { work: [{ kind: 'packages', names: ['greet'] }], caches: [cache.url], everySeconds: 1 }
  const ran = await runOnce(home, storeOf(home), config, {
    signer: alice,
    keyDirectory,
    once: false,
    signal: stop.signal,
    onEvent: (event) => {
      if (event.kind === 'task-failed') {
        told.push(event.error.code)
        // Waits until the service has let go of the store.
        void abnpkg(home, 'gc')
      }
      if (event.kind !== 'task-done') return
      if (takenBack.length > 0) stop.abort(new Error('enough'))
      else {
        const [published] = event.task.published
        void statedOf(event.task.recipe).then((stated) => {
          const statements = stated.map(({ statementDigest }) => ({ statement: statementDigest, reason: 'bad memory' }))
          takenBack.push(...statements.map(({ statement }) => statement))
          issueRevocations(keyDirectory, alice, { now: now(), add: { keys: [], statements } })
        })
        t.is(published?.cache, cache.url)
      }
    },
  })
  t.is(takenBack.length, 1)
  t.deepEqual([...new Set(told)], ['ABN_ATTEST_REVOKED'])
  t.deepEqual(builtIn(ran).filter((name) => name === 'greet').length, 2)
  const [task] = ran.tasks
  t.deepEqual([task?.state, task?.error], ['done', null])
  const after = await statedOf(task?.recipe ?? '')
  t.is(after.filter(({ statementDigest }) => !takenBack.includes(statementDigest)).length, 1)
  const lists = (await evidenceAt(cache.url, `/v1/evidence/${task?.recipe}`)).filter(
    ({ kind }) => kind === 'revocation-list',
  )
  t.is(lists.length, 1)
})
