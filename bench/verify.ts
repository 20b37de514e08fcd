// `npm run bench:verify [-- ITEMS] [--rounds N]`: comparing all contents of a store with their digests, beside SHA-256 alone (OpenSSL's, by
// node:crypto) of as many bytes from memory, on as many cores. Two stores: of a realistic mix (tens of thousands of small files, where
// opening files is most of the work), and of large files. Runs alternate, a first round is not counted, medians are compared.
import { mkdtempSync, readdirSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { parseStoreItem, storePathOfItem } from '../format/store-path.ts'
import { removeDirectory } from '../store/remove-directory.ts'
import { openStore } from '../store/store.ts'
import { verifyItems } from '../store/verify.ts'
import { fillStore, type Mix } from './store-items.ts'

const LIMIT = 0.8
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '5' } },
})
const items = Number(positionals[0] ?? 1000)
const cores = availableParallelism()
const scratch = mkdtempSync(join(tmpdir(), 'abn-bench-'))
try {
  for (const mix of ['large', 'realistic'] as const) await measure(mix)
} finally {
  removeDirectory(scratch)
}

async function measure(mix: Mix): Promise<void> {
  const root = join(scratch, mix)
  const { files, bytes } = fillStore(root, mix === 'large' ? 120 : items, mix)
  const store = openStore({ root })
  const names = readdirSync(store.layout.items)
  const paths = names.map((name) => storePathOfItem(parseStoreItem(name.replace(/\.json$/, ''))))
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = -1; round < Number(values.rounds); round++) {
    const ran = await seconds(async () => {
      const { problems } = await verifyItems(store, paths)
      if (problems.length > 0) throw new Error(JSON.stringify(problems[0]))
    })
    const hashed = await seconds(() => hashAlone(bytes))
    if (round >= 0) ours.push(ran)
    if (round >= 0) theirs.push(hashed)
  }
  const [verify, hash] = [median(ours), median(theirs)]
  const speed = (time: number) => `${(bytes / 1e9 / time).toFixed(2)} GB/s`
  print(`${mix}: ${paths.length} items, ${files} files, ${Math.round(bytes / 1e6)} MB, ${cores} cores`)
  print(`  verify       ${verify.toFixed(2)} s, ${speed(verify)}`)
  print(`  SHA-256 only ${hash.toFixed(2)} s, ${speed(hash)}`)
  const ratio = hash / verify
  const isHeld = ratio >= LIMIT
  if (mix === 'large' && !isHeld) process.exitCode = 1
  const verdict = mix === 'large' ? `, limit ${LIMIT}: ${isHeld ? 'holds' : 'DOES NOT HOLD'}` : ' (no limit)'
  print(`  ratio ${ratio.toFixed(2)}${verdict}; ${((verify / files) * 1e6 * cores).toFixed(0)} µs of a core a file`)
}

/** As many bytes on all cores, from memory that is warm, in pieces as large as a file system reads. */
async function hashAlone(bytes: number): Promise<void> {
  const source = `
    const { createHash } = require('node:crypto')
    const { workerData } = require('node:worker_threads')
    const block = Buffer.alloc(256 * 1024, 1)
    const hash = createHash('sha256')
    for (let left = workerData; left > 0; left -= block.length) hash.update(block)
    hash.digest()`
  const workers = Array.from({ length: cores }, () => new Worker(source, { eval: true, workerData: bytes / cores }))
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve))))
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
