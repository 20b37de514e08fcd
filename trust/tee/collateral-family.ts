/**
 * What collateral says of itself, before anything is verified: which kind of platform it is about, and how new it is. For sorting and
 * finding it only; what it is worth, verify.ts says.
 */
import type { Collateral } from './collateral.ts'
import { parsePem } from './pem.ts'
import { requireTee } from './reasons.ts'
import { type Issued, parseQeIdentity, parseTcbInfo } from './tcb-info.ts'
import { parseCertificate } from './x509.ts'

/** Of the two documents in it: the older issue, the earlier next update, the lower number. */
export type CollateralDates = Issued

/** The same for two of which one may stand in for the other, newer or older. Throws a TeeError. */
export function familyOf({ pckCrlChain, tcbInfo }: Collateral): string {
  const { fmspc, pceId } = parseTcbInfo(tcbInfo.text)
  const [authority, root] = parsePem(pckCrlChain).map(parseCertificate)
  requireTee(authority !== undefined && root !== undefined, 'chain-length', 'expected an authority and its root')
  return `${root.digest} ${authority.commonName} ${fmspc} ${pceId}`
}

/** Throws a TeeError. */
export function datesOf({ tcbInfo, qeIdentity }: Collateral): CollateralDates {
  const [tcb, qe] = [parseTcbInfo(tcbInfo.text), parseQeIdentity(qeIdentity.text)]
  return {
    issued: Math.min(tcb.issued, qe.issued),
    nextUpdate: Math.min(tcb.nextUpdate, qe.nextUpdate),
    evaluationNumber: Math.min(tcb.evaluationNumber, qe.evaluationNumber),
  }
}
