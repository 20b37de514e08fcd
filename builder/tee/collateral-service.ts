/**
 * Intel's service for collateral (Intel, "SGX and TDX Provisioning Certification Service", API version 4), or any cache that answers the
 * same paths. Four requests at once; the first that fails ends them all, so that the next service is asked soon. JSON is taken apart
 * as text, because the signature is over the bytes. Nothing is verified here.
 */
import type { AbnError } from '../../format/errors.ts'
import { bytesOfHex, utf8 } from '../../trust/bytes.ts'
import { encodeCollateral, type SignedText } from '../../trust/tee/collateral.ts'
import { type CacheConnection, connectToCache, type Pace, problem, readWhole } from '../substitute/http.ts'

export type CollateralService = {
  /** Scheme, host and port, perhaps a path; without a slash at the end. */
  readonly address: string
  /** Intel has its root's list of revoked certificates at another host; others serve it with the rest. */
  readonly rootCrl?: { readonly address: string; readonly path: string }
  readonly pace?: Pace
}

/** All that it depends on, besides the time. */
export type PlatformFamily = {
  /** 12 hexadecimal digits. */
  readonly fmspc: string
  /** Which authority has certified the PCK. */
  readonly authority: 'platform' | 'processor'
}

export const intelService: CollateralService = {
  address: 'https://api.trustedservices.intel.com',
  rootCrl: { address: 'https://certificates.trustedservices.intel.com', path: '/IntelSGXRootCA.der' },
}

/** The document that parseCollateral reads. Throws ABN_CACHE_ANSWER or the signal's reason. */
export async function fetchCollateral(
  { fmspc, authority }: PlatformFamily,
  { address, rootCrl, pace = defaultPace }: CollateralService,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  if (!/^[0-9a-f]{12}$/.test(fmspc)) throw new TypeError(`fetchCollateral: ${fmspc} is no FMSPC`)
  using main = await connectToCache(address, { pace, connections: 4 })
  using other = rootCrl === undefined ? undefined : await connectToCache(rootCrl.address, { pace, connections: 1 })
  const failed = new AbortController()
  const get = (connection: CacheConnection, path: string) =>
    download(connection, path, signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]))
  const requests = [
    get(main, `/tdx/certification/v4/tcb?fmspc=${fmspc}`),
    get(main, '/tdx/certification/v4/qe/identity'),
    get(main, `/sgx/certification/v4/pckcrl?ca=${authority}&encoding=der`),
    other === undefined ? get(main, '/sgx/certification/v4/rootcacrl') : get(other, rootCrl?.path ?? ''),
  ] as const
  try {
    const [tcb, identity, pckCrl, root] = await Promise.all(requests)
    return utf8(
      encodeCollateral({
        pckCrlChain: chainIn(pckCrl, ['sgx-pck-crl-issuer-chain']),
        rootCrl: derOf(root),
        pckCrl: derOf(pckCrl),
        tcbInfo: signedTextOf(tcb, 'tcbInfo', ['tcb-info-issuer-chain', 'sgx-tcb-info-issuer-chain']),
        qeIdentity: signedTextOf(identity, 'enclaveIdentity', ['sgx-enclave-identity-issuer-chain']),
      }),
    )
  } catch (error) {
    failed.abort()
    await Promise.allSettled(requests)
    throw error
  }
}

/** A host that is not there costs so long before the next one is asked. */
const defaultPace: Pace = { answerSeconds: 4, bytes: 1024, seconds: 4 }
const maximumBytes = 1024 * 1024

type Download = {
  readonly body: Uint8Array
  readonly header: (name: string) => string | undefined
  readonly fail: (reason: string) => AbnError
}

async function download(connection: CacheConnection, path: string, signal: AbortSignal): Promise<Download> {
  const answer = await connection.request(path, { signal })
  const fail = (reason: string) => problem(connection.address, `${path}: ${reason}`)
  if (answer.status !== 200) {
    answer.drop()
    throw fail(`status ${answer.status}`)
  }
  const body = await readWhole(answer, connection.address, maximumBytes)
  return { body, header: (name) => answer.headers[name], fail }
}

/** `{"tcbInfo":{…},"signature":"…"}`: what is signed is the text between, to the byte. */
function signedTextOf(answer: Download, member: string, headers: readonly string[]): SignedText {
  const text = textOf(answer)
  const parts = /^\{"([A-Za-z]+)":(\{.*\}),"signature":"([0-9a-f]{128})"\}\s*$/s.exec(text)
  const signature = bytesOfHex(parts?.[3] ?? '')
  if (parts?.[1] !== member || parts[2] === undefined || signature === undefined) {
    throw answer.fail(`expected ${member} with a signature`)
  }
  return { text: parts[2], signature, chain: chainIn(answer, headers) }
}

/** PEM in a header, encoded as a part of a URL. */
function chainIn(answer: Download, headers: readonly string[]): string {
  const encoded = headers.map(answer.header).find((value) => value !== undefined)
  if (encoded === undefined) throw answer.fail(`no header ${headers[0]}`)
  try {
    const text = decodeURIComponent(encoded).replaceAll('\r\n', '\n')
    return text.endsWith('\n') ? text : `${text}\n`
  } catch {
    throw answer.fail(`the header ${headers[0]} is damaged`)
  }
}

/** Some answer with DER, which begins with 30, some with its hexadecimal digits, which begin with the character 3. */
function derOf(answer: Download): Uint8Array {
  if (answer.body[0] === 0x30) return answer.body
  const bytes = bytesOfHex(textOf(answer).trim().toLowerCase())
  if (bytes?.[0] !== 0x30) throw answer.fail('expected DER')
  return bytes
}

function textOf(answer: Download): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(answer.body)
  } catch {
    throw answer.fail('not UTF-8')
  }
}
