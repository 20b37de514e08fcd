/**
 * What a session costs a builder (limit 1 % of its builds): the service as it is, the same packages built, signed and kept with the
 * operator's key, with a session in the simulated TEE, and with a quote for each build; alternating, each time in a new store. The
 * packages are those of the test channel, which build in no time, so that the share is as bad as it can be. Then what making a session
 * takes, beside such a build. Trusts the clock of this process; take ratios.
 *
 *   npm run bench:session [-- --rounds N]
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { evaluate, ownChannel } from '../builder/evaluate/evaluate.ts'
import { parseBuilderConfig } from '../builder/service/config.ts'
import { runBuilder } from '../builder/service/run.ts'
import { beginSession } from '../builder/session/begin.ts'
import { openKeptSessions } from '../builder/session/kept.ts'
import { teeProvider } from '../builder/tee/provider.ts'
import { sha256Of } from '../format/hash.ts'
import { removeDirectory } from '../store/remove-directory.ts'
import { openStore } from '../store/store.ts'
import { newSecretKey } from '../trust/secret-key.ts'
import { channelOfMany } from './many-packages.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '9' } } })
const rounds = Number(values.rounds)
const count = 60
const limit = 0.01
const directory = mkdtempSync(join(tmpdir(), 'abn-bench-session-'))
const signer = newSecretKey('bench')
const contenders = [
  { name: "the operator's key", session: undefined },
  { name: 'a session', session: { tee: 'simulated' } },
  { name: 'a quote for each build', session: { tee: 'simulated', perBuild: true } },
].map((contender) => ({ ...contender, times: [] as number[] }))

try {
  const evaluation = await evaluate([{ ...ownChannel, directory: channelOfMany(directory, count) }], {})
  for (let round = -1; round < rounds; round++) {
    for (const { session, times } of contenders) {
      const time = await built(session, `${round}-${contenders.findIndex((one) => one.session === session)}`)
      // The first round is not counted: code is compiled, and files of the machine are read for the first time.
      if (round >= 0) times.push(time)
    }
  }
  const base = median(contenders[0]?.times ?? [])
  for (const { name, times } of contenders) {
    const fastest = Math.min(...times) / Math.min(...(contenders[0]?.times ?? []))
    const ratios = `${(median(times) / base).toFixed(3)} ×, fastest ${fastest.toFixed(3)} ×`
    const line = `${name.padEnd(24)} ${seconds(median(times))} for ${count} builds   ${ratios}`
    process.stdout.write(`${line}\n`)
  }
  const making = await makingSeconds()
  const build = base / count
  process.stdout.write(
    `${'a session is made in'.padEnd(24)} ${seconds(making)}, ${(making / build).toFixed(2)} × one such build\n`,
  )
  hold(`a session of ${count} such builds`, making / base)

  async function built(session: object | undefined, name: string): Promise<number> {
    const root = join(directory, name)
    const store = openStore({ root })
    const names = Array.from({ length: count }, (_, i) => `many-${i}`)
    const config = parseBuilderConfig(
      JSON.stringify({ format: 1, work: [{ kind: 'packages', names }], jobs: 2, session }),
    )
    const started = performance.now()
    const tasks = await runBuilder({
      store,
      signer,
      config,
      software: { abnpkg: 'bench' },
      evaluate: async () => evaluation,
      sourceCache: join(directory, 'sources'),
      once: true,
      reproduce: false,
      signal: new AbortController().signal,
      nowSeconds,
    })
    const time = (performance.now() - started) / 1000
    if (tasks.length !== count || tasks.some(({ state }) => state !== 'done')) throw new Error('not all was built')
    removeDirectory(root)
    return time
  }
} finally {
  removeDirectory(directory)
}

/** Key, quote, its verification, signature, and the two files that stay; as a service begins. */
async function makingSeconds(): Promise<number> {
  const store = openStore({ root: join(directory, 'making') })
  const { signal } = new AbortController()
  const times: number[] = []
  for (let round = -5; round < 25; round++) {
    const started = performance.now()
    const session = beginSession({
      operator: signer,
      config: { tee: 'simulated', hours: 24, perBuild: false, logs: [], collateral: [] },
      configuration: sha256Of(String(round)),
      software: { abnpkg: 'bench' },
      provider: teeProvider('simulated', { now: nowSeconds }),
      checkpoint: async () => ({ kind: 'none', reason: 'a bench asks nobody' }),
      judge: { directory: join(directory, 'tee'), services: [], nowSeconds, signal },
      nowSeconds,
      signal,
    })
    const { document, judged } = await session.ready()
    openKeptSessions(store, signer.publicKey).keep(document, judged?.collateral)
    session.close()
    if (round >= 0) times.push((performance.now() - started) / 1000)
  }
  return median(times)
}

function hold(what: string, share: number): void {
  const isHeld = share <= limit
  process.stdout.write(
    `${what.padEnd(24)} ${(100 * share).toFixed(2)} % of their time, limit ${100 * limit} %: ${isHeld ? 'held' : 'MISSED'}\n`,
  )
  if (!isHeld) process.exitCode = 1
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}

function seconds(time: number): string {
  return time < 1 ? `${(1000 * time).toFixed(1)} ms` : `${time.toFixed(2)} s`
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
