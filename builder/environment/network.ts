/** What programs in a container need of the host's files to use its network: copies, taken when it starts. */
import { existsSync, readFileSync } from 'node:fs'

export type CopiedFile = { readonly path: string; readonly text: string }

/** Name servers, and the certificates that the machine trusts under the name that most programs look for. */
export function networkFiles(): readonly CopiedFile[] {
  const certificates = bundles.find((path) => existsSync(path))
  return [
    ...copyOf('/etc/resolv.conf', '/etc/resolv.conf'),
    ...(certificates === undefined ? [] : copyOf(certificates, certificateFile)),
  ]
}

/** Named to programs that do not look there by themselves. */
export const networkVariables: Readonly<Record<string, string>> = {
  SSL_CERT_FILE: '/etc/ssl/certs/ca-certificates.crt',
  GIT_SSL_CAINFO: '/etc/ssl/certs/ca-certificates.crt',
  CURL_CA_BUNDLE: '/etc/ssl/certs/ca-certificates.crt',
}

const certificateFile = '/etc/ssl/certs/ca-certificates.crt'

/** Debian, Fedora, Alpine, openSUSE. */
const bundles = [certificateFile, '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem', '/etc/ssl/ca-bundle.pem']

/** Without NUL bytes, which have no place in such a file and cannot stand in a script. */
function copyOf(from: string, to: string): CopiedFile[] {
  try {
    return [{ path: to, text: readFileSync(from, 'utf8').replaceAll('\0', '') }]
  } catch {
    return []
  }
}
