/**
 * TCB info of version 3 for TDX and the identity of TDX's quoting enclave, version 2 (Intel, "API for Provisioning Certification
 * Service", version 4): which security versions a platform of one family has to have. Their signature is checked before they come
 * here. Unknown fields are refused: they might take something back.
 */
import type { JsonValue } from '../../format/canonical-json.ts'
import { below, countOf, fieldsOf, isObject, listOf, type Place, requireThat, textOf } from '../../format/fields.ts'
import { timeOf } from '../time.ts'
import { readJson } from './collateral.ts'
import { TeeError, type TeeReason } from './reasons.ts'
import { isTcbStatus, type TcbStatus } from './tcb-status.ts'

export type TcbInfo = Issued & {
  readonly fmspc: string
  readonly pceId: string
  /** The one of TDX modules that have no number. */
  readonly module: SeamIdentity
  /** By id, such as TDX_03. */
  readonly modules: ReadonlyMap<string, ModuleIdentity>
  readonly levels: readonly PlatformLevel[]
}

export type QeIdentity = Issued & {
  /** Bytes in hexadecimal, as all of these. */
  readonly miscSelect: Masked
  readonly attributes: Masked
  readonly mrSigner: string
  readonly isvProdId: number
  readonly levels: readonly SvnLevel[]
}

export type Issued = {
  readonly issued: number
  readonly nextUpdate: number
  /** Rises with each recovery: a document with a lower one is an older view of what is secure. */
  readonly evaluationNumber: number
}

export type Masked = { readonly value: string; readonly mask: string }
export type SeamIdentity = { readonly mrSigner: string; readonly attributes: Masked }
export type ModuleIdentity = SeamIdentity & { readonly levels: readonly SvnLevel[] }

/** Levels stand in descending order; the first that a platform reaches is its own. */
export type Level = { readonly status: TcbStatus; readonly date: number; readonly advisories: readonly string[] }
export type SvnLevel = Level & { readonly isvSvn: number }
export type PlatformLevel = Level & {
  readonly sgx: readonly number[]
  readonly tdx: readonly number[]
  readonly pceSvn: number
}

/** Throws a TeeError: tcb-info-invalid. */
export function parseTcbInfo(text: string): TcbInfo {
  const place = placeOf('tcb-info-invalid')
  const fields = someFieldsOf(readJson(text, 'tcb-info-invalid'), place, TCB_INFO, ['tdxModuleIdentities'])
  requireThat(fields.id === 'TDX' && fields.version === 3, place, 'expected TCB info for TDX of version 3')
  requireThat(fields.tcbType === 0, below(place, 'tcbType'), 'expected 0')
  const modules = listOf(fields.tdxModuleIdentities ?? [], below(place, 'tdxModuleIdentities'), moduleOf)
  const byId = new Map(modules.map((one) => [one.id, one]))
  requireThat(byId.size === modules.length, place, 'a TDX module occurs twice')
  const tdxModule = fieldsOf(fields.tdxModule, below(place, 'tdxModule'), SEAM)
  return {
    ...issuedOf(fields, place),
    fmspc: hexOf(fields.fmspc, below(place, 'fmspc'), 6),
    pceId: hexOf(fields.pceId, below(place, 'pceId'), 2),
    module: seamOf(tdxModule, below(place, 'tdxModule')),
    modules: byId,
    levels: listOf(fields.tcbLevels, below(place, 'tcbLevels'), platformLevelOf),
  }
}

/** Throws a TeeError: qe-identity-invalid. */
export function parseQeIdentity(text: string): QeIdentity {
  const place = placeOf('qe-identity-invalid')
  const fields = fieldsOf(readJson(text, 'qe-identity-invalid'), place, QE_IDENTITY)
  requireThat(fields.id === 'TD_QE' && fields.version === 2, place, 'expected the identity of TD_QE of version 2')
  return {
    ...issuedOf(fields, place),
    miscSelect: maskedOf(fields.miscselect, fields.miscselectMask, below(place, 'miscselect'), 4),
    attributes: maskedOf(fields.attributes, fields.attributesMask, below(place, 'attributes'), 16),
    mrSigner: hexOf(fields.mrsigner, below(place, 'mrsigner'), 32),
    isvProdId: countOf(fields.isvprodid, below(place, 'isvprodid'), 65_535),
    levels: listOf(fields.tcbLevels, below(place, 'tcbLevels'), svnLevelOf),
  }
}

const ISSUED = ['id', 'version', 'issueDate', 'nextUpdate', 'tcbEvaluationDataNumber'] as const
const SEAM = ['mrsigner', 'attributes', 'attributesMask'] as const
const LEVEL = ['tcb', 'tcbDate', 'tcbStatus'] as const
const TCB_INFO = [...ISSUED, 'fmspc', 'pceId', 'tcbType', 'tdxModule', 'tcbLevels'] as const
const QE_IDENTITY = [...ISSUED, ...SEAM, 'miscselect', 'miscselectMask', 'isvprodid', 'tcbLevels'] as const

type Fields<K extends string> = Readonly<Record<K, JsonValue>>

function placeOf(reason: TeeReason): Place {
  return { path: '', fail: (message) => new TeeError(reason, message) }
}

function issuedOf(fields: Fields<'issueDate' | 'nextUpdate' | 'tcbEvaluationDataNumber'>, place: Place): Issued {
  return {
    issued: timeOf(fields.issueDate, below(place, 'issueDate')),
    nextUpdate: timeOf(fields.nextUpdate, below(place, 'nextUpdate')),
    evaluationNumber: countOf(fields.tcbEvaluationDataNumber, below(place, 'tcbEvaluationDataNumber'), 1_000_000),
  }
}

function moduleOf(value: JsonValue, place: Place): ModuleIdentity & { readonly id: string } {
  const fields = fieldsOf(value, place, ['id', ...SEAM, 'tcbLevels'])
  const id = textOf(fields.id, below(place, 'id'))
  requireThat(/^TDX_[0-9A-F]{2}$/.test(id), below(place, 'id'), 'expected TDX_ and two hexadecimal digits')
  return { id, ...seamOf(fields, place), levels: listOf(fields.tcbLevels, below(place, 'tcbLevels'), svnLevelOf) }
}

function seamOf(fields: Fields<(typeof SEAM)[number]>, place: Place): SeamIdentity {
  const attributes = maskedOf(fields.attributes, fields.attributesMask, below(place, 'attributes'), 8)
  return { mrSigner: hexOf(fields.mrsigner, below(place, 'mrsigner'), 48), attributes }
}

function levelOf(fields: Fields<'tcbDate' | 'tcbStatus'> & { readonly advisoryIDs?: JsonValue }, place: Place): Level {
  const status = textOf(fields.tcbStatus, below(place, 'tcbStatus'))
  requireThat(isTcbStatus(status), below(place, 'tcbStatus'), `unknown status ${JSON.stringify(status)}`)
  const advisories = listOf(fields.advisoryIDs ?? [], below(place, 'advisoryIDs'), (value, at) => {
    const id = textOf(value, at)
    requireThat(/^[A-Z0-9-]{1,40}$/.test(id), at, 'not the number of an advisory')
    return id
  })
  return { status, date: timeOf(fields.tcbDate, below(place, 'tcbDate')), advisories }
}

function svnLevelOf(value: JsonValue, place: Place): SvnLevel {
  const fields = someFieldsOf(value, place, LEVEL, ['advisoryIDs'])
  const tcb = fieldsOf(fields.tcb, below(place, 'tcb'), ['isvsvn'])
  return { ...levelOf(fields, place), isvSvn: countOf(tcb.isvsvn, below(place, 'tcb.isvsvn'), 65_535) }
}

function platformLevelOf(value: JsonValue, place: Place): PlatformLevel {
  const fields = someFieldsOf(value, place, LEVEL, ['advisoryIDs'])
  const at = below(place, 'tcb')
  const tcb = fieldsOf(fields.tcb, at, ['sgxtcbcomponents', 'tdxtcbcomponents', 'pcesvn'])
  return {
    ...levelOf(fields, place),
    sgx: componentsOf(tcb.sgxtcbcomponents, below(at, 'sgxtcbcomponents')),
    tdx: componentsOf(tcb.tdxtcbcomponents, below(at, 'tdxtcbcomponents')),
    pceSvn: countOf(tcb.pcesvn, below(at, 'pcesvn'), 65_535),
  }
}

function componentsOf(value: JsonValue, place: Place): readonly number[] {
  const components = listOf(value, place, (one, at) =>
    countOf(someFieldsOf(one, at, ['svn'], ['category', 'type']).svn, below(at, 'svn'), 255),
  )
  requireThat(components.length === 16, place, 'expected 16 components')
  return components
}

function maskedOf(value: JsonValue, mask: JsonValue, place: Place, bytes: number): Masked {
  return { value: hexOf(value, place, bytes), mask: hexOf(mask, place, bytes) }
}

/** Intel writes either case. */
function hexOf(value: JsonValue, place: Place, bytes: number): string {
  const text = textOf(value, place)
  requireThat(text.length === 2 * bytes && /^[0-9A-Fa-f]*$/.test(text), place, `expected ${bytes} bytes in hexadecimal`)
  return text.toLowerCase()
}

/** fieldsOf, with some that may be missing. */
function someFieldsOf<K extends string, O extends string>(
  value: JsonValue,
  place: Place,
  names: readonly K[],
  optional: readonly O[],
): Record<K, JsonValue> & Partial<Record<O, JsonValue>> {
  requireThat(isObject(value), place, 'expected an object')
  const present = optional.filter((name) => Object.hasOwn(value, name))
  return fieldsOf<K | O>(value, place, [...names, ...present])
}
