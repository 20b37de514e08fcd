/**
 * The scene of docs/running-a-cache.md under `paranoid`: a builder in a simulated TEE and a second operator, a cache with a log, two
 * witnesses, and clients; all of them processes of their own, run as a person would. What takes a forger is done here: sessions with
 * quotes that are wrong, which alice's operator signs all the same, on caches of their own.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import type { Evaluation } from '../../builder/evaluate/evaluation.ts'
import { findPackage } from '../../builder/evaluate/find.ts'
import { openLogReader } from '../../builder/log/read-log.ts'
import { type Attested, attestClosure } from '../../builder/service/attestations.ts'
import { publish } from '../../builder/service/publish.ts'
import { openCacheClient } from '../../builder/service/remote.ts'
import { freshRevocations, publishRevocations } from '../../builder/service/revocations.ts'
import { defaultConfig } from '../../cache-server/config.ts'
import { startCache } from '../../cache-server/server.ts'
import { sha256Of } from '../../format/hash.ts'
import { openStore } from '../../store/store.ts'
import { attest } from '../../trust/attestation.ts'
import { encodePublicKey } from '../../trust/key.ts'
import { parseCheckpoint } from '../../trust/log/checkpoint.ts'
import { encodeWitnessKey } from '../../trust/log/cosignature.ts'
import { newSecretKey, parseSecretKey, type SecretKey } from '../../trust/secret-key.ts'
import { reportDataOf, type Session, signSession } from '../../trust/session.ts'
import { encodeSessionDocument, parseSessionDocument } from '../../trust/session-evidence.ts'
import { parseQuote } from '../../trust/tee/quote.ts'
import { mintSimulated, type SimulatedOptions, simulatedRoot, simulatedSerials } from '../../trust/tee/simulated.ts'
import { registersOf } from '../../trust/tee/verdict.ts'
import { keyOf, logConfig, startTestWitness } from '../cache-server/log-support.ts'
import { type Home, launcher } from './channel.ts'

export type SceneHome = Pick<Home, 'directory' | 'root' | 'env'>

export type SceneOptions = {
  /** What is built and installed. */
  readonly name: string
  readonly newHome: () => SceneHome
  readonly evaluate: () => Promise<Evaluation>
}

export type Said = { readonly text: string; readonly status: number }

/** Runs abnpkg in a home, without holding up the servers of this process. */
export function run(home: SceneHome, ...args: readonly string[]): Promise<Said> {
  return new Promise((resolve) => {
    execFile(
      launcher,
      [...args],
      { env: home.env, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
        resolve({ text: `${stdout}${stderr}`, status })
      },
    )
  })
}

export type Service = { readonly url: string; stop(): Promise<void> }

/** A command that serves until it is told to stop; its first line ends in its address. */
async function serve(t: ExecutionContext, home: SceneHome, ...args: readonly string[]): Promise<Service> {
  const child: ChildProcess = spawn(launcher, [...args], { env: home.env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const ended = once(child, 'exit')
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await ended
  }
  t.teardown(stop)
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text
      const [, found] = /(http:\/\/\S+)\n/.exec(said) ?? []
      if (found !== undefined) resolve(found)
    })
    child.once('exit', () => reject(new Error(`${args.join(' ')}: ${said}`)))
  })
  return { url, stop }
}

type Witness = { readonly key: string; readonly service: Service; again(): Promise<Witness> }

export type Client = SceneHome & { readonly said: string }

export type Scene = {
  readonly cache: Service
  readonly witnesses: readonly [Witness, Witness]
  /** Once the cache shows a checkpoint that exactly so many witnesses have just cosigned. */
  cosignedBy(count: number): Promise<void>
  /** A second cache with the key of the same log and a tree of its own, with all that both operators say. */
  forkedCache(): Promise<Service>
  /** Somebody who believes alice and bob under `paranoid`, and this log, these witnesses, and builders that run this. */
  client(caches: readonly Service[], policy?: Partial<ClientPolicy>): Promise<Client>
  /** A cache with its log and witnesses, to which alice has brought a session with this quote, and all that it signs. */
  withQuote(fault: QuoteFault): Promise<{ readonly cache: Service; readonly policy: Partial<ClientPolicy> }>
}

export type ClientPolicy = {
  readonly logs: readonly string[]
  readonly witnesses: readonly string[]
  readonly measurement: string
}

/** What is wrong with a quote, given the session. */
export type QuoteFault = (session: Session) => Partial<SimulatedOptions>

export async function startScene(t: ExecutionContext, options: SceneOptions): Promise<Scene> {
  const { name, newHome } = options
  const [alice, bob, keeper] = [newHome(), newHome(), newHome()]
  const [aliceKey, bobKey, logKey] = await Promise.all([
    newKey(alice, 'alice'),
    newKey(bob, 'bob'),
    newKey(keeper, 'log.example/abnpkg'.replace('/', '.')),
  ])
  const witnesses = await Promise.all(
    ['ann', 'ben'].map((one) => startWitnessProcess(t, { home: newHome(), name: one, log: logKey.line })),
  )
  const [first, second] = witnesses
  if (first === undefined || second === undefined) throw new TypeError('no witnesses')
  const operators = [
    { name: 'alice', keys: [aliceKey.line] },
    { name: 'bob', keys: [bobKey.line] },
  ]
  const cacheIn = (data: string, asked: readonly Witness[], quorum: number): Promise<Service> => {
    const log = {
      key: logKey.file,
      witnesses: asked.map(({ key, service }) => ({ key, url: service.url })),
      quorum,
      batchSeconds: 0,
      refreshSeconds: 1,
    }
    const config = join(keeper.directory, `${data}.json`)
    writeFileSync(config, JSON.stringify({ format: 1, operators, log }))
    return serve(
      t,
      keeper,
      'cache',
      'serve',
      '--data',
      join(keeper.directory, data),
      '--config',
      config,
      '--listen',
      '127.0.0.1:0',
    )
  }
  const cache = await cacheIn('cache', witnesses, 1)
  const measurement = await runBuilders({ name, alice, bob, cache })

  async function cosignedBy(count: number): Promise<void> {
    using log = await openLogReader(`${cache.url}/v1/log`)
    const begun = Date.now()
    for (;;) {
      const { signatures } = await log.checkpoint()
      const times = signatures
        .filter(({ bytes }) => bytes.length === 72)
        .map(({ bytes }) => Number(Buffer.from(bytes).readBigUInt64BE()))
      if (times.length === count && times.every((time) => time * 1000 >= begun)) return
      await delay(50)
    }
  }
  await cosignedBy(2)

  const own: ClientPolicy = { logs: [logKey.line], witnesses: [first.key, second.key], measurement }
  return {
    cache,
    witnesses: [first, second],
    cosignedBy,
    async forkedCache() {
      const forked = await cacheIn('forked', [], 0)
      for (const [home, key] of [
        [bob, 'bob'],
        [alice, 'alice'],
      ] as const) {
        const { status, text } = await run(home, 'publish', name, '--key', key, '--to', forked.url)
        if (status !== 0) throw new Error(text)
      }
      return forked
    },
    async client(caches, policy = {}) {
      const { logs, witnesses: seen, measurement: runs } = { ...own, ...policy }
      const home = newHome()
      const said = await run(
        home,
        ...['policy', 'init', '--preset', 'paranoid'],
        ...operators.flatMap(({ name: operator, keys }) => keys.flatMap((key) => ['--operator', `${operator}=${key}`])),
        ...logs.flatMap((one) => ['--log', one]),
        ...seen.flatMap((one) => ['--witness', one]),
        ...['--tee-root', `simulated:${simulatedRoot().digest}`, '--measurement', runs],
      )
      if (said.status !== 0) throw new Error(said.text)
      for (const { url } of caches) await run(home, 'cache', 'add', url)
      return { ...home, said: said.text }
    },
    withQuote: (fault) =>
      forge(t, fault, { ...options, homes: { alice, bob }, keys: { alice: aliceKey.secret, bob: bobKey.secret } }),
  }
}

async function newKey(home: SceneHome, name: string) {
  const { text, status } = await run(home, 'key', 'new', name)
  if (status !== 0) throw new Error(text)
  const file = join(home.directory, '.config/abnpkg/keys', `${name}.key`)
  const secret = parseSecretKey(readFileSync(file, 'utf8'))
  return { file, secret, line: encodePublicKey(secret.publicKey) }
}

type WitnessParts = { readonly home: SceneHome; readonly name: string; readonly log: string }

async function startWitnessProcess(t: ExecutionContext, { home, name, log }: WitnessParts): Promise<Witness> {
  await newKey(home, name)
  const key = (await run(home, 'witness', 'key')).text.trim()
  const start = async (listen: string): Promise<Witness> => {
    const service = await serve(
      t,
      home,
      'witness',
      'serve',
      '--data',
      join(home.directory, 'witness'),
      '--log',
      log,
      '--listen',
      listen,
    )
    return { key, service, again: () => start(new URL(service.url).host) }
  }
  return start('127.0.0.1:0')
}

type Building = { readonly name: string; readonly alice: SceneHome; readonly bob: SceneHome; readonly cache: Service }

/** Both build everything from source, alice in a simulated TEE. Resolves to the file that says what alice's machine runs. */
async function runBuilders({ name, alice, bob, cache }: Building): Promise<string> {
  const configFor = (home: SceneHome, more: object): string => {
    const file = join(home.directory, 'builder.json')
    writeFileSync(
      file,
      JSON.stringify({ format: 1, work: [{ kind: 'packages', names: [name] }], caches: [cache.url], ...more }),
    )
    return file
  }
  const aliceConfig = configFor(alice, { session: { tee: 'simulated' } })
  for (const [home, config] of [
    [alice, aliceConfig],
    [bob, configFor(bob, {})],
  ] as const) {
    const { status, text } = await run(home, 'builder', 'run', '--once', '--config', config)
    if (status !== 0) throw new Error(text)
  }
  const { text } = await run(alice, 'builder', 'configuration', '--config', aliceConfig)
  const rtmr3 = /^rtmr3 +([0-9a-f]{96})$/m.exec(text)?.[1]
  if (rtmr3 === undefined) throw new Error(text)
  const { mrTd, rtmr1, rtmr2 } = simulatedRegisters()
  const file = join(alice.directory, 'measurement.json')
  writeFileSync(file, JSON.stringify({ name: 'builder', mrTd, rtmr0: null, rtmr1, rtmr2, rtmr3 }))
  return file
}

export function simulatedRegisters() {
  return registersOf(parseQuote(mintSimulated({ now: 1_800_000_000 }).quote).body)
}

type Forging = SceneOptions & {
  readonly homes: { readonly alice: SceneHome; readonly bob: SceneHome }
  readonly keys: { readonly alice: SecretKey; readonly bob: SecretKey }
}

let forged = 0

async function forge(t: ExecutionContext, fault: QuoteFault, { name, evaluate, homes, keys }: Forging) {
  const log = keyOf(`forged.example/log-${forged++}`)
  const witnesses = [
    await startTestWitness(t, 'cyd.example/witness', [log]),
    await startTestWitness(t, 'dan.example/witness', [log]),
  ]
  const operators = Object.entries(keys).map(([operator, { publicKey }]) => ({ name: operator, keys: [publicKey] }))
  const config = { ...defaultConfig, operators, log: logConfig(t, { witnesses, quorum: 2, batchSeconds: 0 }, log) }
  const home = homes.alice
  const data = join(home.directory, `forged-${forged}`)
  mkdirSync(data)
  const cache = await startCache({ data, listen: '127.0.0.1:0', config })
  t.teardown(() => cache.close())

  const evaluation = await evaluate()
  const target = await findPackage(evaluation, name)
  const nowSeconds = () => Math.floor(Date.now() / 1000)
  let entries = 1
  for (const [operator, signer] of Object.entries(keys)) {
    await using store = openStore({ root: operator === 'alice' ? homes.alice.root : homes.bob.root })
    const { attested } = attestClosure([target], {
      store,
      packages: evaluation,
      signer,
      software: { abnpkg: 'test' },
      now: nowSeconds(),
      validSeconds: 86_400,
    })
    await using client = openCacheClient({ url: cache.url, signer, nowSeconds })
    const directory = join(home.directory, `lists-${forged}-${operator}`)
    mkdirSync(directory)
    await publishRevocations(client, freshRevocations(directory, signer, nowSeconds()))
    const said = operator === 'alice' ? inSession(attested, { signer, fault, now: nowSeconds() }) : attested
    await publish(said, { store, cache: client })
    entries += attested.length + 1
  }
  const { mrTd, rtmr1, rtmr2 } = simulatedRegisters()
  const file = join(home.directory, `measurement-${forged}.json`)
  writeFileSync(file, JSON.stringify({ name: 'builder', mrTd, rtmr0: null, rtmr1, rtmr2, rtmr3: null }))
  await untilLogged(cache.url, entries)
  const policy = {
    logs: [encodePublicKey(log.publicKey)],
    witnesses: witnesses.map(({ key }) => encodeWitnessKey(key)),
    measurement: file,
  }
  return { cache: { url: cache.url, stop: () => cache.close() }, policy }
}

type InSession = { readonly signer: SecretKey; readonly fault: QuoteFault; readonly now: number }

/** The same builds, as a session says them whose quote is as the fault wants it. */
function inSession(attested: readonly Attested[], { signer, fault, now }: InSession): readonly Attested[] {
  const key = newSecretKey('alice/session')
  const started = Math.min(...attested.map(({ attestation }) => attestation.statement.started))
  const session: Session = {
    format: 1,
    operator: signer.publicKey.id,
    key: key.publicKey,
    from: started,
    until: now + 86_400,
    software: {},
    configuration: sha256Of('configuration'),
    checkpoint: null,
    tee: 'simulated',
  }
  const signed = signSession(session, signer)
  const { quote, collateral } = mintSimulated({ now, reportData: reportDataOf(session), ...fault(session) })
  const parts = { session: signed, quote, collateral: sha256Of(collateral), checkpoint: null }
  const kept = { document: parseSessionDocument(encodeSessionDocument(parts)), session: signed, collateral }
  const builder = { kind: 'session', key: key.publicKey.id, session: signed.digest, software: {} } as const
  return attested.map((one) => ({
    ...one,
    attestation: attest({ ...one.attestation.statement, builder }, key),
    session: kept,
  }))
}

/** Until a tree with so many entries is published. */
async function untilLogged(url: string, entries: number): Promise<void> {
  using log = await openLogReader(`${url}/v1/log`)
  for (;;) {
    const note = await log.checkpoint().catch(() => undefined)
    if (note !== undefined && parseCheckpoint(note.text).size >= entries) return
    await delay(20)
  }
}

export type SceneFault = {
  readonly title: string
  /** What the client has to say, when it is asked why it does not take the binary. */
  readonly says: RegExp
  /** What a client then meets. */
  readonly arrange: (scene: Scene) => Promise<Met>
}

type Met = {
  readonly caches: readonly Service[]
  readonly policy?: Partial<ClientPolicy>
  readonly undo?: () => Promise<void>
}

const zeros = '00'.repeat(48)

/** Each breaks the scene, alone. */
export const sceneFaults: readonly SceneFault[] = [
  {
    title: 'a witness is missing',
    says: /witness/,
    async arrange({ cache, witnesses: [, second], cosignedBy }) {
      await second.service.stop()
      await cosignedBy(1)
      return {
        caches: [cache],
        async undo() {
          await second.again()
          await cosignedBy(2)
        },
      }
    },
  },
  {
    title: 'the log is forked',
    says: /two trees|contradict|belong together/,
    arrange: async ({ cache, forkedCache }) => ({ caches: [cache, await forkedCache()] }),
  },
  {
    title: 'the measurement is not known',
    says: /measurement/,
    async arrange({ cache, client }) {
      const { directory } = await client([])
      const measurement = join(directory, 'other.json')
      const other = { name: 'other', mrTd: zeros, rtmr0: null, rtmr1: null, rtmr2: null, rtmr3: null }
      writeFileSync(measurement, JSON.stringify(other))
      return { caches: [cache], policy: { measurement } }
    },
  },
  forgery('the quote is of another key', /another session/, (session) => {
    return { reportData: reportDataOf({ ...session, key: newSecretKey('another').publicKey }) }
  }),
  forgery('the TD can be debugged', /debugged/, () => ({
    body: { tdAttributes: Uint8Array.fromHex('0100001000000000') },
  })),
  forgery('the platform is revoked', /revoked/, () => ({ changes: { pckCrl: { revoked: [simulatedSerials.pck] } } })),
  forgery('the collateral has expired', /expired/, () => ({ now: Math.floor(Date.now() / 1000) - 40 * 86_400 })),
]

function forgery(title: string, says: RegExp, fault: QuoteFault): SceneFault {
  return {
    title,
    says,
    async arrange({ withQuote }) {
      const { cache, policy } = await withQuote(fault)
      return { caches: [cache], policy }
    },
  }
}
