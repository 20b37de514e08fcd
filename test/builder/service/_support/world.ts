/** A home with the test channel, operators' keys, real caches on loopback, and the builder as a service in this process. */
import { execFile } from 'node:child_process'
import { zstdDecompressSync } from 'node:zlib'
import type { ExecutionContext } from 'ava'
import { evaluate, ownChannel } from '../../../../builder/evaluate/evaluate.ts'
import { type BuilderConfig, parseBuilderConfig } from '../../../../builder/service/config.ts'
import { runBuilder, type ServiceOptions } from '../../../../builder/service/run.ts'
import type { ServiceEvent } from '../../../../builder/service/service-events.ts'
import type { Task } from '../../../../builder/service/tasks.ts'
import { type CacheConfig, defaultConfig } from '../../../../cache-server/config.ts'
import { startCache } from '../../../../cache-server/server.ts'
import { openStore, type Store } from '../../../../store/store.ts'
import { type Attestation, parseAttestation } from '../../../../trust/attestation.ts'
import { decodeBundle } from '../../../../trust/bundle.ts'
import type { Evidence } from '../../../../trust/evidence.ts'
import { newSecretKey, type SecretKey } from '../../../../trust/secret-key.ts'
import { type Home, launcher, makeHome } from '../../../_support/channel.ts'
import { temporaryDirectory } from '../../../_support/temporary.ts'

export const now = (): number => Math.floor(Date.now() / 1000)

export function homeFor(t: ExecutionContext): Home {
  const home = makeHome()
  t.teardown(() => home[Symbol.dispose]())
  return home
}

/** Each operator has one key, of its own name. */
export function operatorKeys<const N extends string>(...names: readonly N[]): Record<N, SecretKey> {
  const keys: Partial<Record<N, SecretKey>> = {}
  for (const name of names) keys[name] = newSecretKey(name)
  return keys as Record<N, SecretKey>
}

export type TestCache = {
  readonly url: string
  readonly data: string
  publishLog(): Promise<unknown>
  stop(): Promise<void>
  again(): Promise<void>
}

export async function cacheFor(
  t: ExecutionContext,
  keys: readonly SecretKey[],
  more: Partial<CacheConfig> = {},
): Promise<TestCache> {
  const data = temporaryDirectory(t)
  const operators = keys.map(({ publicKey }) => ({ name: publicKey.name, keys: [publicKey] }))
  const start = (listen: string) =>
    startCache({ data: `${data}/cache`, listen, config: { ...defaultConfig, operators, ...more } })
  let running = await start('127.0.0.1:0')
  const { url } = running
  const { host } = new URL(url)
  t.teardown(() => running.close())
  return {
    url,
    data,
    publishLog: async () => running.cache.log?.publish(),
    stop: () => running.close(),
    again: async () => {
      running = await start(host)
    },
  }
}

export type Ran = { readonly tasks: readonly Task[]; readonly events: readonly ServiceEvent[] }
type RunParts = Pick<ServiceOptions, 'signer'> &
  Partial<Pick<ServiceOptions, 'keyDirectory' | 'reproduce' | 'signal' | 'once' | 'onEvent' | 'tee' | 'nowSeconds'>>

/** One pass over the work. */
export async function runOnce(home: Home, store: Store, config: object, parts: RunParts): Promise<Ran> {
  const events: ServiceEvent[] = []
  const tasks = await runBuilder({
    store,
    config: configOf(config),
    software: { abnpkg: 'test' },
    evaluate: () => evaluate([{ ...ownChannel, directory: home.channel }], {}),
    sourceCache: `${home.directory}/sources`,
    once: true,
    reproduce: false,
    signal: new AbortController().signal,
    nowSeconds: now,
    ...parts,
    onEvent: (event) => {
      events.push(event)
      parts.onEvent?.(event)
    },
  })
  return { tasks, events }
}

export function configOf(config: object): BuilderConfig {
  const retry = { firstSeconds: 1, maximumSeconds: 1, attempts: 2 }
  return parseBuilderConfig(JSON.stringify({ format: 1, retry, jobs: 1, cores: 1, ...config }))
}

export function storeOf(home: Pick<Home, 'root'>): Store {
  return openStore({ root: home.root, durable: false })
}

export function builtIn({ events }: Ran): readonly string[] {
  return events.flatMap((event) =>
    event.kind === 'realise' && event.event.kind === 'build-done' && event.event.how === 'built'
      ? [event.event.build.package.derivation.name]
      : [],
  )
}

/** By plain HTTP, as anybody could. */
export async function evidenceAt(url: string, path: string): Promise<readonly Evidence[]> {
  const response = await fetch(url + path)
  if (response.status !== 200) throw new Error(`${path}: ${response.status}`)
  return decodeBundle(zstdDecompressSync(await response.bytes()))
}

export function attestationsIn(evidence: readonly Evidence[]): readonly Attestation[] {
  return evidence.filter(({ kind }) => kind === 'attestation').map(({ bytes }) => parseAttestation(bytes))
}

export async function jsonAt(url: string): Promise<unknown> {
  return (await fetch(url)).json()
}

export type Said = { readonly status: number | null; readonly stdout: string; readonly stderr: string }

/** Runs the real command; unlike spawnSync it lets the caches of this process answer. */
export function abnpkg(home: Home, ...args: readonly string[]): Promise<Said> {
  return new Promise((resolve) => {
    const child = execFile(launcher, args, { env: home.env, encoding: 'utf8' }, (_error, stdout, stderr) =>
      resolve({ status: child.exitCode, stdout, stderr }),
    )
  })
}
