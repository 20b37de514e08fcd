// `npm run bench:verify [-- ITEMS] [--rounds N]`: comparing all contents of a store with their digests, beside SHA-256 alone (OpenSSL's, by
// node:crypto) of as many bytes from memory, on as many cores. Two stores: of large files, and of a realistic mix, tens of thousands of
// small files, where opening and reading them costs more than hashing. What is possible there is told by two other programs in the same
// run, as many processes as there are cores: `cat` of the same files, which only reads them, and `openssl dgst`, which hashes each; with
// the second one small files are held to the limit. Runs alternate, a first round is not counted, medians are compared.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
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
  const list = readdirSync(store.layout.store, { recursive: true, withFileTypes: true })
    .flatMap((entry) => (entry.isFile() ? [`${join(entry.parentPath, entry.name)}\0`] : []))
    .join('')
  const contenders = {
    verify: async () => {
      const { problems } = await verifyItems(store, paths)
      if (problems.length > 0) throw new Error(JSON.stringify(problems[0]))
    },
    hash: () => hashAlone(bytes),
    read: () => overFiles(list, ['cat']),
    openssl: () => overFiles(list, ['openssl', 'dgst', '-sha256', '-r']),
  }
  const times = { verify: [0], hash: [0], read: [0], openssl: [0] }
  for (let round = -1; round < Number(values.rounds); round++) {
    for (const name of ['verify', 'hash', 'read', 'openssl'] as const) {
      const took = await seconds(contenders[name])
      if (round >= 0) times[name].push(took)
    }
  }
  const [verify = 0, hash = 0, read = 0, openssl = 0] = Object.values(times).map((all) => median(all.slice(1)))
  const speed = (time: number) => `${time.toFixed(2)} s, ${(bytes / 1e9 / time).toFixed(2)} GB/s`
  print(`${mix}: ${paths.length} items, ${files} files, ${Math.round(bytes / 1e6)} MB, ${cores} cores`)
  print(`  verify            ${speed(verify)}, ${((verify / files) * 1e6 * cores).toFixed(1)} µs of a core a file`)
  print(`  SHA-256 only      ${speed(hash)}, from memory`)
  print(`  reading only      ${speed(read)}, cat`)
  print(`  openssl dgst      ${speed(openssl)}, of the same files one by one`)
  const ratio = (mix === 'large' ? hash : openssl) / verify
  const isHeld = ratio >= LIMIT
  if (!isHeld) process.exitCode = 1
  const other = mix === 'large' ? 'SHA-256' : 'openssl dgst'
  print(`  ratio to ${other} ${ratio.toFixed(2)}, limit ${LIMIT}: ${isHeld ? 'holds' : 'DOES NOT HOLD'}`)
  if (mix === 'large') return
  print(
    `  ratio to SHA-256 from memory ${(hash / verify).toFixed(2)}; cat and it together ${(hash / (hash + read)).toFixed(2)}`,
  )
}

/** On all cores. */
async function overFiles(list: string, command: readonly string[]): Promise<void> {
  const words = ['-0', '-n', '2000', '-P', String(cores), ...command]
  const xargs = spawn('xargs', words, { stdio: ['pipe', 'ignore', 'inherit'] })
  xargs.stdin.end(list)
  const [status] = await once(xargs, 'exit')
  if (status !== 0) throw new Error(`${command.join(' ')}: status ${status}`)
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
