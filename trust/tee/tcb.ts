/**
 * How up to date a platform is by signed TCB info and QE identity (Intel, "TDX DCAP: Quote Generation Library and Quote
 * Verification Library", section on evaluating TCB): the TDX module by its own identity, the platform by the first level that it
 * reaches, the quoting enclave by its identity.
 */
import { hexOf } from '../bytes.ts'
import { littleEndian } from './layout.ts'
import type { Quote } from './quote.ts'
import { requireTee, TeeError } from './reasons.ts'
import type { PckPlatform } from './sgx-extensions.ts'
import type { Level, Masked, QeIdentity, SeamIdentity, TcbInfo } from './tcb-info.ts'
import { convergedStatus, type TcbStatus } from './tcb-status.ts'

export type Tcb = {
  readonly status: TcbStatus
  /** Of all three, sorted, each once. */
  readonly advisories: readonly string[]
  readonly platform: Level
  /** Undefined for a TDX module without a number, whose version is part of the platform's. */
  readonly module: (Level & { readonly id: string }) | undefined
  readonly qe: Level
}

export type TcbDocuments = { readonly tcbInfo: TcbInfo; readonly qeIdentity: QeIdentity }

/** Throws a TeeError: fmspc, pceid, seam-…, module-…, platform-…, qe-…. */
export function tcbOf(quote: Quote, pck: PckPlatform, { tcbInfo, qeIdentity }: TcbDocuments): Tcb {
  requireTee(pck.fmspc === tcbInfo.fmspc, 'fmspc', `platform ${pck.fmspc}, TCB info of ${tcbInfo.fmspc}`)
  requireTee(pck.pceId === tcbInfo.pceId, 'pceid', `platform ${pck.pceId}, TCB info of ${tcbInfo.pceId}`)
  const module = moduleLevel(quote, tcbInfo)
  const platform = platformLevel(quote, pck, tcbInfo)
  const qe = qeLevel(quote, qeIdentity)
  const parts = [platform, qe, ...(module === undefined ? [] : [module])]
  return {
    status: convergedStatus(parts.map(({ status }) => status)),
    advisories: [...new Set(parts.flatMap(({ advisories }) => advisories))].sort(),
    platform,
    module,
    qe,
  }
}

/** The first byte of TEE_TCB_SVN is the module's security version, the second its number; zero for one that has none. */
function moduleLevel({ body }: Quote, { module, modules }: TcbInfo): Tcb['module'] {
  const [isvSvn = 0, number = 0] = body.teeTcbSvn
  const id = `TDX_${number.toString(16).toUpperCase().padStart(2, '0')}`
  const identity = number === 0 ? undefined : modules.get(id)
  if (number !== 0 && identity === undefined) throw new TeeError('module-unknown', `TCB info has no TDX module ${id}`)
  requireSeam(body, identity ?? module)
  if (identity === undefined) return undefined
  const level = identity.levels.find((one) => isvSvn >= one.isvSvn)
  if (level === undefined) throw new TeeError('module-tcb-unknown', `${id} of version ${isvSvn} is below every level`)
  return { ...level, id }
}

function requireSeam(body: Quote['body'], { mrSigner, attributes }: SeamIdentity): void {
  requireTee(hexOf(body.mrSignerSeam) === mrSigner, 'seam-signer', 'the TDX module is signed by another')
  requireTee(isMatching(body.seamAttributes, attributes), 'seam-attributes', 'the TDX module has other attributes')
}

function platformLevel({ body }: Quote, { components, pceSvn }: PckPlatform, { levels }: TcbInfo): Level {
  const { teeTcbSvn } = body
  // A module with a number is judged by its own identity; then the first two components are not the platform's.
  const first = teeTcbSvn[1] === 0 ? 0 : 2
  const level = levels.find(
    ({ sgx, tdx, pceSvn: needed }) =>
      pceSvn >= needed &&
      sgx.every((svn, i) => (components[i] ?? -1) >= svn) &&
      tdx.every((svn, i) => i < first || (teeTcbSvn[i] ?? -1) >= svn),
  )
  if (level === undefined) throw new TeeError('platform-tcb-unknown', 'the platform is below every level')
  return level
}

function qeLevel({ qe }: Quote, { miscSelect, attributes, mrSigner, isvProdId, levels }: QeIdentity): Level {
  requireTee(isMatching(qe.miscSelect, miscSelect), 'qe-miscselect', 'the quoting enclave has another MISCSELECT')
  requireTee(isMatching(qe.attributes, attributes), 'qe-attributes', 'the quoting enclave has other attributes')
  requireTee(hexOf(qe.mrSigner) === mrSigner, 'qe-mrsigner', 'the quoting enclave is signed by another')
  requireTee(littleEndian(qe.isvProdId) === isvProdId, 'qe-isvprodid', 'the quoting enclave is another product')
  const isvSvn = littleEndian(qe.isvSvn)
  const level = levels.find((one) => isvSvn >= one.isvSvn)
  if (level === undefined) throw new TeeError('qe-tcb-unknown', `version ${isvSvn} is below every level`)
  return level
}

function isMatching(bytes: Uint8Array, { value, mask }: Masked): boolean {
  const [wanted, bits] = [Uint8Array.fromHex(value), Uint8Array.fromHex(mask)]
  // `value` may have bits outside the mask; they mean nothing.
  return bytes.every((byte, i) => ((byte ^ (wanted[i] ?? 0)) & (bits[i] ?? 0xff)) === 0)
}
