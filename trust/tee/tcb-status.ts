/**
 * The status of a trusted computing base, and what several of them come to together: the worst of each kind of remark, which is what
 * Intel's library computes when it converges the status of platform, TDX module and quoting enclave.
 */

export type TcbStatus =
  | 'UpToDate'
  | 'SWHardeningNeeded'
  | 'ConfigurationNeeded'
  | 'ConfigurationAndSWHardeningNeeded'
  | 'OutOfDate'
  | 'OutOfDateConfigurationNeeded'
  | 'Revoked'

export function isTcbStatus(text: string): text is TcbStatus {
  return Object.hasOwn(REMARKS, text)
}

/** The higher, the worse. */
export function badnessOf(status: TcbStatus): number {
  return Object.keys(REMARKS).indexOf(status)
}

export function convergedStatus(statuses: readonly TcbStatus[]): TcbStatus {
  const remarks = new Set(statuses.flatMap((status) => REMARKS[status]))
  if (remarks.has('revoked')) return 'Revoked'
  const configuration = remarks.has('configuration')
  if (remarks.has('old')) return configuration ? 'OutOfDateConfigurationNeeded' : 'OutOfDate'
  if (remarks.has('hardening')) return configuration ? 'ConfigurationAndSWHardeningNeeded' : 'SWHardeningNeeded'
  return configuration ? 'ConfigurationNeeded' : 'UpToDate'
}

type Remark = 'hardening' | 'configuration' | 'old' | 'revoked'

/** From good to bad. */
const REMARKS: Readonly<Record<TcbStatus, readonly Remark[]>> = {
  UpToDate: [],
  SWHardeningNeeded: ['hardening'],
  ConfigurationNeeded: ['configuration'],
  ConfigurationAndSWHardeningNeeded: ['configuration', 'hardening'],
  OutOfDate: ['old'],
  OutOfDateConfigurationNeeded: ['old', 'configuration'],
  Revoked: ['revoked'],
}
