// How long it takes to verify a quote with its collateral: warm (limit 2 ms), and in a fresh process from the first import to the
// verdict (limit 25 ms). On another machine take the ratio to eight verifications of ECDSA with P-256 in the same run, which is
// what the signatures alone take.
//
//   npm run bench:tee
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newCertificateMemory } from '../trust/tee/chain.ts'
import { parseCollateral } from '../trust/tee/collateral.ts'
import { parseQuote } from '../trust/tee/quote.ts'
import { mintSimulated } from '../trust/tee/simulated.ts'
import { verifyQuote } from '../trust/tee/verify.ts'

const limits = { warm: 2, fresh: 25 }
const now = 1_795_305_600
const { quote, collateral, root } = mintSimulated({ now })
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const data = new Uint8Array(600)
const signature = sign('sha256', data, privateKey)

const bare = () => {
  for (let i = 0; i < 8; i++) verify('sha256', data, publicKey, signature)
}
const memory = newCertificateMemory()
const contenders = [
  { name: '8 × ECDSA P-256 verify', run: bare },
  {
    name: 'quote, all from its bytes',
    run: () => verifyQuote(parseQuote(quote), parseCollateral(collateral), { now, root }),
  },
  {
    name: 'the same, certificates known',
    run: () => verifyQuote(parseQuote(quote), parseCollateral(collateral), { now, root, memory }),
  },
  { name: 'minting one with its collateral', run: () => mintSimulated({ now }) },
].map((contender) => ({ ...contender, times: [] as number[] }))

for (let round = -200; round < 400; round++) {
  for (const { run, times } of contenders) {
    const start = performance.now()
    run()
    if (round >= 0) times.push(performance.now() - start)
  }
}
const base = median(contenders[0]?.times ?? [])
for (const { name, times } of contenders) {
  console.log(`${name.padEnd(34)} ${median(times).toFixed(3).padStart(7)} ms  ${(median(times) / base).toFixed(2)} ×`)
}
hold('verified warm', median(contenders[1]?.times ?? []), limits.warm)

// Compiled code is kept between processes, as the launcher has it.
const cache = mkdtempSync(join(tmpdir(), 'abnpkg-bench-tee-'))
try {
  freshProcess(cache)
  const fresh = Array.from({ length: 15 }, () => freshProcess(cache))
  hold('verified in a fresh process', median(fresh), limits.fresh)
} finally {
  rmSync(cache, { recursive: true, force: true })
}

function freshProcess(directory: string): number {
  const { stdout, stderr } = spawnSync(process.execPath, [`${import.meta.dirname}/tee-fresh.ts`], {
    env: { ...process.env, NODE_COMPILE_CACHE: directory },
    encoding: 'utf8',
  })
  const milliseconds = Number(stdout)
  if (stdout === '' || !Number.isFinite(milliseconds)) throw new Error(`the fresh process failed:\n${stderr}`)
  return milliseconds
}

function hold(what: string, milliseconds: number, limit: number): void {
  const isHeld = milliseconds <= limit
  console.log(`${what}: ${milliseconds.toFixed(2)} ms, limit ${limit} ms: ${isHeld ? 'held' : 'MISSED'}`)
  if (!isHeld) process.exitCode = 1
}

function median(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
