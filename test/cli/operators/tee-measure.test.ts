// abnpkg tee measure: what it prints and the status it ends with.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { parseArguments } from '../../../cli/args.ts'
import { tee } from '../../../cli/commands/tee.ts'
import type { Output } from '../../../cli/output.ts'
import { mrtdOf } from '../../../trust/tee/measure.ts'
import { directBootRegisters, patchedByQemu } from '../../../trust/tee/measure-boot.ts'
import { mintSimulated } from '../../../trust/tee/simulated.ts'
import { parseTdvf } from '../../../trust/tee/tdvf.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { kernel, tdvf } from '../../trust/tee/image.ts'

async function run(...argv: readonly string[]) {
  const lines: string[] = []
  const documents: unknown[] = []
  const output: Output = {
    isJson: false,
    isLive: false,
    line: (text = '') => void lines.push(text),
    document: (value) => void documents.push(value),
    note: () => {},
    raw: () => {},
    live: () => {},
    failure: () => {},
    paint: (_, text) => text,
  }
  const args = parseArguments(['measure', ...argv], tee.options)
  const status = await tee.run(args, { output, signal: new AbortController().signal })
  return { status, lines, documents }
}

function files(t: ExecutionContext) {
  const directory = temporaryDirectory(t)
  return (name: string, content: Uint8Array | string) => {
    writeFileSync(join(directory, name), content)
    return join(directory, name)
  }
}

const initrd = Uint8Array.of(1, 2, 3)
const parsed = parseTdvf(tdvf())
const [onePass, twoPass] = [mrtdOf(parsed, 'one-pass').toHex(), mrtdOf(parsed, 'two-pass').toHex()]

test('MRTD in both orders, or in one', async (t) => {
  const firmware = files(t)('tdvf.fd', tdvf())
  const { status, lines } = await run('--firmware', firmware)
  t.is(status, 0)
  t.deepEqual(lines, [`MRTD  ${onePass}  one-pass`, `MRTD  ${twoPass}  two-pass`])
  t.deepEqual((await run('--firmware', firmware, '--page-order', 'two-pass')).lines, [`MRTD  ${twoPass}  two-pass`])
})

test('a direct boot, with and without what old QEMU changes', async (t) => {
  const file = files(t)
  const options = ['--kernel', file('vmlinuz', kernel()), '--initrd', file('initrd', initrd), '--append', 'ro']
  const plain = directBootRegisters({ kernel: kernel(), initrd, commandLine: 'ro' })
  const changed = patchedByQemu(kernel(), { memoryBytes: 2 ** 30, initrdBytes: 3 })
  const old = directBootRegisters({ kernel: changed, initrd, commandLine: 'ro' })
  const linesOf = ({ rtmr1, rtmr2 }: typeof plain) => [
    `RTMR1  ${rtmr1.toHex()}  kernel`,
    `RTMR2  ${rtmr2.toHex()}  command line and initrd`,
  ]
  t.deepEqual((await run(...options)).lines, linesOf(plain))
  t.deepEqual((await run(...options, '--old-qemu', '1Gi')).lines, linesOf(old))
  t.notDeepEqual(plain.rtmr1, old.rtmr1)
  t.deepEqual(plain.rtmr2, old.rtmr2)
})

test('a comparison with a quote decides the status; one of the two orders is enough', async (t) => {
  const file = files(t)
  const firmware = file('tdvf.fd', tdvf())
  const quoteWith = (mrTd: Uint8Array) => file('quote.bin', mintSimulated({ now: 0x6000_0000, body: { mrTd } }).quote)
  const right = await run('--firmware', firmware, '--quote', quoteWith(mrtdOf(parsed, 'two-pass')))
  t.is(right.status, 0)
  t.deepEqual(right.lines, [
    `MRTD  ${onePass}  one-pass  NOT as in the quote`,
    `MRTD  ${twoPass}  two-pass  as in the quote`,
  ])
  t.is((await run('--firmware', firmware, '--quote', quoteWith(new Uint8Array(48)))).status, 1)
  const only = ['--page-order', 'one-pass']
  t.is((await run('--firmware', firmware, ...only, '--quote', quoteWith(mrtdOf(parsed, 'two-pass')))).status, 1)
})

test('an event log is replayed', async (t) => {
  const file = files(t)
  const event = { imr: 2, event_type: 4, digest: 'ab'.repeat(48), event: '', event_payload: '00' }
  const { status, lines, documents } = await run('--event-log', file('log.json', JSON.stringify([event])))
  t.is(status, 0)
  t.regex(lines[0] ?? '', /^1 event in /)
  t.is(lines[1], '  ! RTMR2 separator, said to be 00 (does not give its digest)')
  t.is(lines.length, 7)
  t.like(documents[0], { events: [{ register: 2, check: 'differs' }] })
  const quote = file('quote.bin', mintSimulated({ now: 0x6000_0000 }).quote)
  t.is((await run('--event-log', file('log.json', JSON.stringify([event])), '--quote', quote)).status, 1)
})

for (const [title, argv, code] of [
  ['nothing to measure', [], 'ABN_USAGE'],
  ['a quote alone', ['--quote', 'x'], 'ABN_USAGE'],
  ['an initrd without a kernel', ['--initrd', 'x'], 'ABN_USAGE'],
  ['a file that is not there', ['--firmware', '/nonexistent'], 'ABN_TEE_FILE'],
  ['an unknown order', ['--firmware', import.meta.filename, '--page-order', 'three'], 'ABN_USAGE'],
  ['a file that is no firmware', ['--firmware', import.meta.filename], 'ABN_TEE_IMAGE'],
] as const) {
  test(`refused: ${title}`, async (t) => {
    await t.throwsAsync(run(...argv), { code })
  })
}
