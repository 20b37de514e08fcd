/**
 * Remembers the nonces of signed writes for as long as their time would be accepted. They are in the index, so that they
 * survive a restart; a loss of power may take the last ones with it, which then costs nothing as all writes are idempotent.
 */
import { AbnError } from '../format/errors.ts'
import type { WriteSignature } from '../format/write-request.ts'
import type { Change, Index } from './storage/index.ts'

export type Nonces = {
  /** Throws ABN_CACHE_REPLAYED for one that was used. */
  use(signature: WriteSignature): Promise<void>
  /** Forgets those whose time has passed. */
  purge(nowSeconds: number): Promise<void>
}

const PREFIX = 'nonce/'

export function createNonces(index: Index, clockSeconds: number): Nonces {
  /** Under way to the index. */
  const current = new Set<string>()
  return {
    async use({ keyId, at, nonce }) {
      const key = `${PREFIX}${String(at).padStart(12, '0')}/${keyId}/${nonce}`
      if (current.has(key)) throw replayed()
      current.add(key)
      try {
        if ((await index.get(key)) !== undefined) throw replayed()
        await index.write([{ kind: 'put', key, value: new Uint8Array() }], { durable: false })
      } finally {
        current.delete(key)
      }
    },
    async purge(nowSeconds) {
      const oldest = `${PREFIX}${String(nowSeconds - 2 * clockSeconds).padStart(12, '0')}`
      const gone: Change[] = []
      for await (const key of index.keys({ prefix: PREFIX })) {
        if (key >= oldest) break
        gone.push({ kind: 'remove', key })
      }
      if (gone.length > 0) await index.write(gone, { durable: false })
    },
  }
}

function replayed(): AbnError {
  return new AbnError('ABN_CACHE_REPLAYED', 'this signed request came before', {
    hint: 'sign each request anew, with a nonce of its own',
  })
}
