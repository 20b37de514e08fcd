/**
 * Turns a complete upload into a blob that everybody sees, if an accepted attestation of the same operator names it and the
 * file is what that says. Order: verify, blob durable, record durable, upload removed. A crash between any two leaves an
 * upload that can be finished again, or a blob that nobody sees and that is collected.
 */
import { AbnError } from '../../format/errors.ts'
import type { StorePath } from '../../format/store-path.ts'
import { parseAttestation } from '../../trust/attestation.ts'
import type { Statement } from '../../trust/statement.ts'
import type { BlobRecords } from '../blob-records.ts'
import { attestationBytes, attestationsOf, type BlobRecord, listedOf, ownerKeyOf, usesOf } from '../catalogue.ts'
import type { Limits } from '../limits.ts'
import type { Operators } from '../operators.ts'
import { blobQueueName, type Queues } from '../queues.ts'
import type { BlobKey, BlobStore } from '../storage/blobs.ts'
import type { Index } from '../storage/index.ts'
import { type VerifiedFile, verifyArchive, verifyLog, verifySource } from './verify-file.ts'

export type Publisher = {
  /** Once this says so for a blob that a statement here names, it stays. */
  has(key: BlobKey): Promise<boolean>
  /** The statement of this operator that names the blob; any operator's when undefined. Throws ABN_CACHE_STATEMENT_REFUSED. */
  requireNamed(key: BlobKey, operator: string | undefined): Promise<Statement>
  /**
   * Consumes the file when it resolves. `fresh` is false when the blob was here already. Throws ABN_CACHE_UPLOAD_REFUSED,
   * ABN_ARCHIVE_INVALID or ABN_ARCHIVE_LIMIT for a file that is not what it should be.
   */
  publish(
    key: BlobKey,
    file: string,
    operator: string | undefined,
  ): Promise<{ readonly fresh: boolean; readonly record: BlobRecord }>
}

export type PublisherParts = {
  readonly index: Index
  readonly records: BlobRecords
  readonly blobs: BlobStore
  readonly operators: Operators
  readonly limits: Limits
  /** By blobQueueName; shared with what collects garbage. */
  readonly queues: Queues
  readonly nowSeconds: () => number
  /** Called after a blob has become visible. */
  readonly changed: () => void
}

export function createPublisher({
  index,
  records,
  blobs,
  operators,
  limits,
  queues,
  nowSeconds,
  changed,
}: PublisherParts): Publisher {
  async function requireNamed(key: BlobKey, operator: string | undefined): Promise<Statement> {
    for await (const { recipe, attestation } of usesOf(index, key)) {
      const claim = (await listedOf(index, recipe)).find(({ digest }) => digest === attestation)?.claim
      const owner = claim && operators.byKey(ownerKeyOf(claim))?.operator
      if (owner === undefined || (operator !== undefined && owner !== operator)) continue
      const bytes = await attestationBytes(index, recipe, attestation)
      if (bytes !== undefined) return parseAttestation(bytes).statement
    }
    throw new AbnError(
      'ABN_CACHE_STATEMENT_REFUSED',
      `no statement here${operator === undefined ? '' : ` by ${operator}`} names the ${key.kind} ${key.digest}`,
      { hint: 'send the attestation first' },
    )
  }

  async function verify(
    key: BlobKey,
    file: string,
    statement: Statement,
  ): Promise<Pick<BlobRecord, 'bytes' | 'transport' | 'archive'>> {
    if (key.kind === 'source') return verifySource(file, key.digest)
    if (key.kind === 'log') return verifyLog(file, key.digest, limits.logBytes * 16)
    const output = statement.outputs.find(({ digest }) => digest === key.digest)
    if (output === undefined) throw new TypeError('verify: the statement does not name the archive')
    const transfer: VerifiedFile = await verifyArchive(file, output, await candidatesOf(index, statement))
    const { path, bytes, references } = output
    return { ...transfer, archive: { path, bytes, references } }
  }

  async function publish(key: BlobKey, file: string, operator: string | undefined) {
    const statement = await requireNamed(key, operator)
    return queues(blobQueueName(key), async () => {
      const known = await records.get(key)
      if (known !== undefined && (await blobs.size(key)) === known.bytes) return { fresh: false, record: known }
      const facts = await verify(key, file, statement)
      const record: BlobRecord = { ...facts, at: nowSeconds(), operator: operator ?? 'upstream' }
      await blobs.put(key, file)
      await records.put(key, record)
      changed()
      return { fresh: true, record }
    })
  }

  const has = (key: BlobKey) => queues(blobQueueName(key), async () => (await records.get(key)) !== undefined)

  return { has, requireNamed, publish }
}

/**
 * What an output of this statement can refer to: its siblings, the inputs, and what these refer to as far as it is known
 * here. Bounded: what is beyond is not found, and would have to be stated.
 */
async function candidatesOf(index: Index, statement: Statement): Promise<ReadonlySet<StorePath>> {
  const found = new Set<StorePath>([...statement.outputs, ...statement.inputs].map(({ path }) => path))
  for (const { recipe, digest } of statement.inputs.slice(0, MAXIMUM_INPUTS)) {
    const [first] = await attestationsOf(index, [recipe])
    if (first === undefined) continue
    const { outputs } = parseAttestation(first.bytes).statement
    for (const output of outputs) if (output.digest === digest) for (const path of output.references) found.add(path)
  }
  return found
}

const MAXIMUM_INPUTS = 1000
