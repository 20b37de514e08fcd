/** Brings sessions to a cache, with the collateral of their quotes: before any statement that they signed. Repeating it does no harm. */
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import { base64Of } from '../../trust/bytes.ts'
import { sha256 } from '../../trust/crypto.ts'
import type { SessionDocument } from '../../trust/session-evidence.ts'
import type { CacheClient } from '../service/remote.ts'

export type Bringable = { readonly document: SessionDocument; readonly collateral: Uint8Array | undefined }

/** What a cache has taken: not sent to it again. */
export type Brought = Set<string>

/** Throws ABN_PUBLISH_…, or what the cache answers (ABN_CACHE_…). */
export async function bringSession(cache: CacheClient, one: Bringable, brought: Brought): Promise<void> {
  const { document, collateral } = one
  const name = nameOf(document.digest, collateral)
  if (brought.has(name)) return
  const json = {
    collateral: collateral === undefined ? null : base64Of(collateral),
    format: 1,
    session: base64Of(document.bytes),
  }
  const body = Buffer.from(JSON.stringify(json))
  try {
    await cache.write({ method: 'POST', path: '/v1/sessions', body, type: 'application/json' })
  } catch (error) {
    if (!(error instanceof AbnError) || error.code !== 'ABN_CACHE_NOT_FOUND') throw error
    throw new AbnError('ABN_PUBLISH_SESSIONS', `${cache.origin} takes no sessions`, {
      hint: 'whoever runs it has to update it; until then it gets nothing that a session has signed',
      cause: error,
    })
  }
  brought.add(name)
}

function nameOf(document: Sha256, collateral: Uint8Array | undefined): string {
  return `${document} ${collateral === undefined ? '' : sha256(collateral)}`
}
