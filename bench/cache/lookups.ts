/**
 * One recipe asked for among many statements, in random order, one request after the other: latency and the server's memory. In
 * the same run, how long the server takes to say that it is well, which takes the same way and looks for nothing: what of the
 * latency is the way and other work on the machine.
 */
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { openCache } from '../../cache-server/cache.ts'
import { attestationChanges, claimOf } from '../../cache-server/catalogue.ts'
import type { Change } from '../../cache-server/storage/index.ts'
import { at, judge } from './judge.ts'
import { memoryOf, startCacheServer } from './processes.ts'
import { benchConfig, lookalike, operator, statementAbout } from './statements.ts'

const SECONDS = 15

export async function lookups(scratch: string, count: number): Promise<void> {
  const data = join(scratch, 'lookups')
  await fill(data, count)
  await using server = await startCacheServer(scratch, data)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const times: number[] = []
  const idle: number[] = []
  for (const until = performance.now() + SECONDS * 1000; performance.now() < until; ) {
    const { recipe } = statementAbout(nameOf(Math.floor(Math.random() * count)))
    times.push(await elapsed(() => get(`${server.url}/v1/evidence/${recipe}`, agent)))
    if (times.length % 4 === 0) idle.push(await elapsed(() => get(`${server.url}/healthz`, agent)))
  }
  agent.destroy()
  const { now, own, peak } = memoryOf(server.pid)
  const text = (all: readonly number[]) => [0.5, 0.9, 0.99].map((part) => at(all, part).toFixed(2)).join(', ')
  console.log(`${times.length} lookups among ${count}: median, 90 %, 99 %: ${text(times)} ms (/healthz: ${text(idle)})`)
  console.log(`memory of the server: ${inMb(now)} MB, of which ${inMb(own)} its own; at most ${inMb(peak)}`)
  judge(`lookup among ${count} (ms, median)`, at(times, 0.5), '<=', 2)
  judge(`memory with ${count} (MB, at most)`, peak / 1e6, '<=', 300)
}

/** Past HTTP and signatures: those are measured elsewhere. */
async function fill(data: string, count: number): Promise<void> {
  const cache = await openCache({ data, config: benchConfig })
  const started = performance.now()
  let changes: Change[] = []
  for (let i = 0; i < count; i++) {
    const one = lookalike(nameOf(i))
    changes.push(...attestationChanges(one, claimOf(one.statement, 1, operator.publicKey.id), []))
    if (changes.length < 4000) continue
    await cache.index.write(changes, { durable: false })
    changes = []
  }
  await cache.index.write(changes, { durable: true })
  await cache.close()
  console.log(`${count} statements stored in ${((performance.now() - started) / 1000).toFixed(0)} s`)
}

function nameOf(i: number): string {
  return `lookup ${i}`
}

async function elapsed(action: () => Promise<void> | void): Promise<number> {
  const started = performance.now()
  await action()
  return performance.now() - started
}

function get(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent, timeout: 60_000 }, (response) => {
      response.resume()
      response.once('error', reject)
      response.once('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`status ${response.statusCode}`)),
      )
    })
    outgoing.once('timeout', () => outgoing.destroy(new Error('no answer for 60 seconds')))
    outgoing.once('error', reject)
    outgoing.end()
  })
}

function inMb(bytes: number): string {
  return (bytes / 1e6).toFixed(0)
}
