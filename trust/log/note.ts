/**
 * Signed notes (C2SP signed-note): a text, and lines with signatures of those who vouch for it. Parsing proves nothing;
 * `verifyNote` says whether one key has signed. The worked example is in docs/formats/log.md.
 */
import { AbnError } from '../../format/errors.ts'
import { base64Of, bytesOfBase64, utf8 } from '../bytes.ts'
import { isValidEd25519 } from '../ed25519.ts'
import type { PublicKey } from '../key.ts'
import type { Signer } from '../secret-key.ts'

export type Note = {
  /** Ends in a newline. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

export type NoteSignature = {
  readonly name: string
  /** Eight hexadecimal digits: the first four bytes of the id of a key. */
  readonly keyHash: string
  /** What comes after the key's hash: 64 bytes from an Ed25519 key, 72 from a witness. */
  readonly bytes: Uint8Array
}

export const maximumNoteBytes = 64 * 1024
const maximumSignatures = 64

/** Throws ABN_NOTE_INVALID. What it accepts, encodeNote writes to the same bytes. */
export function parseNote(bytes: Uint8Array): Note {
  if (bytes.length > maximumNoteBytes) throw invalid(`it is larger than ${maximumNoteBytes} bytes`)
  const whole = textOf(bytes)
  const end = whole.lastIndexOf('\n\n')
  if (end < 0) throw invalid('there is no empty line before the signatures')
  const lines = whole.slice(end + 2).split('\n')
  if (lines.pop() !== '' || lines.length === 0) throw invalid('there is no signature, or the last line has no end')
  if (lines.length > maximumSignatures) throw invalid(`it has more than ${maximumSignatures} signatures`)
  return { text: whole.slice(0, end + 1), signatures: lines.map((line) => parseSignatureLine(line)) }
}

export function encodeNote({ text, signatures }: Note): Uint8Array {
  return utf8(`${text}\n${signatures.map((one) => `${signatureLine(one)}\n`).join('')}`)
}

/** The first line: of a checkpoint, which log it speaks of, before anything is verified. */
export function originOfNote({ text }: Note): string {
  return text.slice(0, text.indexOf('\n'))
}

/** Without a newline. Throws ABN_NOTE_INVALID. */
export function parseSignatureLine(line: string): NoteSignature {
  const [, name, text] = /^\u2014 ([^\s+]{1,255}) ([A-Za-z0-9+/=]+)$/.exec(line) ?? []
  const bytes = text === undefined ? undefined : bytesOfBase64(text)
  if (name === undefined || bytes === undefined || bytes.length < 5) throw invalid('a line is not that of a signature')
  return { name, keyHash: bytes.slice(0, 4).toHex(), bytes: bytes.slice(4) }
}

/** Without a newline. */
export function signatureLine({ name, keyHash, bytes }: NoteSignature): string {
  return `\u2014 ${name} ${base64Of(Uint8Array.of(...Uint8Array.fromHex(keyHash), ...bytes))}`
}

/** Throws ABN_NOTE_INVALID for a text that no note can have. */
export function signNote(text: string, signer: Signer): Note {
  const { name, id } = signer.publicKey
  const signature = { name, keyHash: id.slice(0, 8), bytes: signer.sign(utf8(text)) }
  const note = { text, signatures: [signature] }
  parseNote(encodeNote(note))
  return note
}

/** Throws ABN_NOTE_UNSIGNED when the key has not signed, and ABN_SIGNATURE_INVALID when it is named but has not. */
export function verifyNote(note: Note, key: PublicKey): void {
  const signature = signatureBy(note, key)
  if (signature === undefined) throw new AbnError('ABN_NOTE_UNSIGNED', `note: ${key.name} has not signed it`)
  if (!isValidEd25519({ publicKey: key.bytes, message: utf8(note.text), signature: signature.bytes })) {
    throw new AbnError('ABN_SIGNATURE_INVALID', `note: the signature of ${key.name} is wrong`)
  }
}

/** The signature of that name and key hash. Throws ABN_NOTE_INVALID when there are two: no honest party makes such a note. */
export function signatureBy(
  { signatures }: Note,
  { name, id }: Pick<PublicKey, 'name' | 'id'>,
): NoteSignature | undefined {
  const found = signatures.filter((one) => one.name === name && one.keyHash === id.slice(0, 8))
  if (found.length > 1) throw invalid(`${name} has signed twice`)
  return found[0]
}

function textOf(bytes: Uint8Array): string {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw invalid('it is not UTF-8')
  }
  if (hasControl(text)) throw invalid('it has control characters')
  return text
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 && code !== 0x0a) return true
  }
  return false
}

function invalid(reason: string): AbnError {
  return new AbnError('ABN_NOTE_INVALID', `note: ${reason}`)
}
