/**
 * The revocation lists here. Revoking only adds (docs/formats/revocation.md): what an authentic list names stays revoked, also
 * when a newer list leaves it out. So a list goes only when a newer one of the same key names all that it names; honest
 * operators' lists grow, and one a key is left. Records: revocation/<key id>/<version, 16 digits>, the envelope as it came.
 */
import type { Attestation } from '../trust/attestation.ts'
import type { Evidence } from '../trust/evidence.ts'
import { parseRevocationList, type RevocationList } from '../trust/revocation.ts'
import { type Claim, ownerKeyOf } from './catalogue.ts'
import type { Operators } from './operators.ts'
import type { IndexReader } from './storage/index.ts'

export type StoredList = { readonly record: string; readonly bytes: Uint8Array; readonly list: RevocationList }

/** All of them: a client must learn of every revocation, and does not tell the cache whom it believes. */
export async function revocationLists(reader: IndexReader): Promise<Evidence[]> {
  const lists: Evidence[] = []
  for await (const [, bytes] of reader.entries({ prefix: PREFIX })) lists.push({ kind: 'revocation-list', bytes })
  return lists
}

/** Those of one key, or of all. */
export async function storedLists(reader: IndexReader, key = ''): Promise<readonly StoredList[]> {
  const found: StoredList[] = []
  const prefix = key === '' ? PREFIX : `${PREFIX}${key}/`
  for await (const [record, bytes] of reader.entries({ prefix }))
    found.push({ record, bytes, list: parseRevocationList(bytes).list })
  return found
}

export function listRecord({ signer, version }: RevocationList): string {
  return `${PREFIX}${signer}/${String(version).padStart(16, '0')}`
}

/** Whether `older` says nothing that `newer` does not say. */
export function isSuperseded(older: RevocationList, newer: RevocationList): boolean {
  if (older.signer !== newer.signer || older.version >= newer.version) return false
  const { keys, statements } = namedBy([newer])
  return older.keys.every(({ key }) => keys.has(key)) && older.statements.every((one) => statements.has(one.statement))
}

/** Those that another one makes needless. */
export function needless(lists: readonly StoredList[]): readonly StoredList[] {
  return lists.filter((one) => lists.some((other) => isSuperseded(one.list, other.list)))
}

export type TakenBack = (attestation: Pick<Attestation, 'statementDigest'>, claim: Pick<Claim, 'key' | 'by'>) => boolean

/** Tells whether the operator of an attestation has taken it back, or the key or session that signed it. */
export async function takenBack(reader: IndexReader, operators: Operators): Promise<TakenBack> {
  const ownerOf = (key: string) => operators.byKey(key)?.operator ?? `key ${key}`
  const byOwner = Map.groupBy(await storedLists(reader), ({ list }) => ownerOf(list.signer))
  const named = new Map([...byOwner].map(([owner, lists]) => [owner, namedBy(lists.map(({ list }) => list))]))
  return ({ statementDigest }, claim) => {
    const revoked = named.get(ownerOf(ownerKeyOf(claim)))
    if (revoked === undefined) return false
    const isKey = revoked.keys.has(claim.key) || revoked.keys.has(ownerKeyOf(claim))
    return isKey || revoked.statements.has(statementDigest)
  }
}

const PREFIX = 'revocation/'

function namedBy(lists: readonly RevocationList[]) {
  return {
    keys: new Set<string>(lists.flatMap((list) => list.keys.map(({ key }) => key))),
    statements: new Set(lists.flatMap((list) => list.statements.map(({ statement }) => statement))),
  }
}
