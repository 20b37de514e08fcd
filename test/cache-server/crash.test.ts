import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { openCache } from '../../cache-server/cache.ts'
import { attestationsOf, blobRecord } from '../../cache-server/catalogue.ts'
import { collectGarbage } from '../../cache-server/collect-garbage.ts'
import { checkCache } from '../../cache-server/fsck.ts'
import { emptyEdge, grow, rootOf } from '../../cache-server/log/tree-edge.ts'
import { sha256Of } from '../../format/hash.ts'
import { type VerifiedCheckpoint, verifyCheckpoint } from '../../trust/log/checkpoint.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import { logConfig, logSecret, readServedLog } from './log-support.ts'
import {
  alice,
  attestationOf,
  bob,
  configOf,
  type Package,
  packageOf,
  send,
  sendEvidence,
  startTestCache,
  upload,
} from './support.ts'

const child = join(import.meta.dirname, 'children', 'serve.ts')

test('killed with -9 under load, a cache loses no acknowledged write', async (t) => {
  const data = temporaryDirectory(t)
  const acknowledged = { statements: new Set<Package>(), archives: new Set<Package>() }
  let number = 0
  for (let round = 0; round < 4 || acknowledged.archives.size <= 3; round++) {
    const running = spawn(process.execPath, [child, data], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(running, 'exit')
    const [line] = await once(running.stdout, 'data')
    const url = `${line}`.trim()
    let stopped = false
    const work = [alice, bob, alice].map(async (operator) => {
      while (!stopped) {
        const subject = packageOf(`p${number++}`, 'x'.repeat(5000))
        try {
          const { json } = await sendEvidence(url, operator, [attestationOf(subject, operator)])
          if (json.results[0].status === 'accepted') acknowledged.statements.add(subject)
          const answer = await upload(url, operator, { kind: 'archive', digest: subject.digest }, subject.compressed)
          if (answer.json.published) acknowledged.archives.add(subject)
        } catch (error) {
          // The connection is gone because the server was killed.
          if (!(error instanceof Error && 'code' in error)) throw error
          return
        }
      }
    })
    await delay(250 + Math.random() * 250)
    running.kill('SIGKILL')
    stopped = true
    await Promise.all(work)
    await ended
  }
  const cache = await openCache({ data, config: configOf() })
  t.teardown(() => cache.close())
  const lost: string[] = []
  for (const { recipe, path } of acknowledged.statements)
    if ((await attestationsOf(cache.index, [recipe])).length === 0) lost.push(path)
  for (const { digest, path } of acknowledged.archives) {
    if ((await blobRecord(cache.index, { kind: 'archive', digest })) === undefined) lost.push(`${path} (archive)`)
  }
  t.deepEqual(lost, [])
  const { faults } = await checkCache(cache, { repair: false })
  t.deepEqual(faults, [])
  await collectGarbage(cache)
  t.deepEqual((await checkCache(cache, { repair: false })).faults, [])
  t.log(`${acknowledged.statements.size} statements, ${acknowledged.archives.size} archives`)
})

test('killed with -9 under load, everything acknowledged is in the log, and there is one tree', async (t) => {
  const data = temporaryDirectory(t)
  const { key, ...config } = logConfig(t)
  const acknowledged = new Set<string>()
  const seen: VerifiedCheckpoint[] = []
  let number = 0
  for (let round = 0; round < 5 || acknowledged.size <= 20; round++) {
    const running = spawn(process.execPath, [child, data, key], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(running, 'exit')
    const [line] = await once(running.stdout, 'data')
    const url = `${line}`.trim()
    let stopped = false
    const untilKilled = async (step: () => Promise<void>): Promise<void> => {
      while (!stopped) {
        try {
          await step()
        } catch (error) {
          // The connection is gone because the server was killed.
          if (!(error instanceof Error && 'code' in error)) throw error
          return
        }
      }
    }
    const write = (operator: typeof alice, count: number) => async () => {
      const all = Array.from({ length: count }, () => attestationOf(packageOf(`l${number++}`), operator))
      const { json } = await sendEvidence(url, operator, all)
      for (const { status, digest } of json.results) if (status === 'accepted') acknowledged.add(digest)
    }
    const look = async () => {
      const { status, body } = await send(url, { path: '/v1/log/checkpoint' })
      if (status === 200) seen.push(verifyCheckpoint(body, logSecret.publicKey))
    }
    const work = [write(alice, 1), write(bob, 40), write(alice, 7), look].map(untilKilled)
    await delay(200 + Math.random() * 300)
    running.kill('SIGKILL')
    stopped = true
    await Promise.all(work)
    await ended
  }
  const last = await startTestCache(t, { log: { key, ...config } }, data)
  await last.cache.log?.publish()
  const { entries } = await readServedLog(last.url)
  for (const { size, root } of seen)
    t.deepEqual(Buffer.from(rootOf(grow(emptyEdge, entries.slice(0, size)).edge)), Buffer.from(root), `${size}`)
  const logged = new Set<string>(entries.map((bytes) => sha256Of(bytes)))
  t.is(logged.size, entries.length)
  t.deepEqual(
    [...acknowledged].filter((digest) => !logged.has(digest)),
    [],
  )
  t.deepEqual((await checkCache(last.cache, { repair: false })).faults, [])
  t.log(`${acknowledged.size} acknowledged, ${entries.length} logged, ${seen.length} checkpoints seen`)
})
