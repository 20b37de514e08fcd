// `npm run bench:substitute [ITEMS] [ROUNDS]`: cold substitution of a closure of ITEMS items from a cache on loopback, beside `tar -x` of
// the same items in the same run, alternating, each into a directory of its own. Prints medians, requests and peak memory.
// The shape is that of "items-1000": about half a megabyte an item, small text files and now and then a large one.
import { type ChildProcess, execFileSync, fork, spawnSync } from 'node:child_process'
import {
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import type { EvaluatedPackage } from '../builder/evaluate/package.ts'
import { outputPathsOf, planBuild } from '../builder/realise/plan.ts'
import { realise } from '../builder/realise/realise.ts'
import { prepareSubstitution } from '../builder/substitute/substitute.ts'
import { encodeArchive } from '../format/archive/encode.ts'
import type { ArchiveEntry } from '../format/archive/entry.ts'
import { type Derivation, encodeDerivation, parseDerivation, recipeHashOf } from '../format/derivation.ts'
import { sha256Of } from '../format/hash.ts'
import { type StorePath, storeItemOf } from '../format/store-path.ts'
import { openStore } from '../store/store.ts'
import { attest } from '../trust/attestation.ts'
import { encodeBundle } from '../trust/bundle.ts'
import type { Evidence } from '../trust/evidence.ts'
import { encodePublicKey } from '../trust/key.ts'
import { parsePolicy } from '../trust/policy/policy.ts'
import { newSecretKey } from '../trust/secret-key.ts'

const OPERATORS = ['alice', 'bob', 'carol']
const [role = '', ...words] = process.argv.slice(2)
if (role === 'serve') serve(words[0] ?? '')
else if (role === 'client') await client(words[0] ?? '', words[1] ?? '', words[2] ?? '')
else await main(Number(role || 1000), Number(words[0] ?? 3))

async function main(items: number, rounds: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'abn-bench-'))
  const started: ChildProcess[] = []
  try {
    const made = generate(join(directory, 'data'), items)
    print(`${items} items, ${made.files} files, ${mega(made.bytes)} MB, ${mega(made.compressed)} MB compressed`)
    print(
      `evidence: ${made.evidence} attestations in ${made.bundle} bytes, ${(made.bundle / made.evidence).toFixed(0)} bytes each`,
    )
    const server = fork(import.meta.filename, ['serve', join(directory, 'data')])
    started.push(server)
    const address = await new Promise<string>((resolve) =>
      server.once('message', (message) => resolve(String(message))),
    )
    const ours: Result[] = []
    const tar: number[] = []
    for (let round = 0; round < rounds; round++) {
      ours.push(runClient(directory, address, round))
      tar.push(runTar(directory, round))
    }
    const seconds = median(ours.map((one) => one.seconds))
    const last = ours.at(-1)
    print(
      `abnpkg   ${seconds.toFixed(2)} s (${ours.map((one) => one.seconds.toFixed(2)).join(', ')}); deciding ${last?.deciding.toFixed(2)} s of it`,
    )
    print(`tar -x   ${median(tar).toFixed(2)} s (${tar.map((one) => one.toFixed(2)).join(', ')})`)
    print(`ratio    ${(seconds / median(tar)).toFixed(2)}`)
    print(
      `requests for metadata ${last?.questions}, peak memory ${Math.max(...ours.map((one) => one.megabytes)).toFixed(0)} MB (${last?.decided.toFixed(0)} MB when decided)`,
    )
    if (spawnSync('nix', ['--version']).status !== 0) print('nix is not installed, and not compared with')
  } finally {
    for (const child of started) child.kill()
    execFileSync('chmod', ['-R', 'u+w', directory])
    rmSync(directory, { recursive: true, force: true })
  }
}

type Result = {
  readonly seconds: number
  readonly deciding: number
  readonly megabytes: number
  readonly decided: number
  readonly questions: number
}

function runClient(directory: string, address: string, round: number): Result {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [import.meta.filename, 'client', join(directory, 'data'), join(directory, `client-${round}`), address],
    { encoding: 'utf8', maxBuffer: 1024 ** 3 },
  )
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

function runTar(directory: string, round: number): number {
  const target = join(directory, `tar-${round}`)
  mkdirSync(target)
  const started = performance.now()
  execFileSync('tar', ['-x', '--ignore-zeros', '-f', join(directory, 'data/all.tar'), '-C', target])
  return (performance.now() - started) / 1000
}

async function client(data: string, root: string, address: string): Promise<void> {
  const packages = JSON.parse(readFileSync(join(data, 'derivations.json'), 'utf8')).map((text: string) =>
    packageOf(parseDerivation(Buffer.from(text))),
  )
  const byHash = new Map<string, EvaluatedPackage>(packages.map((one: EvaluatedPackage) => [one.recipeHash, one]))
  const policy = parsePolicy(readFileSync(join(data, 'policy.json'), 'utf8'))
  const index = { byHash: (hash: string) => byHash.get(hash) }
  const targets = packages.slice(-1)
  const started = performance.now()
  const store = openStore({ root, durable: false })
  await using substitution = await prepareSubstitution(targets, {
    store,
    packages: index,
    policy,
    caches: [address],
    now: Math.floor(Date.now() / 1000),
  })
  const plan = planBuild(targets, {
    store,
    packages: index,
    sourceCache: join(root, 'sources'),
    choose: substitution.choose,
  })
  const deciding = (performance.now() - started) / 1000
  const decided = process.memoryUsage.rss() / 1e6
  await substitution.begin(plan)
  const { missed } = await realise(plan, {
    store,
    sources: { cacheDirectory: join(root, 'sources'), channels: [] },
    substitute: substitution.substitute,
    onEvent: (event) => {
      if (event.kind === 'substitute-refused') process.stderr.write(`${event.reason}\n`)
    },
  })
  const seconds = (performance.now() - started) / 1000
  if (missed.length > 0 || plan.steps.some(({ kind }) => kind === 'build'))
    throw new Error(`${missed.length} were missed`)
  const questions = Number(await (await fetch(`${address}/questions`)).text())
  process.stdout.write(
    JSON.stringify({ seconds, deciding, megabytes: process.resourceUsage().maxRSS / 1000, decided, questions }),
  )
}

function serve(data: string): void {
  let questions = 0
  const server = createServer((request, response) => {
    const { url = '' } = request
    request.resume()
    if (url === '/questions') {
      response.end(String(questions))
      questions = 0
      return
    }
    if (url === '/v1/closures') questions++
    const path = url === '/v1/closures' ? join(data, 'bundle.zst') : join(data, url.replace('/v1/', ''))
    if (!existsSync(path)) response.writeHead(404).end()
    else {
      response.writeHead(200, { 'content-length': statSync(path).size })
      createReadStream(path, { highWaterMark: 1024 * 1024 }).pipe(response)
    }
  })
  server.listen(0, '127.0.0.1', () => {
    const listening = server.address()
    process.send?.(`http://127.0.0.1:${typeof listening === 'object' ? listening?.port : ''}`)
  })
}

/** Item i refers to a few of those before it, and the last one, directly or not, to all. */
function generate(data: string, items: number) {
  mkdirSync(join(data, 'archives'), { recursive: true })
  const keys = OPERATORS.map((name, i) => newSecretKey(`${name}.example/builder`, new Uint8Array(32).fill(i + 1)))
  const now = Math.floor(Date.now() / 1000)
  const random = generator(1)
  const evidence: Evidence[] = []
  const made: {
    readonly one: EvaluatedPackage
    readonly path: StorePath
    readonly digest: ReturnType<typeof sha256Of>
  }[] = []
  const tar = openSync(join(data, 'all.tar'), 'w')
  const totals = { files: 0, bytes: 0, compressed: 0 }
  for (let i = 0; i < items; i++) {
    const inputs = [...new Set(i === 0 ? [] : [i - 1, Math.floor(random() * i), Math.floor(random() * i)])].flatMap(
      (j) => made[j] ?? [],
    )
    const one = packageOf({
      name: `item${i}`,
      version: '1',
      system: 'x86_64-linux',
      outputs: ['out'],
      inputs: inputs
        .map((input) => ({ recipe: input.one.recipeHash, output: 'out', path: input.path }))
        .sort((a, b) => (a.path < b.path ? -1 : 1)),
      sources: [],
      directories: [],
      files: [],
      links: [],
      env: {},
      steps: [],
    })
    const path = pathOf(one)
    const references = inputs.map((input) => input.path).sort()
    const entries = entriesOf(references, random)
    totals.files += entries.filter(({ kind }) => kind === 'file').length
    const archive = Buffer.concat([...encodeArchive(storeItemOf(path), entries)])
    const digest = sha256Of(archive)
    const packed = zstdCompressSync(archive)
    totals.bytes += archive.length
    totals.compressed += packed.length
    writeFileSync(join(data, 'archives', digest), packed)
    writeSync(tar, archive)
    for (const key of keys) {
      const { name, version, system } = one.derivation
      const statement = {
        recipe: one.recipeHash,
        name,
        version,
        system,
        sources: [],
        outputs: [{ output: 'out', path, digest, bytes: archive.length, references }],
        inputs: inputs
          .map((input) => ({ path: input.path, recipe: input.one.recipeHash, output: 'out', digest: input.digest }))
          .sort((a, b) => (a.path < b.path ? -1 : 1)),
        builder: { kind: 'operator', key: key.publicKey.id, software: { abnpkg: '0.1.0' } },
        origin: 'built',
        invocation: `build-${i}`,
        started: now - 100,
        finished: now - 10,
        expires: now + 86_400,
        log: null,
        tests: null,
      } as const
      evidence.push({ kind: 'attestation', bytes: attest(statement, key).bytes })
    }
    made.push({ one, path, digest })
  }
  closeSync(tar)
  const bundle = zstdCompressSync(encodeBundle(evidence))
  writeFileSync(join(data, 'bundle.zst'), bundle)
  writeFileSync(
    join(data, 'derivations.json'),
    JSON.stringify(made.map(({ one }) => Buffer.from(encodeDerivation(one.derivation)).toString('utf8'))),
  )
  const operators = keys.map(({ publicKey }, i) => ({ name: OPERATORS[i], keys: [encodePublicKey(publicKey)] }))
  writeFileSync(
    join(data, 'policy.json'),
    JSON.stringify({ format: 1, operators, default: { kind: 'two-independent' }, packages: {} }),
  )
  return { ...totals, evidence: evidence.length, bundle: bundle.length }
}

/** Mostly texts of a few kilobytes that compress well; every fiftieth item has a large file that does not. */
function entriesOf(references: readonly StorePath[], random: () => number): ArchiveEntry[] {
  const count = 50 + Math.floor(random() * 60)
  const files = Array.from({ length: count }, (_, i): ArchiveEntry => {
    const content = Buffer.from(
      `${references.join('\n')}\n${`line ${Math.floor(random() * 1e9)} of a text\n`.repeat(20 + Math.floor(random() * 250))}`,
    )
    return {
      kind: 'file',
      path: `share/file-${String(i).padStart(4, '0')}`,
      executable: i % 10 === 0,
      size: content.length,
      content: [content],
    }
  })
  const large = Buffer.alloc(random() < 0.02 ? 8 * 1024 * 1024 : 100 * 1024)
  for (let at = 0; at + 4 <= large.length; at += 4) large.writeUInt32LE(Math.floor(random() * 2 ** 32), at)
  return [
    { kind: 'directory', path: '' },
    { kind: 'directory', path: 'lib' },
    { kind: 'file', path: 'lib/large', executable: false, size: large.length, content: [large] },
    { kind: 'directory', path: 'share' },
    ...files,
  ]
}

function packageOf(derivation: Derivation): EvaluatedPackage {
  const metadata = {
    exportName: '',
    module: '',
    channel: '',
    summary: '',
    homepage: '',
    license: '',
    smoke: [],
    sources: {},
    hidden: false,
  }
  return { derivation, recipeHash: recipeHashOf(derivation), metadata }
}

function pathOf(one: EvaluatedPackage): StorePath {
  const path = outputPathsOf(one).get('out')
  if (path === undefined) throw new TypeError('no output')
  return path
}

/** Numbers from 0 to 1 that are the same in each run (mulberry32). */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

function mega(bytes: number): string {
  return (bytes / 1e6).toFixed(0)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
