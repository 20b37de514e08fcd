/**
 * Forgets what is no longer needed: attestations long expired, files that no attestation names, unfinished uploads, nonces.
 * What an attestation names is never dropped. Whether a file is named is looked at with the file's queue held, in which
 * publishing and the question "is it here?" wait too, so that no answer is overtaken.
 */
import { readdir } from 'node:fs/promises'
import { parseAttestation } from '../trust/attestation.ts'
import type { Cache } from './cache.ts'
import { allAttestations, blobRecordKey, removalChanges, usesOf } from './catalogue.ts'
import { blobQueueName } from './queues.ts'
import { type BlobKey, blobKinds } from './storage/blobs.ts'

export type Collected = {
  readonly attestations: number
  readonly blobs: number
  readonly bytes: number
  readonly uploads: number
}

export async function collectGarbage(cache: Cache): Promise<Collected> {
  const { retention } = cache.config
  const now = cache.nowSeconds()
  await cache.nonces.purge(now)
  const uploads = await cache.uploads.purge(now - retention.uploadHours * 3600, () => readdir(cache.uploadsDirectory))
  const attestations = await forgetExpired(cache, now - retention.expiredDays * 86_400)
  let blobs = 0
  let bytes = 0
  for (const kind of blobKinds) {
    for await (const listing of cache.blobs.list(kind)) {
      if (listing.modifiedSeconds > now - retention.unreferencedHours * 3600) continue
      if (!(await collectBlob(cache, { kind, digest: listing.digest }))) continue
      blobs++
      bytes += listing.bytes
    }
  }
  return { attestations, blobs, bytes, uploads }
}

async function collectBlob(cache: Cache, key: BlobKey): Promise<boolean> {
  return cache.queues(blobQueueName(key), async () => {
    for await (const _ of usesOf(cache.index, key)) return false
    await cache.commits.commit([{ kind: 'remove', key: blobRecordKey(key) }])
    await cache.blobs.remove(key)
    return true
  })
}

async function forgetExpired(cache: Cache, before: number): Promise<number> {
  let forgotten = 0
  for await (const { claim, bytes } of allAttestations(cache.index)) {
    if (claim.expires >= before) continue
    await cache.commits.commit(removalChanges(parseAttestation(bytes)))
    forgotten++
  }
  if (forgotten > 0) cache.answers.invalidate()
  return forgotten
}
