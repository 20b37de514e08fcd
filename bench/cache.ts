// What the cache server can do, beside other servers in the same run.
//
//   node bench/cache.ts [reads] [writes] [lookups] [--statements N]
//
// reads: archives of 512 KiB, as a ratio to nginx where it is installed (limit 0.5) and to a plain node:http server.
// writes: statements accepted per second in requests of 100 and of 1 (limit 2,000). lookups: latency of one recipe among N
// statements (default 50,000; 1,000,000 on demand) and the server's memory (limits 2 ms, 300 MB).
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createReadStream, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openCache } from '../cache-server/cache.ts'
import { attestationChanges } from '../cache-server/catalogue.ts'
import { type CacheConfig, defaultConfig } from '../cache-server/config.ts'
import { defaultLimits } from '../cache-server/limits.ts'
import { startCache } from '../cache-server/server.ts'
import type { Change } from '../cache-server/storage/index.ts'
import { parseRecipeHash, type Sha256, sha256Of } from '../format/hash.ts'
import { storePathOf } from '../format/store-path.ts'
import { encodeWriteAuthorization, encodeWriteRequest } from '../format/write-request.ts'
import { attest, type VerifiedAttestation } from '../trust/attestation.ts'
import { newSecretKey } from '../trust/secret-key.ts'

const operator = newSecretKey('bench.example.org')
const config: CacheConfig = {
  ...defaultConfig,
  listen: '127.0.0.1:0',
  operators: [{ name: 'bench', keys: [operator.publicKey] }],
  limits: { ...defaultLimits, requestsPerMinute: 1_000_000_000, connectionsPerAddress: 1000 },
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { statements: { type: 'string', default: '50000' }, role: { type: 'string' }, data: { type: 'string' } },
})
if (values.role === 'cache') await serveCache(values.data ?? '')
else if (values.role === 'plain') servePlain(values.data ?? '')
else await main()

async function main(): Promise<void> {
  const chosen = positionals.length === 0 ? ['reads', 'writes', 'lookups'] : positionals
  const scratch = mkdtempSync(join(tmpdir(), 'abn-bench-cache-'))
  try {
    if (chosen.includes('reads')) await reads(scratch)
    if (chosen.includes('writes')) await writes(scratch)
    if (chosen.includes('lookups')) await lookups(scratch, Number(values.statements))
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

async function reads(scratch: string): Promise<void> {
  const content = randomBytes(512 * 1024)
  const digest = sha256Of(content)
  const data = join(scratch, 'reads')
  const cache = await openCache({ data, config })
  const staged = join(data, 'uploads', 'staged')
  const plain = join(scratch, 'plain')
  mkdirSync(plain)
  writeFileSync(join(plain, digest), content)
  writeFileSync(staged, content)
  // As a source, so that nothing has to be compressed: the route is the same.
  const key = { kind: 'source', digest } as const
  const { attestation } = statementAbout('reads', [digest])
  await cache.acceptor.accept([attestation.bytes], 'bench')
  await cache.publisher.publish(key, staged, 'bench')
  await cache.close()
  const contenders = [
    { name: 'abnpkg cache', path: `/v1/sources/${digest}`, ...(await start('cache', data)) },
    { name: 'node:http and a stream', path: `/${digest}`, ...(await start('plain', plain)) },
    ...(await startNginx(scratch, plain)).map((one) => ({ ...one, path: `/${digest}` })),
  ]
  const rates = new Map<string, number[]>()
  for (let round = -1; round < 5; round++) {
    for (const { name, url, path } of contenders) {
      const rate = await measureReads(url, path, content.length)
      if (round >= 0) rates.set(name, [...(rates.get(name) ?? []), rate])
    }
  }
  for (const { child } of contenders) child.kill()
  const own = median(rates.get('abnpkg cache') ?? [])
  for (const [name, all] of rates) {
    console.log(
      `reads of 512 KiB: ${name.padEnd(24)} ${median(all).toFixed(0).padStart(6)} /s  ours is ${(own / median(all)).toFixed(2)} ×`,
    )
  }
  const nginx = rates.get('nginx')
  if (nginx === undefined) console.log('reads: nginx is not installed, limit 0.5 × not judged')
  else judge('archive reads to nginx', own / median(nginx), '>=', 0.5)
}

async function writes(scratch: string): Promise<void> {
  const server = await startCache({ data: join(scratch, 'writes'), config })
  const batches = Array.from({ length: 60 }, (_, i) =>
    Array.from({ length: 100 }, (_, k) => statementAbout(`batch ${i} ${k}`).attestation),
  )
  const singles = Array.from({ length: 1500 }, (_, i) => [statementAbout(`single ${i}`).attestation])
  for (const [name, work] of [
    ['requests of 100', batches],
    ['requests of 1', singles],
  ] as const) {
    const started = performance.now()
    let next = 0
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        for (let one = work[next++]; one !== undefined; one = work[next++]) await post(server.url, one)
      }),
    )
    const rate = (work.length * (work[0]?.length ?? 0)) / ((performance.now() - started) / 1000)
    console.log(`statements accepted, ${name}: ${rate.toFixed(0)} /s (client and server in one process)`)
    if (name === 'requests of 100') judge('statements accepted per second', rate, '>=', 2000)
  }
  await server.close()
}

async function lookups(scratch: string, count: number): Promise<void> {
  const data = join(scratch, 'lookups')
  const cache = await openCache({ data, config })
  const sample: string[] = []
  const { attestation: model } = statementAbout('model')
  let changes: Change[] = []
  for (let i = 0; i < count; i++) {
    // One in a thousand is real and asked for; the others have its size and shape, but another recipe hash and digest.
    const isReal = i % Math.ceil(count / 1000) === 0
    const attestation = isReal ? statementAbout(`lookup ${i}`).attestation : lookalike(model, i)
    if (isReal) sample.push(attestation.statement.recipe)
    changes.push(...attestationChanges(attestation, 1))
    if (changes.length < 10_000) continue
    await cache.index.write(changes, { durable: false })
    changes = []
  }
  await cache.index.write(changes, { durable: true })
  await cache.close()
  const { child, url } = await start('cache', data)
  const times: number[] = []
  for (const recipe of sample) {
    const started = performance.now()
    const response = await fetch(`${url}/v1/evidence/${recipe}`)
    await response.arrayBuffer()
    if (response.status !== 200) throw new Error(`status ${response.status}`)
    times.push(performance.now() - started)
  }
  const metrics = await (await fetch(`${url}/metrics`)).text()
  child.kill()
  const memory = Number(/abn_cache_memory_bytes (\d+)/.exec(metrics)?.[1]) / 1e6
  const sorted = times.sort((a, b) => a - b)
  const at = (part: number) => sorted[Math.floor(sorted.length * part)] ?? 0
  console.log(
    `lookups among ${count}: median ${at(0.5).toFixed(2)} ms, 99 % ${at(0.99).toFixed(2)} ms; server ${memory.toFixed(0)} MB`,
  )
  judge(`lookup among ${count} (ms, median)`, at(0.5), '<=', 2)
  judge(`memory with ${count} (MB)`, memory, '<=', 300)
}

function judge(what: string, value: number, relation: '<=' | '>=', limit: number): void {
  const held = relation === '<=' ? value <= limit : value >= limit
  console.log(`${what}: ${value.toFixed(2)}, limit ${relation} ${limit}: ${held ? 'held' : 'MISSED'}`)
  if (!held) process.exitCode = 1
}

function statementAbout(name: string, sources: readonly Sha256[] = []): { attestation: VerifiedAttestation } {
  const recipe = parseRecipeHash(sha256Of(`recipe ${name}`))
  const now = Math.floor(Date.now() / 1000)
  const path = storePathOf(recipe, 'bench', '1', 'out')
  const input = (one: string) => {
    const of = parseRecipeHash(sha256Of(one))
    return { path: storePathOf(of, 'input', '1', 'out'), recipe: of, output: 'out', digest: sha256Of(`digest ${one}`) }
  }
  const statement = {
    recipe,
    name: 'bench',
    version: '1',
    system: 'x86_64-linux',
    outputs: [{ output: 'out', path, digest: sha256Of(`output ${name}`), bytes: 10_240, references: [] }],
    inputs: ['gcc', 'make', 'bash'].map(input).sort((a, b) => (a.path < b.path ? -1 : 1)),
    sources,
    builder: { kind: 'operator', key: operator.publicKey.id, software: { abnpkg: '0.1.0' } },
    origin: 'built',
    invocation: '1',
    started: now - 20,
    finished: now - 10,
    expires: now + 86_400,
    log: null,
    tests: null,
  } as const
  return { attestation: attest(statement, operator) }
}

function lookalike(model: VerifiedAttestation, i: number): VerifiedAttestation {
  const recipe = parseRecipeHash(sha256Of(`lookalike ${i}`))
  return { ...model, digest: sha256Of(recipe), statement: { ...model.statement, recipe } }
}

async function post(url: string, attestations: readonly VerifiedAttestation[]): Promise<void> {
  const body = Buffer.concat(attestations.flatMap(({ bytes }) => [bytes, Buffer.from('\n')]))
  const path = '/v1/evidence'
  const head = { at: Math.floor(Date.now() / 1000), nonce: randomBytes(16).toString('hex'), bodySha256: sha256Of(body) }
  const signature = Buffer.from(
    operator.sign(encodeWriteRequest({ origin: url, method: 'POST', path, ...head })),
  ).toString('base64')
  const authorization = encodeWriteAuthorization({ ...head, keyId: operator.publicKey.id, signature })
  const headers = { authorization, 'content-type': 'application/jsonl' }
  const response = await fetch(url + path, { method: 'POST', headers, body })
  const { results } = (await response.json()) as { results: { status: string }[] }
  if (!results.every(({ status }) => status === 'accepted'))
    throw new Error(`not accepted: ${JSON.stringify(results[0])}`)
}

type Started = { readonly child: ChildProcess; readonly url: string }

async function start(role: 'cache' | 'plain', data: string): Promise<Started> {
  const child = spawn(process.execPath, [import.meta.filename, '--role', role, '--data', data], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const url = await new Promise<string>((resolve) => child.stdout?.once('data', (line) => resolve(`${line}`.trim())))
  return { child, url }
}

async function startNginx(scratch: string, root: string): Promise<readonly (Started & { name: string })[]> {
  if (spawnSync('nginx', ['-v']).error !== undefined) return []
  const port = 20_000 + (process.pid % 10_000)
  const file = join(scratch, 'nginx.conf')
  const logs = `error_log ${scratch}/error.log; pid ${scratch}/nginx.pid;`
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((one) => `${one}_temp_path ${scratch}/${one};`)
    .join(' ')
  writeFileSync(
    file,
    `daemon off; worker_processes 1; ${logs} events {} http { access_log off; sendfile on; keepalive_requests 1000000; ${paths} server { listen 127.0.0.1:${port}; root ${root}; } }`,
  )
  const child = spawn('nginx', ['-c', file, '-e', `${scratch}/error.log`], { stdio: 'inherit' })
  await new Promise((resolve) => setTimeout(resolve, 500))
  return [{ child, url: `http://127.0.0.1:${port}`, name: 'nginx' }]
}

async function serveCache(data: string): Promise<void> {
  const { url } = await startCache({ data, config })
  process.stdout.write(`${url}\n`)
}

function servePlain(root: string): void {
  const server = createServer((request, response) => {
    const file = join(root, `${request.url}`)
    response.setHeader('content-length', statSync(file).size)
    createReadStream(file).pipe(response)
  })
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (typeof address === 'object') process.stdout.write(`http://127.0.0.1:${address?.port}\n`)
  })
}

/** Requests per second over eight connections, for about a second; the client only counts bytes. */
async function measureReads(url: string, path: string, bytes: number): Promise<number> {
  const until = performance.now() + 1000
  const started = performance.now()
  const counts = await Promise.all(Array.from({ length: 8 }, () => readUntil(url, path, { bytes, until })))
  return counts.reduce((a, b) => a + b, 0) / ((performance.now() - started) / 1000)
}

function readUntil(url: string, path: string, { bytes, until }: { bytes: number; until: number }): Promise<number> {
  const { hostname, port } = new URL(url)
  const question = `GET ${path} HTTP/1.1\r\nhost: ${hostname}:${port}\r\n\r\n`
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => void socket.write(question))
    let left = -1
    let count = 0
    socket.once('error', reject)
    socket.on('data', (chunk: Buffer) => {
      if (left === -1) {
        const end = chunk.indexOf('\r\n\r\n')
        if (!chunk.subarray(0, 15).toString('latin1').startsWith('HTTP/1.1 200'))
          return reject(new Error(chunk.toString('latin1', 0, 300)))
        left = bytes - (chunk.length - end - 4)
      } else left -= chunk.length
      if (left > 0) return
      count++
      left = -1
      if (performance.now() < until) socket.write(question)
      else {
        socket.destroy()
        resolve(count)
      }
    })
  })
}

function median(all: readonly number[]): number {
  return [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? Number.NaN
}
