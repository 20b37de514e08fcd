/**
 * Forgets sessions that have ended long ago and of which no statement is left, and the collateral that only they needed. Nothing goes
 * before it is logged.
 */
import type { Sha256 } from '../format/hash.ts'
import type { Cache } from './cache.ts'
import { withoutNeed } from './log/retained.ts'
import { provedChange } from './log/session-proofs.ts'
import type { SessionWatch } from './session-uses.ts'
import {
  allNewest,
  allSessions,
  collateralEnd,
  type DocumentRecord,
  documentKey,
  documentUser,
  newestUser,
  proofsChange,
  type SessionRecord,
  sessionChange,
  sessionRecord,
  sessionsQueue,
} from './sessions.ts'
import type { Change } from './storage/index.ts'

type Forgetting = {
  readonly before: number
  /** Sessions whose statements are still here. */
  readonly used: ReadonlySet<Sha256>
  /** From before `used` was made. */
  readonly watch: SessionWatch
}

/** Resolves to how many went. */
export async function forgetSessions(cache: Cache, { before, used, watch }: Forgetting): Promise<number> {
  const { index, queues } = cache
  let forgotten = 0
  const families = new Set<string>()
  for await (const { session, record } of allSessions(index)) {
    const isOver = record.until < before && !used.has(session)
    const forgetIt = () => watch.unlessUsed(session, () => forget(cache, session, before))
    const left = (isOver ? await queues(sessionsQueue, forgetIt) : undefined) ?? record.documents
    if (left.length === 0) forgotten++
    for (const { collateral } of left) if (collateral !== null) families.add(`${record.operator} ${collateral.family}`)
  }
  if (forgotten === 0) return 0
  await queues(sessionsQueue, () => forgetNewest(cache, families))
  cache.sessions.recount()
  cache.answers.invalidate()
  return forgotten
}

/** Resolves to the documents that stay. */
async function forget(cache: Cache, session: Sha256, before: number): Promise<readonly DocumentRecord[]> {
  const { index, commits } = cache
  const record = await sessionRecord(index, session)
  if (record === undefined || record.until >= before) return record?.documents ?? []
  const values = await index.getMany(record.documents.map(({ digest }) => documentKey(digest)))
  const documents = record.documents.map((one, i) => ({ ...one, one, bytes: values[i] ?? new Uint8Array() }))
  const gone = (await withoutNeed(index, documents, cache.log !== undefined)).map(({ one }) => one)
  const left = record.documents.filter((one) => !gone.includes(one))
  if (gone.length === 0) return left
  const kept: SessionRecord = { ...record, documents: left }
  const changes: Change[] = [sessionChange(session, kept)]
  for (const { digest } of gone) {
    changes.push({ kind: 'remove', key: documentKey(digest) }, proofsChange(digest, {}), provedChange(digest))
  }
  await commits.commit(changes)
  // One after the other, as two may name the same.
  for (const { digest, collateral } of gone) {
    if (collateral === null) continue
    await commits.commit(await collateralEnd(index, collateral.digest, documentUser(digest)))
  }
  return left
}

/** The newest of families of which no session of the operator is left. */
async function forgetNewest({ index, commits }: Cache, families: Set<string>): Promise<void> {
  // Some may have come since.
  for await (const { record } of allSessions(index))
    for (const { collateral } of record.documents)
      if (collateral !== null) families.add(`${record.operator} ${collateral.family}`)
  for await (const { key, operator, family, digest } of allNewest(index)) {
    if (families.has(`${operator} ${family}`)) continue
    const end = await collateralEnd(index, digest, newestUser(operator, family))
    await commits.commit([{ kind: 'remove', key }, ...end])
  }
}
