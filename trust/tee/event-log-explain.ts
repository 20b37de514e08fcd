/**
 * What an event says, for people, and whether that can be believed. The digest of an event is vouched for by the quote once a
 * replay gives the quote's registers. What stands beside it in the log is not, unless it gives the digest when it is hashed by one
 * of the rules of the kind of event (TCG, "PC Client Platform Firmware Profile", section 10.4; GRUB, shim and dstack have their own).
 */
import { concat, isEqualBytes, utf8 } from '../bytes.ts'
import type { LoggedEvent } from './event-log.ts'
import { encodeLittleEndian, littleEndian } from './layout.ts'
import { sha384 } from './measure.ts'
import { guidText } from './tdvf.ts'

/**
 * `recomputed`: the digest follows from the data. `content`: from a part of it, so that what the log calls that part is not vouched for.
 * `elsewhere`: it is of something that the log does not hold. `differs`: it should follow from the data and does not, so that
 * somebody has changed the log, or the firmware has a rule of its own. The kind of event is never vouched for.
 */
export type EventCheck = 'recomputed' | 'content' | 'elsewhere' | 'differs'

export function checkEvent(event: LoggedEvent): EventCheck {
  const { whole, content, isComplete } = candidatesOf(event)
  const gives = (candidate: Uint8Array) => isEqualBytes(sha384(candidate), event.digest)
  if (whole.some(gives)) return 'recomputed'
  if (content !== undefined && gives(content)) return 'content'
  return isComplete ? 'differs' : 'elsewhere'
}

/** One line, without characters that a terminal would act upon. */
export function explain(event: LoggedEvent): string {
  const { kind, label, content } = describe(event)
  const what = `RTMR${event.register} ${kind}`
  const all = [label, content].filter((text) => text !== '').join(' ')
  const check = checkEvent(event)
  if (check === 'recomputed') return all === '' ? what : `${what}: ${all}`
  if (check === 'content') return `${what}: ${content}, said to be ${label}`
  return `${what}${all === '' ? '' : `, said to be ${all}`}${check === 'differs' ? ' (does not give its digest)' : ''}`
}

/** Kinds of events, and whether the digest is always that of the whole data. */
const KINDS: ReadonlyMap<number, readonly [kind: string, isOfData: boolean]> = new Map([
  [0x1, ['code', false]],
  [0x4, ['separator', true]],
  [0x5, ['action', true]],
  [0x6, ['Linux', false]],
  [0x8, ['version of the firmware', true]],
  [0xa, ['table of the host', false]],
  [0xd, ['boot loader', false]],
  [0x8000001, ['dstack', true]],
  [0x80000001, ['UEFI variable', true]],
  [0x80000002, ['UEFI boot variable', true]],
  [0x80000003, ['EFI program', false]],
  [0x80000004, ['EFI driver', false]],
  [0x80000006, ['partition table', true]],
  [0x80000007, ['EFI action', true]],
  [0x80000008, ['firmware volume', false]],
  [0x80000009, ['tables handed on', false]],
  [0x8000000a, ['firmware volume', false]],
  [0x8000000b, ['tables handed on', false]],
  [0x8000000c, ['UEFI boot variable', true]],
  // Newer firmware writes something else beside the digest than what it has hashed.
  [0x800000e0, ['UEFI authority', false]],
])

type Candidates = {
  /** All that the log says, in one of these forms. */
  readonly whole: readonly Uint8Array[]
  readonly content: Uint8Array | undefined
  /** One of them must have been hashed. */
  readonly isComplete: boolean
}

function candidatesOf({ type, data, name }: LoggedEvent): Candidates {
  const [, isComplete = false] = KINDS.get(type) ?? []
  if (type === DSTACK) {
    const named = [encodeLittleEndian(type, 4), utf8(':'), utf8(name ?? ''), utf8(':'), data]
    return { whole: [concat(named)], content: undefined, isComplete }
  }
  if (VARIABLES.has(type)) return { whole: [data], content: variableOf(data)?.content, isComplete }
  if (type !== BOOT_LOADER) return { whole: [data], content: undefined, isComplete }
  const text = withoutEnd(data)
  return { whole: [data, text], content: text.subarray(labelBytes(text)), isComplete }
}

/** GRUB's "grub_cmd: " and "kernel_cmdline: " are not hashed. */
function labelBytes(text: Uint8Array): number {
  const colon = text.indexOf(0x3a)
  return colon > 0 && colon < 32 && text[colon + 1] === 0x20 ? colon + 2 : 0
}

function withoutEnd(data: Uint8Array): Uint8Array {
  return data.at(-1) === 0 ? data.subarray(0, -1) : data
}

const DSTACK = 0x08000001
const BOOT_LOADER = 0xd
const VARIABLES: ReadonlySet<number> = new Set([0x80000001, 0x80000002, 0x8000000c, 0x800000e0])

type Description = { readonly kind: string; readonly label: string; readonly content: string }

function describe({ type, data, name }: LoggedEvent): Description {
  const [kind] = KINDS.get(type) ?? [`event of type 0x${type.toString(16)}`]
  const variable = VARIABLES.has(type) ? variableOf(data) : undefined
  if (variable !== undefined) {
    return { kind, label: `${plain(variable.name)} (${variable.guid})`, content: shown(variable.content) }
  }
  if (type === DSTACK) return { kind, label: plain(name ?? ''), content: shown(data) }
  if (type === 0x6 && data.length > 8) return { kind, label: '', content: shown(data.subarray(8)) }
  if (type === 0x80000003 || type === 0x80000004) return { kind, label: '', content: filesIn(data) }
  if (type !== BOOT_LOADER) return { kind, label: '', content: shown(data) }
  const at = labelBytes(data)
  return { kind, label: plain(new TextDecoder().decode(data.subarray(0, at))), content: shown(data.subarray(at)) }
}

type Variable = { readonly guid: string; readonly name: string; readonly content: Uint8Array }

/** UEFI_VARIABLE_DATA: GUID, characters of the name, bytes of the content, both. */
function variableOf(data: Uint8Array): Variable | undefined {
  if (data.length < 32) return undefined
  const characters = littleEndian(data.subarray(16, 24))
  const bytes = littleEndian(data.subarray(24, 32))
  if (32 + 2 * characters + bytes !== data.length) return undefined
  const end = 32 + 2 * characters
  return {
    guid: guidText(data.subarray(0, 16)),
    name: new TextDecoder('utf-16le').decode(data.subarray(32, end)),
    content: data.subarray(end),
  }
}

/** Texts of at least three characters in UTF-16, which is how a device path names files. */
function filesIn(data: Uint8Array): string {
  const text = Array.from(data, (byte) => String.fromCharCode(byte)).join('')
  const found = [...text.matchAll(/(?:[\x20-\x7e]\0){3,}/g)].map(([match]) => match.replaceAll('\0', ''))
  return plain(found.join(' '))
}

function shown(data: Uint8Array): string {
  const text = withoutEnd(data)
  const isText = text.length > 0 && text.every((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 0x0a)
  if (isText) return plain(new TextDecoder().decode(text))
  return data.length > 32 ? `${data.slice(0, 32).toHex()}… (${data.length} bytes)` : data.toHex()
}

function plain(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]+/g, ' ').trim()
  return clean.length > 200 ? `${clean.slice(0, 200)}…` : clean
}
