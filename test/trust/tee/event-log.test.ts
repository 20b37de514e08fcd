// Event logs: real ones must replay to the registers of their quotes; damaged ones are refused.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { utf8 } from '../../../trust/bytes.ts'
import { type LoggedEvent, parseEventLog, replay } from '../../../trust/tee/event-log.ts'
import { checkEvent, explain } from '../../../trust/tee/event-log-explain.ts'
import { registerOf, sha384 } from '../../../trust/tee/measure.ts'
import { rtmr1Of } from '../../../trust/tee/measure-boot.ts'
import { parseQuote } from '../../../trust/tee/quote.ts'

const samples = join(import.meta.dirname, '../../../../shared/testdata/tdx')
const sample = (path: string) => new Uint8Array(readFileSync(join(samples, path)))
const gcp = 'eventlogs/gcp-cos113-ccel.bin'
const dstack = 'eventlogs/dstack-quote-report.json'
const eventOf = (event: Partial<LoggedEvent> & Pick<LoggedEvent, 'type'>): LoggedEvent => ({
  register: 0,
  digest: new Uint8Array(48),
  data: new Uint8Array(),
  name: undefined,
  ...event,
})

function example(name: string): string {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/formats/event-log.md'), 'utf8')
  const match = new RegExp(`^\`\`\`\\w+ example=${name}\\n(.*?)\\n\`\`\`$`, 'ms').exec(text)
  if (match?.[1] === undefined) throw new Error(`no example ${name}`)
  return match[1]
}

test('event-log.md', (t) => {
  const events = parseEventLog(Uint8Array.fromHex(example('ccel')))
  t.is(events.map(explain).join('\n'), example('explained'))
  t.is(replay(events).rtmr1.toHex(), example('rtmr1'))
})

for (const { log, quote, events, checks } of [
  {
    log: gcp,
    quote: 'quotes/v4-gcp-cos113-eventlog.bin',
    events: 43,
    checks: { recomputed: 13, content: 18, elsewhere: 12, differs: 0 },
  },
  {
    log: dstack,
    quote: 'quotes/v4-dstack-eventlog.bin',
    events: 28,
    checks: { recomputed: 18, content: 2, elsewhere: 8, differs: 0 },
  },
]) {
  test(`${log} replays to the registers of its quote`, (t) => {
    if (!existsSync(samples)) return t.pass('no samples here')
    const parsed = parseEventLog(sample(log))
    t.is(parsed.length, events)
    const { rtmr0, rtmr1, rtmr2, rtmr3 } = parseQuote(sample(quote)).body
    t.deepEqual(replay(parsed), { rtmr0, rtmr1, rtmr2, rtmr3 })
    for (const one of parsed.map(explain)) t.regex(one, /^RTMR[0-3] [\x20-\x7e…]+$/)
    const counts = { recomputed: 0, content: 0, elsewhere: 0, differs: 0 }
    for (const event of parsed) counts[checkEvent(event)]++
    t.deepEqual(counts, checks)
  })

  test(`${log} does not replay with an event less, in another order, or in another register`, (t) => {
    if (!existsSync(samples)) return t.pass('no samples here')
    const parsed = parseEventLog(sample(log))
    const right = JSON.stringify(replay(parsed))
    const [first, second, ...rest] = parsed
    if (first === undefined || second === undefined) throw new Error('no events')
    for (const wrong of [
      [second, ...rest],
      [second, first, ...rest],
      [{ ...first, register: 3 } as const, second, ...rest],
      [first, first, second, ...rest],
    ]) {
      t.not(JSON.stringify(replay(wrong)), right)
    }
  })
}

test('the rules of a direct boot give RTMR1 of a real guest from the digest of its kernel', (t) => {
  if (!existsSync(samples)) return t.pass('no samples here')
  const events = parseEventLog(sample(dstack))
  const { rtmr1, rtmr2 } = parseQuote(sample('quotes/v4-dstack-eventlog.bin')).body
  const [kernel] = events.filter(({ type }) => type === 0x80000003)
  t.deepEqual(kernel && rtmr1Of(kernel.digest), rtmr1)
  const linux = events.filter(({ type }) => type === 6)
  t.deepEqual(
    linux.map((event) => explain(event).replace(/.*said to be /, '')),
    ['LOADED_IMAGE::LoadOptions', 'Linux initrd'],
  )
  t.deepEqual(registerOf(linux.map(({ digest }) => digest)), rtmr2)
})

test('the volume of variables that a real guest measured is the one that Debian ships', (t) => {
  const file = '/usr/share/OVMF/OVMF_VARS_4M.fd'
  if (!existsSync(samples) || !existsSync(file)) return t.pass('no samples, or ovmf is not installed')
  const volume = parseEventLog(sample(dstack)).find(({ type }) => type === 0x8000000a)
  t.deepEqual(volume?.digest, sha384(new Uint8Array(readFileSync(file))))
})

test('a changed text does not give its digest', (t) => {
  const data = utf8('Exit Boot Services Invocation')
  const event = eventOf({ register: 1, type: 0x80000007, digest: sha384(data), data })
  t.is(checkEvent(event), 'recomputed')
  t.is(explain(event), 'RTMR1 EFI action: Exit Boot Services Invocation')
  const changed = { ...event, data: utf8('All is well') }
  t.is(checkEvent(changed), 'differs')
  t.is(explain(changed), 'RTMR1 EFI action, said to be All is well (does not give its digest)')
})

test('what is not hashed is only said', (t) => {
  const text = 'kernel_cmdline: ro\0'
  const event = eventOf({ register: 2, type: 0xd, digest: sha384(utf8('ro')), data: utf8(text) })
  t.is(explain(event), 'RTMR2 boot loader: ro, said to be kernel_cmdline:')
  t.is(explain({ ...event, digest: sha384(utf8(text.slice(0, -1))) }), 'RTMR2 boot loader: kernel_cmdline: ro')
  t.is(checkEvent({ ...event, digest: sha384(utf8('rw')) }), 'elsewhere')
  t.is(explain(eventOf({ type: 0x77 })), 'RTMR0 event of type 0x77')
})

test('a name of dstack cannot be changed', (t) => {
  const name = 'app-id'
  const digest = sha384(new Uint8Array([1, 0, 0, 8, ...utf8(':app-id:'), 7]))
  const event = eventOf({ register: 3, type: 0x08000001, digest, data: Uint8Array.of(7), name })
  t.is(checkEvent(event), 'recomputed')
  t.is(checkEvent({ ...event, name: 'app-id2' }), 'differs')
})

test('no event brings control characters to a terminal', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 80 }),
      fc.constantFrom(4, 6, 0xd, 0x08000001, 0x80000001, 0x80000003, 0x80000007, 99),
      fc.string(),
      (data, type, name) => /^[\x20-\x7e…]*$/.test(explain(eventOf({ data, type, name, digest: sha384(data) }))),
    ),
  )
  t.pass()
})

type CcelSpec = { readonly first?: Uint8Array; readonly events?: readonly Uint8Array[]; readonly filling?: Uint8Array }

function le(value: number, bytes = 4): number[] {
  return Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** i) % 256)
}

function firstEvent({
  type = 3,
  signature = 'Spec ID Event03\0',
  algorithms = [[12, 48]],
  vendor = 0,
} = {}): Uint8Array {
  const body = [...utf8(signature), ...le(0), 0, 2, 0, 2, ...le(algorithms.length)]
  const all = [...body, ...algorithms.flatMap(([id = 0, size = 0]) => [...le(id, 2), ...le(size, 2)]), vendor]
  return Uint8Array.from([...le(0), ...le(type), ...new Array<number>(20).fill(0), ...le(all.length), ...all])
}

type EventSpec = {
  readonly register?: number
  readonly type?: number
  readonly digests?: readonly (readonly number[])[]
  readonly data?: readonly number[]
  readonly length?: number
}

function event({ register = 1, type = 4, digests = [[12, 48]], data = [0, 0, 0, 0], length }: EventSpec = {}) {
  const all = digests.flatMap(([id = 0, size = 0]) => [...le(id, 2), ...new Array<number>(size).fill(5)])
  return Uint8Array.from([
    ...le(register),
    ...le(type),
    ...le(digests.length),
    ...all,
    ...le(length ?? data.length),
    ...data,
  ])
}

function ccel({ first = firstEvent(), events = [event()], filling = new Uint8Array(40).fill(0xff) }: CcelSpec = {}) {
  return Uint8Array.from([first, ...events, filling].flatMap((part) => [...part]))
}

test('a log of one event, filled up with ones, zeros or nothing', (t) => {
  for (const filling of [new Uint8Array(40).fill(0xff), new Uint8Array(40), new Uint8Array()]) {
    const [only, ...more] = parseEventLog(ccel({ filling }))
    t.deepEqual(only, eventOf({ type: 4, digest: new Uint8Array(48).fill(5), data: new Uint8Array(4) }))
    t.deepEqual(more, [])
  }
})

test('what is told and not measured changes no register', (t) => {
  const events = [event({ type: 3, register: 0 }), event({ register: 4 })]
  t.deepEqual(
    parseEventLog(ccel({ events })).map(({ register }) => register),
    [3],
  )
})

test('digests of other algorithms are passed over', (t) => {
  const algorithms = [
    [11, 32],
    [12, 48],
  ]
  const log = ccel({ first: firstEvent({ algorithms }), events: [event({ digests: algorithms })] })
  t.is(parseEventLog(log).length, 1)
})

const damaged: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['nothing', new Uint8Array(), /cut short/],
  ['only its beginning', ccel().slice(0, 40), /cut short/],
  ['an event that is cut off', ccel({ filling: new Uint8Array() }).slice(0, -1), /cut short/],
  ['no description', ccel({ first: firstEvent({ type: 4 }) }), /first event/],
  ['the old form', ccel({ first: firstEvent({ signature: 'Spec ID Event00\0' }) }), /several algorithms/],
  ['no algorithm', ccel({ first: firstEvent({ algorithms: [] }) }), /0 algorithms/],
  [
    'an algorithm twice',
    ccel({
      first: firstEvent({
        algorithms: [
          [12, 48],
          [12, 48],
        ],
      }),
    }),
    /damaged/,
  ],
  ['another length of SHA-384', ccel({ first: firstEvent({ algorithms: [[12, 32]] }) }), /algorithm 12/],
  ['no SHA-384', ccel({ first: firstEvent({ algorithms: [[11, 32]] }) }), /no SHA-384/],
  ['a description that says more', ccel({ first: firstEvent({ vendor: 1 }) }), /cut short/],
  ['an event without a digest', ccel({ events: [event({ digests: [] })] }), /0 digests/],
  ['an event with another digest', ccel({ events: [event({ digests: [[11, 32]] })] }), /algorithm 11/],
  ['MRTD extended', ccel({ events: [event({ register: 0 })] }), /register 0/],
  ['a register that is none', ccel({ events: [event({ register: 5 })] }), /register 5/],
  ['an event that is longer than the log', ccel({ events: [event({ length: 2 ** 31 })] }), /cut short/],
  ['something behind the filling', ccel({ filling: Uint8Array.of(255, 255, 255, 255, 1) }), /cut short|register/],
  ['too many bytes', new Uint8Array(4 * 1024 * 1024 + 1), /at most/],
  ['too many events', ccel({ events: new Array<Uint8Array>(8193).fill(event({ data: [] })) }), /more than 8192/],
]

for (const [title, bytes, message] of damaged) {
  test(`a log is refused with ${title}`, (t) => {
    t.throws(() => parseEventLog(bytes), { code: 'ABN_TEE_EVENT_LOG', message })
  })
}

const json = { imr: 3, event_type: 4, digest: 'ab'.repeat(48), event: '', event_payload: '00' }
test('the JSON form, alone and in a report', (t) => {
  const list = JSON.stringify([json])
  const expected = [eventOf({ register: 3, type: 4, digest: new Uint8Array(48).fill(0xab), data: Uint8Array.of(0) })]
  for (const text of [
    list,
    ` ${JSON.stringify({ event_log: list, quote: '' })}`,
    JSON.stringify({ event_log: [json] }),
  ]) {
    t.deepEqual(parseEventLog(utf8(text)), expected)
  }
})

for (const [title, text] of [
  ['an unknown member', JSON.stringify([{ ...json, more: 1 }])],
  ['a missing member', JSON.stringify([{ ...json, event: undefined }])],
  ['a member twice', JSON.stringify([json]).replace('"imr":3', '"imr":3,"imr":0')],
  ['a register that is none', JSON.stringify([{ ...json, imr: 4 }])],
  ['a short digest', JSON.stringify([{ ...json, digest: 'ab' }])],
  ['uppercase hexadecimal', JSON.stringify([{ ...json, event_payload: 'AB' }])],
  ['a type that is none', JSON.stringify([{ ...json, event_type: 2 ** 32 }])],
  ['no list', JSON.stringify({ event_log: 5 })],
  ['a report without a log', JSON.stringify({ quote: '' })],
  ['too many events', JSON.stringify(new Array(8193).fill(0))],
  ['bytes that are not UTF-8', undefined],
] as const) {
  test(`the JSON form is refused with ${title}`, (t) => {
    const bytes = text === undefined ? Uint8Array.of(0x5b, 0xff) : utf8(text)
    t.throws(() => parseEventLog(bytes), { code: 'ABN_TEE_EVENT_LOG' })
  })
}
