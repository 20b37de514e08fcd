/**
 * Chains of certificates as PEM (RFC 7468), in the one encoding that Intel uses: lines of 64 characters, `\n` at each end, nothing
 * around. PEM has many spellings of the same bytes; here only the text that encodePem makes is read.
 */
import { base64Of, bytesOfBase64 } from '../bytes.ts'
import { TeeError } from './reasons.ts'

/** The DER of each certificate, in the order of the text. Throws a TeeError: pem-invalid, chain-length. */
export function parsePem(text: string): readonly Uint8Array[] {
  if (text.length > maximumCharacters) throw new TeeError('pem-invalid', `${text.length} characters of PEM`)
  const blocks = text.split(END)
  if (blocks.pop() !== '' || blocks.length === 0) throw new TeeError('pem-invalid', 'not a chain of PEM certificates')
  if (blocks.length > 4) throw new TeeError('chain-length', `${blocks.length} certificates`)
  const chain = blocks.map((block) => {
    const der = block.startsWith(BEGIN) ? bytesOfBase64(block.slice(BEGIN.length).replaceAll('\n', '')) : undefined
    if (der === undefined) throw new TeeError('pem-invalid', 'a certificate is not in the one encoding of PEM')
    return der
  })
  if (encodePem(chain) !== text) throw new TeeError('pem-invalid', 'lines are not 64 characters long')
  return chain
}

export function encodePem(chain: readonly Uint8Array[]): string {
  return chain.map((der) => `${BEGIN}${base64Of(der).replace(/.{1,64}/g, '$&\n')}${END}`).join('')
}

const BEGIN = '-----BEGIN CERTIFICATE-----\n'
const END = '-----END CERTIFICATE-----\n'
const maximumCharacters = 16 * 1024
