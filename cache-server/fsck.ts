/**
 * Looks at everything again as if it came from a stranger: each attestation parses and verifies, each file is what its
 * address says, records and files belong together. With `repair`, a file that is wrong is taken out of service.
 */
import { parseSha256 } from '../format/hash.ts'
import { parseAttestation, verifyAttestation } from '../trust/attestation.ts'
import { parseRevocationList, verifyRevocationList } from '../trust/revocation.ts'
import type { Cache } from './cache.ts'
import { allEnvelopes, allRecipes, attestationsOf, blobRecord, blobsNamedBy, claimOf, listedOf } from './catalogue.ts'
import { materialise } from './materialise.ts'
import { hashFile, verifyDigest } from './publish/verify-file.ts'
import { blobQueueName } from './queues.ts'
import { listRecord } from './revocations.ts'
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
  return { attestations, blobs, bytes, absent, unlisted, faults }
}

async function checkAttestations(cache: Cache, faults: Fault[]): Promise<{ attestations: number; absent: number }> {
  let attestations = 0
  let absent = 0
  for await (const { recipe, digest, bytes } of allEnvelopes(cache.index)) {
    attestations++
    const what = `attestation ${digest}`
    try {
      const attestation = parseAttestation(bytes)
      const owner = cache.operators.byKey(attestation.envelope.keyId)
      if (owner !== undefined) verifyAttestation(attestation, owner.key)
      const listed = (await listedOf(cache.index, recipe)).find((one) => one.digest === digest)
      const expected = listed && JSON.stringify(claimOf(attestation.statement, listed.claim.at))
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
