import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { createCounters } from '../../../builder/service/observe.ts'
import { openKeptSessions, removeUnusedSessions, sessionDirectoryOf } from '../../../builder/session/kept.ts'
import { readStatus, textOfStatus, writeStatus } from '../../../builder/session/status.ts'
import { newSecretKey } from '../../../trust/secret-key.ts'
import { worldFor } from './_support/sessions.ts'

async function begun(t: ExecutionContext) {
  const world = worldFor(t)
  await world.sessions.start()
  const document = world.sessions.current()[0]?.document
  if (document === undefined) throw new TypeError('there is no session')
  return { ...world, document, directory: sessionDirectoryOf(world.store) }
}

test('what was kept is found by another process, with the collateral that it names', async (t) => {
  const { store, operator, document, sessions } = await begun(t)
  const found = openKeptSessions(store, operator.publicKey).find(document.session.digest)
  t.deepEqual(found?.document.bytes, document.bytes)
  t.deepEqual(found?.collateral, sessions.current()[0]?.collateral)
})

test('by the operator who signed it, and by nobody else', async (t) => {
  const { store, document } = await begun(t)
  const mallory = newSecretKey('mallory')
  t.is(openKeptSessions(store, mallory.publicKey).find(document.session.digest), undefined)
  t.throws(() => openKeptSessions(store, mallory.publicKey).keep(document, undefined), {
    code: 'ABN_SIGNATURE_INVALID',
  })
})

test('what is damaged, or lies under another name, is not there', async (t) => {
  const { store, operator, document, directory } = await begun(t)
  const path = `${directory}/${document.session.digest}.json`
  const bytes = readFileSync(path)
  const find = () => openKeptSessions(store, operator.publicKey).find(document.session.digest)
  const other = worldFor(t)
  await other.sessions.start()
  for (const wrong of [bytes.subarray(0, 100), Buffer.alloc(0), other.sessions.current()[0]?.document.bytes ?? '']) {
    writeFileSync(path, wrong)
    t.is(find(), undefined)
  }
  writeFileSync(path, bytes)
  const collateral = `${directory}/collateral-${document.collateral}.json`
  writeFileSync(collateral, readFileSync(collateral).subarray(1))
  t.is(find()?.collateral, undefined)
})

test('what nothing refers to is removed, with its collateral, and what is no session of ours is left alone', async (t) => {
  const { store, document, directory } = await begun(t)
  const other = worldFor(t)
  await other.sessions.start()
  const [second] = other.sessions.current()
  if (second === undefined) return t.fail('there is no session')
  writeFileSync(`${directory}/${second.document.session.digest}.json`, second.document.bytes)
  writeFileSync(`${directory}/collateral-${'ab'.repeat(32)}.json`, '{}')
  writeFileSync(`${directory}/notes.txt`, 'mine')
  removeUnusedSessions(store, new Set([document.session.digest]))
  t.deepEqual(
    readdirSync(directory).sort(),
    [`${document.session.digest}.json`, `collateral-${document.collateral}.json`, 'notes.txt'].sort(),
  )
  removeUnusedSessions(store, new Set())
  t.deepEqual(readdirSync(directory), ['notes.txt'])
})

test('status: read back as it was written; says that a simulated TEE proves nothing', async (t) => {
  const { store, told } = await begun(t)
  const [status] = told
  if (status === undefined) return t.fail('there is no status')
  t.is(readStatus(store), undefined)
  writeStatus(store, status)
  t.deepEqual(readStatus(store), status)
  t.regex(textOfStatus(status), /^session [0-9a-f]{16}; SIMULATED TEE, which proves nothing; 2026-11-22T00:00:00Z to /)
  writeFileSync(`${store.root}/var/builder/session.json`, '{"format":1}')
  t.is(readStatus(store), undefined)
  const counters = createCounters(() => 0)
  counters.note({ kind: 'session', session: status })
  const labels = `key="${status.key}",tee="simulated",quote="true",per_build="false"`
  t.true(counters.text(store).includes(`\nabn_builder_session{${labels}} 1\n`))
  t.true(counters.text(store).includes(`\nabn_builder_session_until_seconds ${status.until}\n`))
  t.like(counters.status(store), { session: { key: status.key } })
  writeStatus(store, undefined)
  t.false(readdirSync(`${store.root}/var/builder`).includes('session.json'))
})
