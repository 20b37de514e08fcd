// The part of bench/log.ts that is measured: argv[2] is a directory with an index in which everything is pending, argv[3] how many
// seconds it took to note that. Closures are 1,000 items of 3 operators.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openLog } from '../cache-server/log/log.ts'
import { consistencyProof, inclusionsOf } from '../cache-server/log/prove.ts'
import { readEntries } from '../cache-server/log/read-tile.ts'
import { openTreeFiles } from '../cache-server/log/tree-files.ts'
import { openLevelIndex } from '../cache-server/storage/level-index.ts'
import { type Sha256, sha256Of } from '../format/hash.ts'
import { parseInclusions, verifyInclusions } from '../trust/log/inclusions.ts'
import { treeSizeOf } from '../trust/log/merkle.ts'
import { parseEntries, tileWidth } from '../trust/log/tile.ts'
import { newSecretKey } from '../trust/secret-key.ts'
import { at, judge } from './cache/judge.ts'

const [, , directory = '', noting] = process.argv
const CLOSURE = 3000
const secret = newSecretKey('log.example/bench', new Uint8Array(32).fill(3))
const files = openTreeFiles(join(directory, 'log'))
const index = await openLevelIndex(join(directory, 'index'))
const options = { witnesses: [], quorum: 0, batchSeconds: 3600, refreshSeconds: 0, report: console.error }
const log = await openLog({ files, index, signer: secret, ...options })

const started = performance.now()
const checkpoint = await log.publish()
const seconds = (performance.now() - started) / 1000
if (checkpoint === undefined) throw new Error('nothing is published')
const { size } = checkpoint
console.log(`given their places at ${(size / seconds).toFixed(0)}/s`)
judge('entries a second, durable, noted and in the tree', size / (seconds + Number(noting)), '>=', 5000)
const { peak } = memory()
judge('memory of the log while it grows (MB, at most)', peak / 1e6, '<=', 300)

const tip = checkpoint
const closures: readonly (readonly [string, number, readonly Sha256[]])[] = [
  ['one entry', 5, await digestsFrom(random(size), 1)],
  ['3,000 that came together', 250, await digestsFrom(random(Math.max(1, size - CLOSURE)), CLOSURE)],
  ['3,000 from all over', 2500, await scattered()],
]
for (const [name, limit, digests] of closures) {
  const proof = await prove(digests)
  verifyInclusions(parseInclusions(proof), secret.publicKey)
  console.log(`proof of ${name}: ${(proof.length / digests.length).toFixed(1)} bytes an entry`)
  await measure(`proof of ${name} (ms)`, { times: digests.length > 1 ? 7 : 200, limit }, () => prove(digests))
}
const grow = () => consistencyProof(files, treeSizeOf(1 + random(size)), size)
await measure('proof of growth since a random size (ms)', { times: 200, limit: 10 }, grow)
console.log(`memory at the end: ${(memory().now / 1e6).toFixed(0)} MB, at most ${(memory().peak / 1e6).toFixed(0)}`)
await log.close()
await index.close()

async function prove(wanted: readonly Sha256[]): Promise<Uint8Array> {
  const proof = await inclusionsOf(wanted, tip, { index, files })
  if (proof === undefined) throw new Error('no such entries')
  return proof
}

/** Of entries in the order of the log. */
async function digestsFrom(first: number, count: number): Promise<readonly Sha256[]> {
  const found: Sha256[] = []
  for (let tile = Math.floor(first / tileWidth); found.length < count && tile * tileWidth < size; tile++) {
    const width = Math.min(tileWidth, size - tile * tileWidth)
    const entries = parseEntries(await readEntries(files, { index: tile, width }), width)
    const skipped = Math.max(0, first - tile * tileWidth)
    for (const entry of entries.slice(skipped)) found.push(sha256Of(entry))
  }
  return found.slice(0, count)
}

async function scattered(): Promise<readonly Sha256[]> {
  const found: Sha256[] = []
  for (let i = 0; i < CLOSURE; i++) found.push(...(await digestsFrom(random(size), 1)))
  return found
}

type Measuring = { readonly times: number; readonly limit: number }

async function measure(name: string, { times, limit }: Measuring, action: () => Promise<unknown>): Promise<void> {
  const all: number[] = []
  for (let i = 0; i < times; i++) {
    const from = performance.now()
    await action()
    all.push(performance.now() - from)
  }
  judge(`${name}, median of ${times}, 90 % ${at(all, 0.9).toFixed(2)}`, at(all, 0.5), '<=', limit)
}

function random(below: number): number {
  return Math.floor(Math.random() * below)
}

function memory(): { readonly now: number; readonly peak: number } {
  const status = readFileSync('/proc/self/status', 'utf8')
  const field = (name: string) => 1024 * Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1])
  return { now: field('VmRSS'), peak: field('VmHWM') }
}
