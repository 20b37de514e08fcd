/**
 * Looks at everything again as if it came from a stranger: each attestation parses and verifies, each file is what its
 * address says, records and files belong together, the log is the tree of its entries. With `repair`, a file that is wrong is taken out of service.
 */
import { parseSha256, sha256Of } from '../format/hash.ts'
import { parseAttestation, verifyAttestation } from '../trust/attestation.ts'
import { parseRevocationList, verifyRevocationList } from '../trust/revocation.ts'
import { verifySession } from '../trust/session.ts'
import { parseSessionDocument } from '../trust/session-evidence.ts'
import type { Cache } from './cache.ts'
import { allEnvelopes, allRecipes, attestationsOf, blobRecord, blobsNamedBy, claimOf, listedOf } from './catalogue.ts'
import { logDirectory } from './log/cache-log.ts'
import { checkLog } from './log/check-log.ts'
import { openTreeFiles } from './log/tree-files.ts'
import { materialise } from './materialise.ts'
import { hashFile, verifyDigest } from './publish/verify-file.ts'
import { blobQueueName } from './queues.ts'
import { listRecord } from './revocations.ts'
import { allSessions, collateralBytes, documentKey, keyOfSession, sessionRecord } from './sessions.ts'
import { type BlobKey, blobKinds } from './storage/blobs.ts'

export type Fault = { readonly what: string; readonly reason: string }
export type CheckReport = {
  readonly attestations: number
  readonly blobs: number
  readonly bytes: number
  /** Named by an attestation, but not here. No fault: other caches may have it. */
  readonly absent: number
  /** Files that nobody sees: the leavings of a crash, which garbage collection takes away. */
  readonly unlisted: number
  /** Of the log. */
  readonly entries: number
  readonly faults: readonly Fault[]
}

export type CheckOptions = { readonly repair: boolean }

export async function checkCache(cache: Cache, { repair }: CheckOptions): Promise<CheckReport> {
  const faults: Fault[] = []
  const { attestations, absent } = await checkAttestations(cache, faults)
  let blobs = 0
  let bytes = 0
  let unlisted = 0
  for (const kind of blobKinds) {
    const listed = new Set<string>()
    for await (const listing of cache.blobs.list(kind)) {
      const key: BlobKey = { kind, digest: listing.digest }
      listed.add(listing.digest)
      blobs++
      bytes += listing.bytes
      const result = await checkBlob(cache, key)
      if (result === 'unlisted') unlisted++
      else if (result !== 'right') {
        faults.push({ what: `${kind} ${listing.digest}`, reason: result })
        if (repair) await withdraw(cache, key)
      }
    }
    for await (const name of cache.index.keys({ prefix: `blob/${kind}/` })) {
      if (listed.has(name.slice(-64))) continue
      faults.push({ what: `${kind} ${name.slice(-64)}`, reason: 'there is a record of it, but no file' })
      if (repair) await cache.records.remove({ kind, digest: parseSha256(name.slice(-64)) })
    }
  }
  await checkSessions(cache, faults)
  const log = await checkLog(cache.index, {
    files: openTreeFiles(logDirectory(cache.data)),
    key: cache.log?.key,
  })
  return { attestations, blobs, bytes, absent, unlisted, entries: log.entries, faults: [...faults, ...log.faults] }
}

async function checkAttestations(cache: Cache, faults: Fault[]): Promise<{ attestations: number; absent: number }> {
  let attestations = 0
  let absent = 0
  for await (const { recipe, digest, bytes } of allEnvelopes(cache.index)) {
    attestations++
    const what = `attestation ${digest}`
    try {
      const attestation = parseAttestation(bytes)
      const { builder } = attestation.statement
      const session = builder.kind === 'session' ? await sessionRecord(cache.index, builder.session) : undefined
      const owner = cache.operators.byKey(session?.operator ?? builder.key)
      if (builder.kind === 'session' && session === undefined) faults.push({ what, reason: 'its session is missing' })
      else if (owner !== undefined)
        verifyAttestation(attestation, session === undefined ? owner.key : keyOfSession(session))
      const listed = (await listedOf(cache.index, recipe)).find((one) => one.digest === digest)
      const by = session?.operator ?? builder.key
      const expected = listed && JSON.stringify(claimOf(attestation.statement, listed.claim.at, by))
      if (attestation.digest !== digest || attestation.statement.recipe !== recipe)
        faults.push({ what, reason: 'its record is wrong' })
      if (listed === undefined || JSON.stringify(listed.claim) !== expected)
        faults.push({ what, reason: 'it is not listed as it should be' })
      for (const key of blobsNamedBy(attestation.statement)) if ((await cache.blobs.size(key)) === undefined) absent++
    } catch (error) {
      faults.push({ what, reason: error instanceof Error ? error.message : String(error) })
    }
  }
  for await (const { recipe, listed } of allRecipes(cache.index)) {
    const found = await attestationsOf(cache.index, [recipe])
    const missing = listed.filter(({ digest }) => !found.some((one) => one.digest === digest))
    for (const { digest } of missing)
      faults.push({ what: `attestation ${digest}`, reason: 'it is listed, but not here' })
  }
  for await (const [record, bytes] of cache.index.entries({ prefix: 'revocation/' })) {
    try {
      const list = parseRevocationList(bytes)
      const owner = cache.operators.byKey(list.list.signer)
      if (owner !== undefined) verifyRevocationList(list, owner.key)
      if (listRecord(list.list) !== record) faults.push({ what: record, reason: 'its record is wrong' })
    } catch (error) {
      faults.push({ what: record, reason: error instanceof Error ? error.message : String(error) })
    }
  }
  return { attestations, absent }
}

async function checkSessions({ index, operators }: Cache, faults: Fault[]): Promise<void> {
  for await (const { session, record } of allSessions(index)) {
    const documents = record.documents.map(({ digest, collateral }) => ({
      digest,
      collateral: collateral?.digest ?? null,
    }))
    for (const { digest, collateral } of documents) {
      const what = `session document ${digest}`
      try {
        const bytes = await index.get(documentKey(digest))
        if (bytes === undefined) throw new Error('it is listed, but not here')
        const document = parseSessionDocument(bytes)
        const owner = operators.byKey(record.operator)
        if (owner !== undefined) verifySession(document.session, owner.key)
        if (document.digest !== digest || document.session.digest !== session) throw new Error('its record is wrong')
        const text = collateral === null ? undefined : await collateralBytes(index, collateral)
        if (collateral !== null && (text === undefined || sha256Of(text) !== collateral))
          throw new Error('its collateral is missing or damaged')
      } catch (error) {
        faults.push({ what, reason: error instanceof Error ? error.message : String(error) })
      }
    }
  }
}

async function checkBlob(cache: Cache, key: BlobKey): Promise<string> {
  const record = await blobRecord(cache.index, key)
  if (record === undefined) return 'unlisted'
  const file = await materialise(cache, key)
  try {
    const { transport, bytes } = await hashFile(file.path)
    if (transport !== record.transport || bytes !== record.bytes) return 'the file is not what was published'
    await verifyDigest(file.path, key)
    return 'right'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    await file.dispose()
  }
}

async function withdraw(cache: Cache, key: BlobKey): Promise<void> {
  await cache.queues(blobQueueName(key), async () => {
    await cache.records.remove(key)
    await cache.blobs.remove(key)
  })
}
