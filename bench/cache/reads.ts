/**
 * Archives of several sizes, 32 of each in turn, beside nginx and a plain server on the same files. Servers alternate, and the
 * ratio is taken round by round, because other work on the machine falls on all of them.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCache } from '../../cache-server/cache.ts'
import { blobPathOf } from '../../cache-server/storage/directory-blobs.ts'
import { type Sha256, sha256Of } from '../../format/hash.ts'
import { judge, median } from './judge.ts'
import { generator, measureLoad } from './load.ts'
import { startCacheServer, startNginx, startPlainServer } from './processes.ts'
import { benchConfig } from './statements.ts'

const KIB = 1024
const SIZES = [
  { name: '4 KiB', bytes: 4 * KIB, files: 32 },
  { name: '64 KiB', bytes: 64 * KIB, files: 32 },
  { name: '512 KiB', bytes: 512 * KIB, files: 32 },
  { name: '8 MiB', bytes: 8192 * KIB, files: 8 },
]
const ROUNDS = 5

export async function reads(scratch: string): Promise<void> {
  const data = join(scratch, 'reads')
  const digests = await fill(data)
  // The others serve the very files of the cache.
  const root = join(data, 'blobs')
  await using cache = await startCacheServer(scratch, data)
  await using plain = await startPlainServer(root)
  const nginx = await startNginx(scratch, root)
  await using _ = nginx ?? { [Symbol.asyncDispose]: async () => {} }
  const plainPath = (digest: Sha256) => blobPathOf('', { kind: 'archive', digest })
  const contenders = [
    { name: 'cache', url: cache.url, pathOf: (digest: Sha256) => `/v1/archives/${digest}` },
    { name: 'node:http and a stream', url: plain.url, pathOf: (digest: Sha256) => `/${plainPath(digest)}` },
    ...(nginx === undefined
      ? []
      : [{ name: 'nginx', url: nginx.url, pathOf: (digest: Sha256) => `/${plainPath(digest)}` }]),
  ]
  console.log(`archive reads: 8 connections, load by ${generator}`)
  for (const [i, { name: size }] of SIZES.entries()) {
    const rates = new Map<string, number[]>()
    for (let round = -1; round < ROUNDS; round++) {
      for (const { name, url, pathOf } of contenders) {
        const paths = (digests[i] ?? []).map(pathOf)
        const rate = await measureLoad({ url, paths, connections: 8, seconds: 1, scratch })
        if (round >= 0) rates.set(name, [...(rates.get(name) ?? []), rate])
      }
    }
    const own = rates.get('cache') ?? []
    for (const [name, all] of rates)
      console.log(`  ${size.padStart(8)} ${name.padEnd(24)} ${median(all).toFixed(0).padStart(7)} /s`)
    const theirs = rates.get('nginx')
    if (theirs === undefined) console.log(`  ${size}: nginx is not installed, the limit of 0.5 × is not judged`)
    else judge(`  ${size} to nginx`, median(own.map((rate, k) => rate / (theirs[k] ?? Number.NaN))), '>=', 0.5)
  }
}

/** As if published: what they hold is not looked at by anybody here. */
async function fill(data: string): Promise<readonly (readonly Sha256[])[]> {
  const cache = await openCache({ data, config: benchConfig })
  const all: Sha256[][] = []
  mkdirSync(join(data, 'uploads'), { recursive: true })
  const staged = join(data, 'uploads', 'staged')
  for (const { bytes, files } of SIZES) {
    const own: Sha256[] = []
    for (let i = 0; i < files; i++) {
      const content = randomBytes(bytes)
      const digest = sha256Of(content)
      writeFileSync(staged, content)
      const key = { kind: 'archive', digest } as const
      await cache.blobs.put(key, staged)
      await cache.records.put(key, { bytes, transport: digest, at: 1, operator: 'bench' })
      own.push(digest)
    }
    all.push(own)
  }
  await cache.close()
  return all
}
