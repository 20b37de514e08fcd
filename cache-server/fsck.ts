/**
 * Looks at everything again as if it came from a stranger: each attestation parses and verifies, each file is what its
 * address says, records and files belong together. With `repair`, a file that is wrong is taken out of service.
 */
import { parseAttestation, verifyAttestation } from '../trust/attestation.ts'
import type { Cache } from './cache.ts'
import { allAttestations, blobRecord, blobRecordKey, blobsNamedBy, claimOf } from './catalogue.ts'
import { materialise } from './materialise.ts'
import { hashFile, verifyDigest } from './publish/verify-file.ts'
import { blobQueueName } from './queues.ts'
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
      if (repair) await cache.commits.commit([{ kind: 'remove', key: name }])
    }
  }
  return { attestations, blobs, bytes, absent, unlisted, faults }
}

async function checkAttestations(cache: Cache, faults: Fault[]): Promise<{ attestations: number; absent: number }> {
  let attestations = 0
  let absent = 0
  for await (const { digest, claim, bytes } of allAttestations(cache.index)) {
    attestations++
    const what = `attestation ${digest}`
    try {
      const attestation = parseAttestation(bytes)
      const owner = cache.operators.byKey(claim.key)
      if (owner !== undefined) verifyAttestation(attestation, owner.key)
      const expected = JSON.stringify(claimOf(attestation.statement, claim.at))
      if (attestation.digest !== digest || JSON.stringify(claim) !== expected)
        faults.push({ what, reason: 'its record is wrong' })
      for (const key of blobsNamedBy(attestation.statement)) if ((await cache.blobs.size(key)) === undefined) absent++
    } catch (error) {
      faults.push({ what, reason: error instanceof Error ? error.message : String(error) })
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
    await cache.commits.commit([{ kind: 'remove', key: blobRecordKey(key) }])
    await cache.blobs.remove(key)
  })
}
