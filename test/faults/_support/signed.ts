// Signed texts that no honest builder would sign, in bundles that are well formed.
import { zstdCompressSync } from 'node:zlib'
import { canonicalJson } from '../../../format/canonical-json.ts'
import { preAuthenticationEncoding } from '../../../trust/dsse.ts'
import type { Evidence } from '../../../trust/evidence.ts'
import type { SecretKey } from '../../../trust/secret-key.ts'
import { encodeStatement, type Statement, statementPayloadType } from '../../../trust/statement.ts'
import { raw } from './hostile-cache.ts'
import { alice, base, bob, statementOf, user } from './world.ts'

export type Signed = { readonly payload: string; readonly keyId: string; readonly signature: Uint8Array }

/** A text that an operator has signed, whatever it says. */
export function signed(signer: SecretKey, payload: string): Signed {
  const message = preAuthenticationEncoding(statementPayloadType, Buffer.from(payload))
  return { payload, keyId: signer.publicKey.id, signature: signer.sign(message) }
}

export function textOf(signer: SecretKey, changes: Partial<Statement> = {}, one = user): string {
  return Buffer.from(encodeStatement(statementOf(one, signer, changes))).toString('utf8')
}

/** A bundle that is well formed and holds whatever it is given. */
export function bundleOf(pieces: readonly Signed[], others: readonly Evidence[] = []) {
  const keys = [...new Set(pieces.map(({ keyId }) => keyId))].sort()
  const json = {
    format: 1,
    hashes: '',
    keys,
    others: others.map(({ kind, bytes }) => ({ kind, data: Buffer.from(bytes).toString('base64') })),
    payloads: pieces.map(({ payload }) => payload.replaceAll('^', '^^')),
    signatures: Buffer.concat(pieces.map(({ signature }) => signature)).toString('base64'),
    signers: pieces.map(({ keyId }) => keys.indexOf(keyId)),
  }
  return raw(zstdCompressSync(canonicalJson(json)))
}

export const honestBases = [signed(alice, textOf(alice, {}, base)), signed(bob, textOf(bob, {}, base))]

/** Alice and bob have both signed a text that is changed like this. */
export function bothSign(change: (text: string) => string) {
  return {
    evidence: bundleOf([...honestBases, signed(alice, change(textOf(alice))), signed(bob, change(textOf(bob)))]),
  }
}

/** Alice is honest; bob's signature, or what is under it, is changed. */
export function tampered(change: (one: Signed) => Signed) {
  return { evidence: bundleOf([...honestBases, signed(alice, textOf(alice)), change(signed(bob, textOf(bob)))]) }
}

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n

/** The same signature with S + L in place of S. */
export function malleated(signature: Uint8Array): Uint8Array {
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`) + ORDER
  const bytes = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse()
  return Buffer.concat([signature.subarray(0, 32), bytes])
}
