/** Whom a monitor knows: logs, witnesses, the keys that may sign, and those that should not. */
import { type KeyId, type PublicKey, parseKeyId, parsePublicKey } from '../../trust/key.ts'
import type { LogKey } from '../../trust/log/checkpoint.ts'
import type { WitnessKey } from '../../trust/log/cosignature.ts'

export type Watch = {
  /** By the log's name. */
  readonly logs: ReadonlyMap<string, LogKey>
  readonly witnesses: readonly WitnessKey[]
  /** Who may sign. Empty: everybody may, and no key is called unknown. */
  readonly known: ReadonlyMap<KeyId, KnownKey>
  /** Keys that should say nothing, and their names. */
  readonly silent: ReadonlyMap<KeyId, SilentKey>
}

/** `key` is undefined when only the id was given: then what it signs is not verified. */
export type SilentKey = { readonly id: KeyId; readonly name: string; readonly key: PublicKey | undefined }

export type KnownKey = { readonly name: string; readonly key: PublicKey }

/** A whole key, or only its id. Throws ABN_KEY_INVALID. */
export function parseSilentKey(text: string): SilentKey {
  if (/^[0-9a-f]{64}$/.test(text)) return { id: parseKeyId(text), name: `key ${text.slice(0, 8)}`, key: undefined }
  const key = parsePublicKey(text)
  return { id: key.id, name: key.name, key }
}

/** The public key behind an id, where it is known, and its name. */
export function signerOf({ known, silent }: Watch, id: KeyId): Signer {
  const one = known.get(id)
  const quiet = silent.get(id)
  return {
    id,
    name: one?.name ?? quiet?.name ?? `key ${id.slice(0, 8)}`,
    key: one?.key ?? quiet?.key,
    isKnown: one !== undefined || known.size === 0,
    isSilent: quiet !== undefined,
  }
}

export type Signer = {
  readonly id: KeyId
  readonly name: string
  readonly key: PublicKey | undefined
  readonly isKnown: boolean
  readonly isSilent: boolean
}
