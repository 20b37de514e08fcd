/**
 * Forgets what is no longer needed: attestations and sessions long expired, files that no attestation names, unfinished uploads, nonces.
 * Nothing goes before it is logged.
 * What an attestation names is never dropped. Whether a file is named is looked at with the file's queue held, in which
 * publishing and the question "is it here?" wait too, so that no answer is overtaken.
 */
import { readdir } from 'node:fs/promises'
import type { RecipeHash, Sha256 } from '../format/hash.ts'
import { parseAttestation } from '../trust/attestation.ts'
import type { Cache } from './cache.ts'
import { allRecipes, attestationsOf, type Listed, ownerKeyOf, removalChanges, usesOf } from './catalogue.ts'
import { divergentRecipes, settlingChanges } from './divergent.ts'
import { forgetSessions } from './forget-sessions.ts'
import { withoutNeed } from './log/retained.ts'
import { blobQueueName, recipeQueueName } from './queues.ts'
import { needless, storedLists } from './revocations.ts'
import { type BlobKey, blobKinds } from './storage/blobs.ts'

export type Collected = {
  readonly attestations: number
  readonly blobs: number
  readonly bytes: number
  readonly uploads: number
  readonly sessions: number
}

export async function collectGarbage(cache: Cache): Promise<Collected> {
  const { retention } = cache.config
  const now = cache.nowSeconds()
  await cache.nonces.purge(now)
  const uploads = await cache.uploads.purge(now - retention.uploadHours * 3600, () => readdir(cache.uploadsDirectory))
  // What is not logged yet is kept, also when the log fails, which it reports itself.
  await cache.log?.sequence().catch(() => {})
  const { attestations, sessions } = await forgetExpired(cache, now - retention.expiredDays * 86_400)
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
  return { attestations, blobs, bytes, uploads, sessions }
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
async function forgetExpired(
  cache: Cache,
  before: number,
): Promise<{ readonly attestations: number; readonly sessions: number }> {
  const { index, commits, queues } = cache
  let forgotten = 0
  let strangers = 0
  using watch = cache.uses.watch()
  const used = new Set<Sha256>()
  for await (const { recipe, listed } of allRecipes(index)) {
    const left = listed.filter(({ claim }) => claim.expires >= before)
    strangers += left.filter(({ claim }) => cache.operators.byKey(ownerKeyOf(claim)) === undefined).length
    const kept =
      left.length < listed.length
        ? await queues(recipeQueueName(recipe), () => forgetOf(cache, recipe, before))
        : listed
    forgotten += listed.length - kept.length
    for (const { claim } of kept) if (claim.session !== undefined) used.add(claim.session)
  }
  for await (const recipe of divergentRecipes(index)) {
    await queues(recipeQueueName(recipe), async () => {
      const changes = await settlingChanges(index, recipe)
      if (changes.length > 0) await commits.commit(changes)
    })
  }
  const pruned = await forgetLists(cache, { before, keepsStrangers: strangers > 0 })
  const sessions = await forgetSessions(cache, { before, used, watch })
  if (forgotten + pruned > 0) cache.answers.invalidate()
  return { attestations: forgotten, sessions }
}

/** Resolves to what stays. */
async function forgetOf(
  { index, commits, log }: Cache,
  recipe: RecipeHash,
  before: number,
): Promise<readonly Listed[]> {
  const all = await attestationsOf(index, [recipe])
  const expired = all.filter(({ claim }) => claim.expires < before)
  const gone = await withoutNeed(index, expired, log !== undefined)
  const left = all.filter((one) => !gone.includes(one)).map(({ digest, claim }) => ({ digest, claim }))
  const parsed = gone.map(({ bytes }) => parseAttestation(bytes))
  if (gone.length > 0) await commits.commit(removalChanges(recipe, parsed, left))
  return left
}

/**
 * Lists that a newer one makes needless; and of keys that are registered here no more those that have expired long ago, once no
 * statement of such a key is left that they could be about. A registered operator's newest list stays for ever.
 */
async function forgetLists(
  { index, commits, operators, queues, log }: Cache,
  { before, keepsStrangers }: { readonly before: number; readonly keepsStrangers: boolean },
): Promise<number> {
  const stored = await storedLists(index)
  const superseded = new Set(needless(stored))
  const going = stored.filter((one) => {
    const isOver = operators.byKey(one.list.signer) === undefined && !keepsStrangers && one.list.expires < before
    return isOver || superseded.has(one)
  })
  let forgotten = 0
  for (const { record, list } of await withoutNeed(index, going, log !== undefined)) {
    const owner = operators.byKey(list.signer)?.operator
    await queues(`revocations ${owner}`, () => commits.commit([{ kind: 'remove', key: record }]))
    forgotten++
  }
  return forgotten
}
