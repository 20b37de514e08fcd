/**
 * Takes a revocation list that verifies: durable when it resolves. What the new list makes needless goes with the same write,
 * and what is kept of one operator is bounded, because every answer carries it.
 */
import { AbnError } from '../../format/errors.ts'
import type { VerifiedRevocationList } from '../../trust/revocation.ts'
import { withoutNeed } from '../log/retained.ts'
import type { OperatorKey, Operators } from '../operators.ts'
import { isSuperseded, listRecord, needless, type StoredList, storedLists } from '../revocations.ts'
import type { Change, IndexReader } from '../storage/index.ts'
import type { EvidenceLog } from './accept.ts'

export type RevocationParts = {
  readonly index: IndexReader
  readonly operators: Operators
  readonly log: EvidenceLog | undefined
  /** Of the lists of one operator that are kept. */
  readonly maximumBytes: number
}

/**
 * Undefined when there is nothing to write: it is here, or a newer one names all that it names. To be called with the queue of
 * the operator held. Throws ABN_CACHE_STATEMENT_REFUSED for a second list of one version, and ABN_CACHE_LIMIT.
 */
export async function revocationChanges(
  { bytes, list }: VerifiedRevocationList,
  { operator }: OperatorKey,
  { index, operators, log, maximumBytes }: RevocationParts,
): Promise<readonly Change[] | undefined> {
  const fresh: StoredList = { record: listRecord(list), bytes, list }
  const own = await storedLists(index, list.signer)
  const same = own.find(({ record }) => record === fresh.record)
  if (same !== undefined && Buffer.from(same.bytes).equals(bytes)) return undefined
  if (same !== undefined) {
    throw new AbnError(
      'ABN_CACHE_STATEMENT_REFUSED',
      `statement refused: there is another revocation list of version ${list.version} by this key`,
    )
  }
  if (own.some((one) => isSuperseded(list, one.list))) return undefined
  const superseded = needless([...own, fresh])
  // What is not logged yet would never be; when the log fails, which it reports itself, it is kept.
  if (superseded.length > 0) await log?.sequence().catch(() => {})
  const gone = await withoutNeed(index, superseded, log !== undefined)
  const left = own.filter((one) => !gone.includes(one))
  const siblings = operators.list.find(({ name }) => name === operator)?.keys ?? []
  for (const { id } of siblings) if (id !== list.signer) left.push(...(await storedLists(index, id)))
  const total = [...left, fresh].reduce((sum, one) => sum + one.bytes.length, 0)
  if (total > maximumBytes) {
    throw new AbnError('ABN_CACHE_LIMIT', `the revocation lists of ${operator} would take ${total} bytes here`, {
      hint: 'one list that names all that the others name takes their place; to revoke a key takes less than its statements',
    })
  }
  return [
    { kind: 'put', key: fresh.record, value: bytes },
    ...gone.map(({ record }) => ({ kind: 'remove', key: record }) as const),
  ]
}
