// `npm run bench:substitute [-- ITEMS…] [--rounds N] [--durable]`: cold substitution of the closures of generate.ts (1000, 100 and 10
// items unless told), beside `tar -x` of the same files (unpacked already, and by `curl | zstd | tar`) and Nix where it is installed;
// on loopback, and over a wire with a round trip of 20 ms. Every run has a new file system (as root), a first round is not counted,
// contenders alternate, medians are compared. A run is a whole process, from its start to its end; nothing is flushed to the disk by any
// of them unless --durable is given.
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { ClientResult } from './substitute/client.ts'
import { type Generated, generate } from './substitute/generate.ts'
import { canMount, freshGround } from './substitute/ground.ts'
import { nixCommand, nixVersion } from './substitute/nix.ts'
import { startDelay, startServer } from './substitute/serve.ts'

const ROUND_TRIP = 20
/** Of the paper that this project measures itself by; see docs/formats/bundle.md. */
const LIMITS = { nix: 1, nixAway: 0.75, nixAwaySmall: 1, tar: 1.1, megabytes: 250, attestationBytes: 294, questions: 1 }

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    durable: { type: 'boolean', default: false },
    'no-nix': { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const nix = values['no-nix'] ? undefined : nixVersion()
const scratch = mkdtempSync(join(tmpdir(), 'abn-bench-'))
try {
  const mount = canMount(scratch)
  print(
    mount
      ? 'each run on a new ext4 file system'
      : 'each run in a new directory: not root, so no file system of its own',
  )
  print(nix ? `Nix ${nix}; the limits speak of 2.34` : 'Nix is not installed, and not compared with')
  for (const items of positionals.length > 0 ? positionals.map(Number) : [1000, 100, 10]) await measure(items, mount)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

/** Seconds of each counted run, and what our client said of the last. */
type Contender = {
  readonly name: string
  readonly run: (directory: string) => Promise<{ readonly seconds: number; readonly said: string }>
}

async function measure(items: number, mount: boolean): Promise<void> {
  const data = join(scratch, `data-${items}`)
  const made = generate(data, items, { nix: nix !== undefined })
  print('')
  print(`${items} items: ${made.files} files, ${mega(made.bytes)} MB of archives, ${mega(made.packed)} MB compressed`)
  execFileSync('zstd', ['-q', '-3', join(data, 'all.tar'), '-o', join(data, 'all.tar.zst')])
  {
    await using server = await startServer(data)
    await using wire = await startDelay(ROUND_TRIP, server.port)
    print(`served by ${server.what}`)
    const near = await race(contendersFor(data, made, server.port), { items, made, mount })
    const away = await race(contendersFor(data, made, wire.port, true), { items, made, mount })
    report(near, away, { items, made, questions: server.questions() / (2 * (rounds + 1)) })
  }
  rmSync(data, { recursive: true, force: true })
}

function contendersFor(data: string, made: Generated, port: number, isAway = false): Contender[] {
  const address = `http://127.0.0.1:${port}`
  const client = join(import.meta.dirname, 'substitute/client.ts')
  const theirs: Contender = {
    name: 'Nix',
    run: (root) => {
      const { command, args, env } = nixCommand({ root, address: `${address}/nix`, target: made.nixTarget })
      return timed(command, args, env)
    },
  }
  const ours: Contender = {
    name: 'abnpkg',
    run: (root) => {
      const { flags, env } = launched(data)
      const args = [...flags, client, data, join(root, 'root'), address, ...(values.durable ? ['durable'] : [])]
      return timed(process.execPath, args, { ...process.env, ...env })
    },
  }
  const piped = `curl -s ${address}/all.tar.zst | zstd -dc | tar -x -C "$0"`
  return [
    ours,
    ...(isAway
      ? []
      : [{ name: 'tar -x', run: (to: string) => timed('tar', ['-x', '-f', join(data, 'all.tar'), '-C', to]) }]),
    { name: 'curl | zstd | tar', run: (to) => timed('sh', ['-c', piped, to]) },
    ...(nix === undefined ? [] : [theirs]),
  ]
}

/** How the launcher starts Node. */
function launched(data: string) {
  const text = readFileSync(join(import.meta.dirname, '../abnpkg'), 'utf8')
  const [, assignments = '', flags = ''] = /^(.*) exec "\$node" (.*)"\$here\/cli\/main\.ts"/m.exec(text) ?? []
  const words = (all: string): readonly string[] => all.split(' ').filter((word) => word !== '')
  const env = words(assignments).map((word) => word.split('='))
  return { flags: words(flags), env: { ...Object.fromEntries(env), NODE_COMPILE_CACHE: join(data, 'compile-cache') } }
}

type Race = { readonly items: number; readonly made: Generated; readonly mount: boolean }

type Results = ReadonlyMap<string, { readonly seconds: number[]; said: string }>

async function race(contenders: readonly Contender[], { made, mount }: Race): Promise<Results> {
  const results = new Map(contenders.map(({ name }) => [name, { seconds: [] as number[], said: '' }]))
  const megabytes = Math.ceil(made.bytes / 1e6) * 10 + 400
  for (let round = -1; round < rounds; round++) {
    for (const { name, run } of contenders) {
      using ground = freshGround(scratch, { mount, megabytes })
      const directory = join(ground.directory, 'here')
      mkdirSync(directory)
      const { seconds, said } = await run(directory)
      const result = results.get(name)
      if (round < 0 || result === undefined) continue
      result.seconds.push(seconds)
      result.said = said
    }
  }
  return results
}

async function timed(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const started = performance.now()
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const [said, complaint, status] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    new Promise((resolve) => child.once('exit', resolve)),
  ])
  const seconds = (performance.now() - started) / 1000
  if (status !== 0) throw new Error(`${command} failed:\n${complaint.slice(-2000)}`)
  return { seconds, said }
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  const parts: string[] = []
  for await (const chunk of stream) parts.push(String(chunk))
  return parts.join('')
}

function report(
  near: Results,
  away: Results,
  { items, made, questions }: { items: number; made: Generated; questions: number },
): void {
  for (const [name, { seconds }] of near) row(name, seconds, near)
  for (const [name, { seconds }] of away) row(`${name}, ${ROUND_TRIP} ms`, seconds, away)
  const said: ClientResult = JSON.parse(near.get('abnpkg')?.said ?? '{}')
  print(
    `  of ours: decided after ${said.decided.toFixed(2)} s with ${said.decidedMegabytes.toFixed(0)} MB; ${said.cpuSeconds.toFixed(1)} s of CPU`,
  )
  const ours = medianOf(near, 'abnpkg')
  if (nix !== undefined) {
    judge('to Nix', ours / medianOf(near, 'Nix'), items >= 1000 ? LIMITS.nix : Number.POSITIVE_INFINITY)
    const limit = items > 100 ? LIMITS.nixAway : LIMITS.nixAwaySmall
    judge(`to Nix, ${ROUND_TRIP} ms`, medianOf(away, 'abnpkg') / medianOf(away, 'Nix'), limit)
  }
  if (items >= 1000) {
    judge('to tar -x', ours / medianOf(near, 'tar -x'), LIMITS.tar)
    judge('to curl | zstd | tar', ours / medianOf(near, 'curl | zstd | tar'), Number.POSITIVE_INFINITY)
    judge('peak memory in MB', said.peakMegabytes, LIMITS.megabytes)
    judge('bytes an attestation on the wire', made.bundle / made.attestations, LIMITS.attestationBytes)
  }
  judge('requests for metadata', questions, LIMITS.questions)
}

function row(name: string, seconds: readonly number[], all: Results): void {
  const each = seconds.map((one) => one.toFixed(2)).join(' ')
  const ratio = medianOf(all, 'abnpkg') / median(seconds)
  print(`  ${name.padEnd(26)} ${median(seconds).toFixed(2).padStart(6)} s  (${each})  ours ${ratio.toFixed(2)} ×`)
}

function judge(name: string, value: number, limit: number): void {
  const isHeld = value <= limit
  const verdict = limit === Number.POSITIVE_INFINITY ? 'no limit' : `limit ${limit}: ${isHeld ? 'held' : 'MISSED'}`
  print(`  ${name.padEnd(34)} ${value.toFixed(2).padStart(7)}  ${verdict}`)
  if (!isHeld) process.exitCode = 1
}

function medianOf(results: Results, name: string): number {
  return median(results.get(name)?.seconds ?? [])
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.POSITIVE_INFINITY
}

function mega(bytes: number): string {
  return (bytes / 1e6).toFixed(0)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
