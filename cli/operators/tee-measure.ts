// abnpkg tee measure: registers of a TDX guest computed from what it boots, and event logs replayed.
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import type { PageOrder } from '../../trust/tee/measure.ts'
import { type Arguments, type OptionTable, sizeOption, textOption } from '../args.ts'
import type { Surroundings } from '../commands.ts'
import { countText, type Output } from '../output.ts'

export const measureOptions: OptionTable = {
  firmware: { type: 'string', value: 'FILE', help: 'measure: the OVMF image with TDX support, for MRTD' },
  'page-order': { type: 'string', value: 'ORDER', help: 'measure: one-pass or two-pass; both without it' },
  kernel: { type: 'string', value: 'FILE', help: 'measure: the kernel that QEMU loads, for RTMR1 and RTMR2' },
  initrd: { type: 'string', value: 'FILE', help: 'measure: its initrd' },
  append: { type: 'string', value: 'TEXT', help: 'measure: its command line' },
  'old-qemu': {
    type: 'string',
    value: 'MEMORY',
    help: 'measure: QEMU changes the kernel, in a guest of so much memory',
  },
  'event-log': { type: 'string', value: 'FILE', help: 'measure: replay this log (CCEL or JSON)' },
  quote: { type: 'string', value: 'FILE', help: 'measure: compare with this quote; status 1 when something differs' },
}

export const measureDetails = [
  '  measure computes registers of a guest from --firmware and --kernel, replays an --event-log, compares with a --quote',
  '          (docs/tdx.md says what that covers); it believes the quote, so verify that first',
].join('\n')

type Register = 'mrtd' | 'rtmr0' | 'rtmr1' | 'rtmr2' | 'rtmr3'

/** What was found out; several values where it depends on the host. */
type Found = { readonly register: Register; readonly from: string; readonly value: string }

export async function measure(args: Arguments, { output }: Surroundings): Promise<number> {
  const computed = [...(await fromFirmware(args)), ...(await fromKernel(args))]
  const log = await fromLog(args, output)
  const found = [...computed, ...log.found]
  if (found.length === 0) throw usage('give --firmware, --kernel or --event-log')
  const quote = await quoteOf(args)
  const results = found.map((one) => ({
    ...one,
    isEqual: quote === undefined ? undefined : quote[one.register] === one.value,
  }))
  for (const { register, from, value, isEqual } of results) {
    const compared = isEqual === undefined ? '' : isEqual ? '  as in the quote' : '  NOT as in the quote'
    output.line(`${register.toUpperCase()}  ${value}  ${from}${compared}`)
  }
  output.document({ registers: results, events: log.events })
  return Map.groupBy(results, ({ register }) => register)
    .values()
    .every((same) => isAsInQuote(same))
    ? 0
    : 1
}

/** Of two orders of pages one must be right; what was computed and what was replayed must both be. */
function isAsInQuote(results: readonly { readonly from: string; readonly isEqual: boolean | undefined }[]): boolean {
  const [orders, others] = [
    results.filter(({ from }) => from in ORDERS),
    results.filter(({ from }) => !(from in ORDERS)),
  ]
  const isFine = orders.length === 0 || orders.some(({ isEqual }) => isEqual !== false)
  return isFine && others.every(({ isEqual }) => isEqual !== false)
}

const ORDERS: Readonly<Record<PageOrder, true>> = { 'one-pass': true, 'two-pass': true }

async function fromFirmware(args: Arguments): Promise<readonly Found[]> {
  const file = textOption(args, 'firmware')
  if (file === undefined) return []
  const orders = ordersOf(args)
  const { parseTdvf, maximumImageBytes } = await import('../../trust/tee/tdvf.ts')
  const { mrtdOf } = await import('../../trust/tee/measure.ts')
  const parsed = parseTdvf(contentOf(file, maximumImageBytes))
  return orders.map((order) => ({ register: 'mrtd', from: order, value: mrtdOf(parsed, order).toHex() }))
}

function ordersOf(args: Arguments): readonly PageOrder[] {
  const text = textOption(args, 'page-order')
  if (text === undefined) return ['one-pass', 'two-pass']
  if (text === 'one-pass' || text === 'two-pass') return [text]
  throw usage(`--page-order: expected one-pass or two-pass, got '${text}'`)
}

async function fromKernel(args: Arguments): Promise<readonly Found[]> {
  const file = textOption(args, 'kernel')
  const initrdFile = textOption(args, 'initrd')
  const commandLine = textOption(args, 'append')
  const memoryBytes = sizeOption(args, 'old-qemu')
  if (file === undefined) {
    if (initrdFile === undefined && commandLine === undefined && memoryBytes === undefined) return []
    throw usage('--initrd, --append and --old-qemu go with --kernel')
  }
  const { directBootRegisters, patchedByQemu } = await import('../../trust/tee/measure-boot.ts')
  const given = contentOf(file, maximumBootBytes)
  const initrd = initrdFile === undefined ? undefined : contentOf(initrdFile, maximumBootBytes)
  const kernel = memoryBytes === undefined ? given : patchedByQemu(given, { memoryBytes, initrdBytes: initrd?.length })
  const { rtmr1, rtmr2 } = directBootRegisters({ kernel, initrd, commandLine: commandLine ?? '' })
  return [
    { register: 'rtmr1', from: 'kernel', value: rtmr1.toHex() },
    { register: 'rtmr2', from: 'command line and initrd', value: rtmr2.toHex() },
  ]
}

type ReplayedLog = { readonly found: readonly Found[]; readonly events: readonly unknown[] | undefined }

async function fromLog(args: Arguments, output: Output): Promise<ReplayedLog> {
  const file = textOption(args, 'event-log')
  if (file === undefined) return { found: [], events: undefined }
  const { maximumLogBytes, parseEventLog, replay } = await import('../../trust/tee/event-log.ts')
  const { checkEvent, explain } = await import('../../trust/tee/event-log-explain.ts')
  const events = parseEventLog(contentOf(file, maximumLogBytes))
  const replayed = replay(events)
  const explained = events.map((event) => ({
    register: event.register,
    type: event.type,
    digest: event.digest.toHex(),
    check: checkEvent(event),
    text: explain(event),
  }))
  output.line(`${countText(events.length, 'event')} in ${file}`)
  for (const { check, text } of explained) output.line(`  ${MARKS[check]} ${text}`)
  output.line('  = follows from the digest, ~ follows but for its name, ? is said only, ! does not give its digest')
  const registers = ['rtmr0', 'rtmr1', 'rtmr2', 'rtmr3'] as const
  const found = registers.map((register) => ({ register, from: 'event log', value: replayed[register].toHex() }))
  return { found, events: explained }
}

const MARKS = { recomputed: '=', content: '~', elsewhere: '?', differs: '!' } as const

async function quoteOf(args: Arguments): Promise<Readonly<Record<Register, string>> | undefined> {
  const file = textOption(args, 'quote')
  if (file === undefined) return undefined
  const { maximumQuoteBytes, parseQuote } = await import('../../trust/tee/quote.ts')
  const { mrTd, rtmr0, rtmr1, rtmr2, rtmr3 } = parseQuote(contentOf(file, maximumQuoteBytes)).body
  return {
    mrtd: mrTd.toHex(),
    rtmr0: rtmr0.toHex(),
    rtmr1: rtmr1.toHex(),
    rtmr2: rtmr2.toHex(),
    rtmr3: rtmr3.toHex(),
  }
}

const maximumBootBytes = 1024 * 1024 * 1024

function contentOf(file: string, maximum: number): Uint8Array {
  const path = resolve(file)
  try {
    if (statSync(path).size > maximum) throw new RangeError(`larger than ${maximum} bytes`)
    return new Uint8Array(readFileSync(path))
  } catch (cause) {
    throw new AbnError('ABN_TEE_FILE', `cannot read ${file}`, { cause })
  }
}

function usage(reason: string): AbnError {
  const hint = 'abnpkg tee measure --firmware OVMF.fd --kernel vmlinuz --initrd initrd --append "console=ttyS0"'
  return new AbnError('ABN_USAGE', `tee measure: ${reason}`, { hint })
}
