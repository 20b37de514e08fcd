/**
 * Forgets what is no longer needed: attestations long expired, files that no attestation names, unfinished uploads, nonces.
 * What an attestation names is never dropped. Whether a file is named is looked at with the file's queue held, in which
 * publishing and the question "is it here?" wait too, so that no answer is overtaken.
 */
import { readdir } from 'node:fs/promises'
import type { RecipeHash } from '../format/hash.ts'
import { parseAttestation } from '../trust/attestation.ts'
import type { Cache } from './cache.ts'
import { allRecipes, attestationsOf, removalChanges, usesOf } from './catalogue.ts'
import { divergentRecipes, settlingChanges } from './divergent.ts'
import { blobQueueName, recipeQueueName } from './queues.ts'
import { pruningChanges, storedLists } from './revocations.ts'
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
    await cache.records.remove(key)
    await cache.blobs.remove(key)
    return true
  })
}

/** What has expired long ago, and what only mattered beside it. */
async function forgetExpired(cache: Cache, before: number): Promise<number> {
  const { index, commits, queues } = cache
  let forgotten = 0
  let strangers = 0
  for await (const { recipe, listed } of allRecipes(index)) {
    const left = listed.filter(({ claim }) => claim.expires >= before)
    strangers += left.filter(({ claim }) => cache.operators.byKey(claim.key) === undefined).length
    if (left.length < listed.length) {
      forgotten += await queues(recipeQueueName(recipe), () => forgetOf(cache, recipe, before))
    }
  }
  for await (const recipe of divergentRecipes(index)) {
    await queues(recipeQueueName(recipe), async () => {
      const changes = await settlingChanges(index, recipe)
      if (changes.length > 0) await commits.commit(changes)
    })
  }
  const pruned = await forgetLists(cache, { before, keepsStrangers: strangers > 0 })
  if (forgotten + pruned > 0) cache.answers.invalidate()
  return forgotten
}

async function forgetOf({ index, commits }: Cache, recipe: RecipeHash, before: number): Promise<number> {
  const all = await attestationsOf(index, [recipe])
  const gone = all.filter(({ claim }) => claim.expires < before)
  const left = all.filter((one) => !gone.includes(one)).map(({ digest, claim }) => ({ digest, claim }))
  const parsed = gone.map(({ bytes }) => parseAttestation(bytes))
  await commits.commit(removalChanges(recipe, parsed, left))
  return gone.length
}

/**
 * Lists that a newer one makes needless; and of keys that are registered here no more those that have expired long ago, once no
 * statement of such a key is left that they could be about. A registered operator's newest list stays for ever.
 */
async function forgetLists(
  { index, commits, operators, queues }: Cache,
  { before, keepsStrangers }: { readonly before: number; readonly keepsStrangers: boolean },
): Promise<number> {
  const stored = await storedLists(index)
  const needless = new Set(pruningChanges(stored).map(({ key }) => key))
  let forgotten = 0
  for (const { record, list } of stored) {
    const owner = operators.byKey(list.signer)?.operator
    const isOver = owner === undefined && !keepsStrangers && list.expires < before
    if (!isOver && !needless.has(record)) continue
    await queues(`revocations ${owner}`, () => commits.commit([{ kind: 'remove', key: record }]))
    forgotten++
  }
  return forgotten
}
