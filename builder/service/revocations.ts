/**
 * What an operator takes back: the newest revocation list of each key, beside it in NAME.revocations.json, as it was signed.
 * A list is issued anew every few days also when nothing was revoked, because policies may want to hear from an operator.
 * Versions are times, so that they grow even when that file is lost.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import { writeDurably } from '../../store/write-durably.ts'
import type { KeyId, PublicKey } from '../../trust/key.ts'
import {
  parseRevocationList,
  signRevocationList,
  type VerifiedRevocationList,
  verifyRevocationList,
} from '../../trust/revocation.ts'
import type { Signer } from '../../trust/secret-key.ts'
import type { CacheClient } from './remote.ts'

export type Revoked = {
  readonly keys: readonly { readonly key: KeyId; readonly reason: string }[]
  readonly statements: readonly { readonly statement: Sha256; readonly reason: string }[]
}

/** Adds to what was revoked before; nothing is ever taken out. Throws ABN_REVOCATION_INVALID for a reason that is not one line. */
export function issueRevocations(
  directory: string,
  signer: Signer,
  { now, add }: { readonly now: number; readonly add: Revoked },
): VerifiedRevocationList {
  const before = readRevocations(directory, signer.publicKey)?.list
  const keys = new Map([...(before?.keys ?? []), ...add.keys].map((one) => [one.key, one]))
  const statements = new Map([...(before?.statements ?? []), ...add.statements].map((one) => [one.statement, one]))
  const list = signRevocationList(
    {
      format: 1,
      signer: signer.publicKey.id,
      version: Math.max(now, (before?.version ?? 0) + 1),
      issued: now,
      expires: now + VALID_SECONDS,
      keys: [...keys.values()].sort((a, b) => compareBytewise(a.key, b.key)),
      statements: [...statements.values()].sort((a, b) => compareBytewise(a.statement, b.statement)),
    },
    signer,
  )
  writeDurably(pathOf(directory, signer.publicKey), list.bytes)
  return list
}

/** The newest list, made anew when it is some days old. */
export function freshRevocations(directory: string, signer: Signer, now: number): VerifiedRevocationList {
  const known = readRevocations(directory, signer.publicKey)
  if (known !== undefined && now - known.list.issued < RENEW_SECONDS && known.list.issued <= now) return known
  return issueRevocations(directory, signer, { now, add: { keys: [], statements: [] } })
}

/** Undefined when the key has never issued one. Throws ABN_REVOCATION_INVALID and the like when the file is damaged. */
export function readRevocations(directory: string, key: PublicKey): VerifiedRevocationList | undefined {
  const path = pathOf(directory, key)
  return existsSync(path) ? verifyRevocationList(parseRevocationList(readFileSync(path)), key) : undefined
}

/** Statements that this key has taken back. Throws ABN_KEY_REVOKED when it has taken back itself. */
export function revokedStatements(directory: string, key: PublicKey): ReadonlySet<Sha256> {
  const list = readRevocations(directory, key)?.list
  if (list?.keys.some((one) => one.key === key.id)) {
    throw new AbnError('ABN_KEY_REVOKED', `the key ${key.name} has revoked itself`, {
      hint: 'make a new one with `abnpkg key new`, and tell everybody who knows the old one',
    })
  }
  return new Set(list?.statements.map(({ statement }) => statement))
}

/** Keys that this key has taken back: of its sessions. */
export function revokedKeys(directory: string, key: PublicKey): ReadonlySet<KeyId> {
  return new Set(readRevocations(directory, key)?.list.keys.map((one) => one.key))
}

/** Throws ABN_PUBLISH_REFUSED, or what the cache answers. */
export async function publishRevocations(cache: CacheClient, list: VerifiedRevocationList): Promise<void> {
  const body = Buffer.concat([list.bytes, Buffer.from('\n')])
  const { results } = await cache.write({ method: 'POST', path: '/v1/evidence', body, type: 'application/jsonl' })
  const [result]: readonly unknown[] = Array.isArray(results) ? results : []
  const status = typeof result === 'object' && result !== null && 'status' in result ? result.status : undefined
  if (status === 'accepted' || status === 'known') return
  throw new AbnError('ABN_PUBLISH_REFUSED', `${cache.origin} did not take the revocation list`, {
    hint: 'ask whoever runs the cache',
  })
}

const DAY = 86_400
/** Half of what the preset `paranoid` allows. */
const RENEW_SECONDS = 3 * DAY
const VALID_SECONDS = 30 * DAY

function pathOf(directory: string, { name }: PublicKey): string {
  return join(directory, `${name}.revocations.json`)
}
