/**
 * Verifies what `ssh-keygen -Y sign` writes and git puts into commits: PROTOCOL.sshsig of OpenSSH. Only Ed25519, only the
 * namespace that the caller expects, only one possible encoding. The signed bytes name the namespace and the hash, so that
 * neither can be exchanged afterwards.
 */
import { AbnError } from '../../format/errors.ts'
import { isValidEd25519 } from '../../trust/ed25519.ts'
import { bytesOfBlob, bytesOfKey, type SshKey, sshKeyOf } from './ssh-key.ts'
import { SshReader, sshString } from './ssh-wire.ts'

export type SshSignature = {
  readonly key: SshKey
  readonly namespace: string
  readonly hash: HashName
  /** 64 bytes. */
  readonly bytes: Uint8Array
}

export type HashName = 'sha256' | 'sha512'

/** The key that has signed the message, for certain. Throws ABN_CHANNEL_SIGNATURE. */
export function verifySshSignature(
  armor: string,
  { message, namespace }: { readonly message: Uint8Array; readonly namespace: string },
): SshKey {
  const signature = parseSshSignature(armor)
  if (signature.namespace !== namespace) {
    throw invalid(`it is for ${JSON.stringify(signature.namespace)}, expected ${JSON.stringify(namespace)}`)
  }
  const signed = signedBytesOf(signature, message)
  if (!isValidEd25519({ publicKey: bytesOfKey(signature.key), message: signed, signature: signature.bytes })) {
    throw invalid('it is not that of its key over these bytes')
  }
  return signature.key
}

/** Throws ABN_CHANNEL_SIGNATURE. Nothing is verified yet. */
export function parseSshSignature(armor: string): SshSignature {
  const reader = new SshReader(bytesOfArmor(armor), invalid)
  if (reader.bytes(6).toString('latin1') !== MAGIC) throw invalid('it does not begin with SSHSIG')
  const version = reader.number()
  if (version !== 1) throw invalid(`expected version 1, got ${version}`)
  const key = sshKeyOf(bytesOfBlob(reader.string(), invalid))
  const namespace = reader.word()
  if (reader.string().length !== 0) throw invalid('its reserved field is not empty')
  const hash = hashOf(reader.word())
  const inner = new SshReader(reader.string(), invalid)
  reader.end()
  const type = inner.word()
  if (type !== 'ssh-ed25519') throw invalid(`expected a signature of type ssh-ed25519, got ${JSON.stringify(type)}`)
  const bytes = inner.string()
  inner.end()
  if (bytes.length !== 64) throw invalid(`expected 64 bytes of signature, got ${bytes.length}`)
  return { key, namespace, hash, bytes }
}

/** What the key signs. */
export function signedBytesOf(
  { namespace, hash }: { readonly namespace: string; readonly hash: HashName },
  message: Uint8Array,
): Buffer {
  const digest = process.getBuiltinModule('node:crypto').createHash(hash).update(message).digest()
  return Buffer.concat([
    Buffer.from(MAGIC, 'latin1'),
    sshString(namespace),
    sshString(''),
    sshString(hash),
    sshString(digest),
  ])
}

/** As ssh-keygen writes it, without the newline at the end. */
export function encodeSshSignature({ key, namespace, hash, bytes }: SshSignature): string {
  const blob = Buffer.concat([
    Buffer.from(MAGIC, 'latin1'),
    Buffer.of(0, 0, 0, 1),
    sshString(Buffer.concat([sshString('ssh-ed25519'), sshString(bytesOfKey(key))])),
    sshString(namespace),
    sshString(''),
    sshString(hash),
    sshString(Buffer.concat([sshString('ssh-ed25519'), sshString(bytes)])),
  ])
  const lines = blob.toString('base64').match(/.{1,70}/g) ?? []
  return [BEGIN, ...lines, END].join('\n')
}

const MAGIC = 'SSHSIG'
const BEGIN = '-----BEGIN SSH SIGNATURE-----'
const END = '-----END SSH SIGNATURE-----'
const LONGEST = 4096

function bytesOfArmor(armor: string): Buffer {
  if (armor.length > LONGEST) throw invalid('it is too long')
  if (/^-----BEGIN PGP /.test(armor)) throw invalid('it was made with OpenPGP; channels are signed with SSH keys')
  const lines = armor.split('\n')
  const body = lines.slice(1, -1)
  if (lines[0] !== BEGIN || lines.at(-1) !== END) throw invalid('it is no SSH signature')
  const isWrapped = body.every((line, i) => (i < body.length - 1 ? line.length === 70 : /^.{1,70}$/.test(line)))
  const text = body.join('')
  const bytes = Buffer.from(text, 'base64')
  if (!isWrapped || bytes.toString('base64') !== text) throw invalid('it is not base 64 in lines of 70 characters')
  return bytes
}

function hashOf(name: string): HashName {
  if (name === 'sha256' || name === 'sha512') return name
  throw invalid(`expected the hash sha512 or sha256, got ${JSON.stringify(name.slice(0, 40))}`)
}

function invalid(reason: string): AbnError {
  return new AbnError('ABN_CHANNEL_SIGNATURE', `the signature does not hold: ${reason}`)
}
