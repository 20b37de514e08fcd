/** Logs of caches on loopback, witnesses for them, sessions of builders to write about, and a reader of what a log serves. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LogConfig } from '../../cache-server/log/log-config.ts'
import { startWitness } from '../../cache-server/log/witness-server.ts'
import { type Sha256, sha256Of } from '../../format/hash.ts'
import { attest, type VerifiedAttestation } from '../../trust/attestation.ts'
import type { Evidence } from '../../trust/evidence.ts'
import { type VerifiedCheckpoint, verifyCheckpoint } from '../../trust/log/checkpoint.ts'
import { type WitnessKey, witnessKeyOf } from '../../trust/log/cosignature.ts'
import { parseInclusions, verifyInclusions } from '../../trust/log/inclusions.ts'
import { leafHash, rootHash } from '../../trust/log/merkle.ts'
import {
  entriesPath,
  parseEntries,
  parseTile,
  subtreesFrom,
  tileOf,
  tilePath,
  tilesAskedFor,
} from '../../trust/log/tile.ts'
import { encodeSecretKey, newSecretKey, type SecretKey } from '../../trust/secret-key.ts'
import { reportDataOf, type Session, signSession } from '../../trust/session.ts'
import { encodeSessionDocument } from '../../trust/session-evidence.ts'
import type { Statement } from '../../trust/statement.ts'
import { mintSimulated } from '../../trust/tee/simulated.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import { type Answer, type Operator, type Package, send, statementOf, write } from './support.ts'

type Test = { teardown(action: () => unknown): void }

export const logSecret = keyOf('log.example/abnpkg')

export function keyOf(name: string): SecretKey {
  return newSecretKey(name, Buffer.from(sha256Of(name), 'hex'))
}

/** A log that publishes when it is told to, as far as the test can tell. */
export function logConfig(t: Test, changes: Partial<LogConfig> = {}, secret: SecretKey = logSecret): LogConfig {
  const key = join(temporaryDirectory(t), 'log.key')
  writeFileSync(key, encodeSecretKey(secret), { mode: 0o600 })
  return { key, witnesses: [], quorum: 0, batchSeconds: 3600, refreshSeconds: 0, ...changes }
}

export async function startTestWitness(t: Test, name: string, logs: readonly SecretKey[] = [logSecret]) {
  const secret = keyOf(name)
  const running = await startWitness({
    directory: temporaryDirectory(t),
    signer: secret,
    logs: logs.map(({ publicKey }) => publicKey),
    nowSeconds: () => Math.floor(Date.now() / 1000),
    onMisbehaviour: () => {},
    listen: '127.0.0.1:0',
    report: () => {},
  })
  t.teardown(() => running.close())
  const key: WitnessKey = witnessKeyOf(secret.publicKey)
  return { key, url: running.url, close: () => running.close() }
}

export type ServedLog = { readonly checkpoint: VerifiedCheckpoint; readonly entries: readonly Uint8Array[] }

/** All of it, from its files: the root is that of the tiles, and those are of the entries. */
export async function readServedLog(url: string, secret: SecretKey = logSecret): Promise<ServedLog> {
  const get = async (path: string): Promise<Buffer> => {
    const { status, body } = await send(url, { path: `/v1/log/${path}` })
    if (status !== 200) throw new Error(`${path}: ${status}`)
    return body
  }
  const checkpoint = verifyCheckpoint(await get('checkpoint'), secret.publicKey)
  const { size, root } = checkpoint
  const tiles = new Map<string, ReturnType<typeof parseTile>>()
  const use = (read: Parameters<typeof rootHash>[1]) => rootHash(size, read)
  for (const tile of tilesAskedFor(size, use)) tiles.set(tilePath(tile), parseTile(await get(tilePath(tile)), tile))
  const made = use(subtreesFrom(size, (tile) => tiles.get(tilePath(tile)) ?? []))
  if (!Buffer.from(made).equals(root)) throw new Error('the tiles are not of the checkpoint')
  const entries: Uint8Array[] = []
  for (let at = 0; at < size; at += 256) {
    const tile = tileOf(0, at, size)
    const hashes = parseTile(await get(tilePath(tile)), tile)
    const bundle = parseEntries(await get(entriesPath(tile)), tile.width)
    for (const [i, entry] of bundle.entries()) {
      if (!Buffer.from(leafHash(entry)).equals(hashes[i] ?? Buffer.alloc(0))) throw new Error(`entry ${at + i}`)
      entries.push(entry)
    }
  }
  return { checkpoint, entries }
}

/** Hashes of the entries that evidence of the log shows to be in its tree, and its size. */
export function provedIn(evidence: readonly Evidence[], secret: SecretKey = logSecret) {
  const found = evidence.filter(({ kind }) => kind === 'log-inclusions')
  if (found.length > 1) throw new Error('more than one proof')
  const [one] = found
  if (one === undefined) return undefined
  const { checkpoint, leaves } = verifyInclusions(parseInclusions(one.bytes), secret.publicKey)
  return { size: checkpoint.size, leaves }
}

export function leafOf(bytes: Uint8Array): string {
  return Buffer.from(leafHash(bytes)).toString('hex')
}

export function askClosure(url: string, recipes: readonly string[], logs?: readonly object[]): Promise<Answer> {
  const body = Buffer.from(JSON.stringify({ recipes, ...(logs === undefined ? {} : { logs }) }))
  return send(url, { method: 'POST', path: '/v1/closures', headers: { 'content-type': 'application/json' }, body })
}

export type TestSession = {
  readonly key: SecretKey
  readonly digest: Sha256
  readonly document: Uint8Array
  readonly collateral: Uint8Array | null
}

export type SessionChanges = Partial<Session> & {
  readonly name?: string
  /** When the collateral was issued, besides a day. */
  readonly mintedAt?: number
}

/** From an hour ago for an hour. */
export function sessionOf({ name, secret }: Operator, changes: SessionChanges = {}): TestSession {
  const { name: own = 'session', mintedAt, ...more } = changes
  const now = Math.floor(Date.now() / 1000)
  const key = keyOf(`${name}.example.org/${own}`)
  const session: Session = {
    format: 1,
    operator: secret.publicKey.id,
    key: key.publicKey,
    from: now - 3600,
    until: now + 3600,
    software: { abnpkg: '0.1.0' },
    configuration: sha256Of('configuration'),
    checkpoint: null,
    tee: 'simulated',
    ...more,
  }
  const signed = signSession(session, secret)
  const hasQuote = session.tee !== 'none'
  const { quote, collateral } = mintSimulated({ now: mintedAt ?? now - 3600, reportData: reportDataOf(session) })
  const document = encodeSessionDocument({
    session: signed,
    quote: hasQuote ? quote : null,
    collateral: hasQuote ? sha256Of(collateral) : null,
    checkpoint: null,
  })
  return { key, digest: signed.digest, document, collateral: hasQuote ? collateral : null }
}

export function sendSession(
  url: string,
  operator: Operator,
  { document, collateral }: Pick<TestSession, 'document' | 'collateral'>,
): Promise<Answer> {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
  const json = { format: 1, session: base64(document), collateral: collateral === null ? null : base64(collateral) }
  const body = Buffer.from(JSON.stringify(json))
  return write(url, { method: 'POST', path: '/v1/sessions', operator, type: 'application/json', body })
}

/** Signed by the session's key. */
export function attestedIn(
  { key, digest }: TestSession,
  subject: Package,
  changes: Partial<Statement> = {},
): VerifiedAttestation {
  const statement = statementOf(subject, { name: '', secret: key })
  const builder = { kind: 'session', key: key.publicKey.id, session: digest, software: { abnpkg: '0.1.0' } } as const
  return attest({ ...statement, builder, ...changes }, key)
}
