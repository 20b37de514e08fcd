/**
 * Who may write: the operators of the configuration, found by key, and the check of the signature that each write carries.
 * A request is refused by its head alone, before its body is read. Specification: docs/cache-api.md, "Writing".
 */
import { AbnError } from '../format/errors.ts'
import { encodeWriteRequest, parseWriteAuthorization, type WriteSignature } from '../format/write-request.ts'
import { bytesOfBase64 } from '../trust/bytes.ts'
import { isValidEd25519 } from '../trust/ed25519.ts'
import type { KeyId, PublicKey } from '../trust/key.ts'
import type { Operator } from './config.ts'

export type OperatorKey = { readonly operator: string; readonly key: PublicKey }

export type Operators = {
  readonly list: readonly Operator[]
  byKey(id: KeyId | string): OperatorKey | undefined
  /**
   * Whose key it is. `operator`: who brings what the key has signed; undefined for a mirror, which takes that of any.
   * Throws ABN_CACHE_STATEMENT_REFUSED or ABN_CACHE_FOREIGN.
   */
  ownerOf(id: KeyId | string, operator: string | undefined): OperatorKey
}

export type Writer = OperatorKey & { readonly signature: WriteSignature }

export function createOperators(list: readonly Operator[]): Operators {
  const keys = new Map<string, OperatorKey>()
  for (const { name, keys: own } of list) for (const key of own) keys.set(key.id, { operator: name, key })
  return {
    list,
    byKey: (id) => keys.get(id),
    ownerOf(id, operator) {
      const owner = keys.get(id)
      if (owner === undefined) {
        const reason = `statement refused: its key ${id.slice(0, 8)} is not registered here`
        throw new AbnError('ABN_CACHE_STATEMENT_REFUSED', reason)
      }
      if (operator === undefined || owner.operator === operator) return owner
      throw new AbnError('ABN_CACHE_FOREIGN', `it is by ${owner.operator}, and was brought by ${operator}`)
    },
  }
}

export type WriteHead = {
  readonly origin: string
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
}

export type WriteRules = { readonly nowSeconds: number; readonly clockSeconds: number }

/** Throws ABN_CACHE_UNAUTHORISED or ABN_CACHE_CLOCK. Whether the nonce is new is asked of Nonces. */
export function verifyWriter(operators: Operators, head: WriteHead, { nowSeconds, clockSeconds }: WriteRules): Writer {
  const signature = parseWriteAuthorization(head.authorization ?? '')
  if (signature === undefined) throw unauthorised('expected an AbnWrite authorization header')
  const owner = operators.byKey(signature.keyId)
  if (owner === undefined) throw unauthorised(`the key ${signature.keyId.slice(0, 8)} is not registered here`)
  const signed = isValidEd25519({
    publicKey: owner.key.bytes,
    message: encodeWriteRequest({ ...head, ...signature }),
    signature: bytesOfBase64(signature.signature) ?? new Uint8Array(),
  })
  if (!signed) throw unauthorised(`the signature is not that of ${head.method} ${head.path} at ${head.origin}`)
  if (Math.abs(nowSeconds - signature.at) > clockSeconds) {
    throw new AbnError('ABN_CACHE_CLOCK', `signed at ${signature.at}, but it is ${nowSeconds} here`, {
      hint: 'set the clock of the machine that signs',
    })
  }
  return { ...owner, signature }
}

function unauthorised(reason: string): AbnError {
  return new AbnError('ABN_CACHE_UNAUTHORISED', `write refused: ${reason}`, {
    hint: 'ask whoever runs the cache to register the key, and sign for the address that the cache goes by',
  })
}
