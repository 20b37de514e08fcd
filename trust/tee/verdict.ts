/**
 * What a quote is found to say once its signatures hold: a value that policy appraises, that is kept, and that can be computed
 * again from the same bytes and time. Bytes are lowercase hexadecimal.
 */
import type { JsonValue } from '../../format/canonical-json.ts'
import type { Sha256 } from '../../format/hash.ts'
import { concat, hexOf, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto.ts'
import { encodeTime } from '../time.ts'
import type { CollateralPart } from './collateral.ts'
import type { TdReport } from './quote.ts'
import type { PckPlatform } from './sgx-extensions.ts'
import type { Tcb } from './tcb.ts'
import type { Level } from './tcb-info.ts'

export type Verdict = {
  /** 'simulated' is no hardware, and anybody can make it. */
  readonly root: { readonly kind: 'intel' | 'simulated'; readonly digest: Sha256 }
  readonly version: 4 | 5
  /** Seconds since 1970: the time that was verified at, and until when the same collateral would still do. */
  readonly at: number
  readonly until: number
  readonly tcb: Tcb
  /** The lower of TCB info's and the QE identity's. */
  readonly evaluationNumber: number
  readonly registers: Registers
  /** Of the migration or other service TD; null where the report does not say, which is not the same as none (zeros). */
  readonly serviceTd: string | null
  readonly attributes: Attributes
  readonly xfam: string
  readonly module: { readonly mrSeam: string; readonly tcbSvn: string; readonly tcbSvnNow: string | null }
  readonly platform: Platform
  readonly reportData: string
  /** SHA-256 of what was signed. The quote's own hash is no identity: its encoding can be varied by anybody. */
  readonly report: Sha256
  readonly collateral: Readonly<Record<CollateralPart | 'whole', Sha256>>
  /** For people: how the status came about. */
  readonly reasons: readonly string[]
}

export const registerNames = [
  'mrTd',
  'rtmr0',
  'rtmr1',
  'rtmr2',
  'rtmr3',
  'mrConfigId',
  'mrOwner',
  'mrOwnerConfig',
] as const satisfies readonly (keyof TdReport)[]

export type RegisterName = (typeof registerNames)[number]
export type Registers = Readonly<Record<RegisterName, string>>

/** TDATTRIBUTES (Intel, "TDX Module ABI Specification"). */
export type Attributes = {
  readonly bytes: string
  /** Any of the eight bits that leave a TD open to its host, of which DEBUG is the first. */
  readonly isOpen: boolean
  readonly debug: boolean
  readonly septVeDisable: boolean
  readonly migratable: boolean
  /** Bits that are set and are none of those above, nor PKS, KL or PERFMON. */
  readonly unknown: boolean
}

export type Platform = {
  /** SHA-256 of the PPID: tells machines apart without naming them. */
  readonly ppid: Sha256
  readonly instance: string | null
  readonly fmspc: string
  readonly pceId: string
  readonly pceSvn: number
  readonly pckSerial: string
  readonly qeId: string
}

export function registersOf(body: TdReport): Registers {
  const { mrTd, rtmr0, rtmr1, rtmr2, rtmr3, mrConfigId, mrOwner, mrOwnerConfig } = body
  return {
    mrTd: hexOf(mrTd),
    rtmr0: hexOf(rtmr0),
    rtmr1: hexOf(rtmr1),
    rtmr2: hexOf(rtmr2),
    rtmr3: hexOf(rtmr3),
    mrConfigId: hexOf(mrConfigId),
    mrOwner: hexOf(mrOwner),
    mrOwnerConfig: hexOf(mrOwnerConfig),
  }
}

export function attributesOf(bytes: Uint8Array): Attributes {
  const hasBit = (bit: number) => ((bytes[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0
  const set = Array.from({ length: 64 }, (_, bit) => bit).filter(hasBit)
  return {
    bytes: hexOf(bytes),
    isOpen: (bytes[0] ?? 0xff) !== 0,
    debug: hasBit(0),
    septVeDisable: hasBit(28),
    migratable: hasBit(29),
    unknown: set.some((bit) => bit >= 8 && ![28, 29, 30, 31, 63].includes(bit)),
  }
}

export function platformOf(pck: PckPlatform, pckSerial: string, userData: Uint8Array): Platform {
  return {
    ppid: sha256(concat([utf8('abnpkg-ppid-v1\n'), pck.ppid])),
    instance: pck.instance ?? null,
    fmspc: pck.fmspc,
    pceId: pck.pceId,
    pceSvn: pck.pceSvn,
    pckSerial,
    qeId: hexOf(userData.subarray(0, 16)),
  }
}

export function reasonsOf({ status, platform, module, qe }: Tcb): readonly string[] {
  const line = (what: string, level: Level) => {
    const advisories = level.advisories.length > 0 ? `, ${level.advisories.join(' ')}` : ''
    return `${what}: ${level.status}, level of ${encodeTime(level.date).slice(0, 10)}${advisories}`
  }
  return [
    line('platform', platform),
    module === undefined ? 'TDX module: judged with the platform' : line(`TDX module ${module.id}`, module),
    line('quoting enclave', qe),
    `together: ${status}`,
  ]
}

/** For programs: what `abnpkg tee verify --json` prints. */
export function jsonOfVerdict(verdict: Verdict): JsonValue {
  const level = ({ status, date, advisories }: Level) => ({ status, date: encodeTime(date), advisories })
  const { status, advisories, platform, module, qe } = verdict.tcb
  return {
    root: verdict.root,
    version: verdict.version,
    at: encodeTime(verdict.at),
    until: encodeTime(verdict.until),
    tcb: {
      status,
      advisories,
      platform: level(platform),
      module: module === undefined ? null : { id: module.id, ...level(module) },
      qe: level(qe),
    },
    evaluationNumber: verdict.evaluationNumber,
    registers: verdict.registers,
    serviceTd: verdict.serviceTd,
    attributes: verdict.attributes,
    xfam: verdict.xfam,
    module: verdict.module,
    platform: verdict.platform,
    reportData: verdict.reportData,
    report: verdict.report,
    collateral: verdict.collateral,
    reasons: verdict.reasons,
  }
}
