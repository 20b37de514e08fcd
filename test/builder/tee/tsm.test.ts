// Getting a quote as the kernel documents it, against a kernel of our own in memory, and through real files by another process.
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { kernelFiles } from '../../../builder/tee/files.ts'
import { teeProvider } from '../../../builder/tee/provider.ts'
import { extendRuntimeRegister } from '../../../builder/tee/runtime-register.ts'
import { quoteFromTsm } from '../../../builder/tee/tsm.ts'
import { parseSha256 } from '../../../format/hash.ts'
import { qeVendorIds } from '../../../trust/tee/chain.ts'
import { parseCollateral } from '../../../trust/tee/collateral.ts'
import { extendRegister } from '../../../trust/tee/measure.ts'
import { runtimeRegisterOf } from '../../../trust/tee/measure-runtime.ts'
import { parseQuote } from '../../../trust/tee/quote.ts'
import { mintSimulated, simulatedRoot } from '../../../trust/tee/simulated.ts'
import { verifyQuote } from '../../../trust/tee/verify.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { errno, type FakeKernelSpec, fakeKernel } from './fake-kernel.ts'

const now = Date.parse('2026-11-22T00:00:00Z') / 1000
const reportData = Uint8Array.from({ length: 64 }, (_, i) => i)
const pause = async () => {}

/** In the form of a quote of Intel's; no root has signed it. */
function quoteOver(data: Uint8Array): Uint8Array {
  return mintSimulated({ now, reportData: data, changes: { header: { qeVendorId: qeVendorIds.intel } } }).quote
}

function ask(spec: FakeKernelSpec = {}) {
  const kernel = fakeKernel({ quote: quoteOver, ...spec })
  return { kernel, quote: quoteFromTsm(reportData, { files: kernel, pause }) }
}

test('a quote, and nothing is left behind', async (t) => {
  const { kernel, quote } = ask()
  t.deepEqual(parseQuote(await quote).body.reportData, reportData)
  t.deepEqual(kernel.calls, [
    'make',
    'read provider',
    'read generation',
    'write inblob',
    'read outblob',
    'read generation',
    'remove',
  ])
  t.is(kernel.entries.size, 0)
})

test('the driver takes 64 bytes, no fewer and no more', async (t) => {
  for (const length of [0, 63, 65]) {
    await t.throwsAsync(quoteFromTsm(new Uint8Array(length), { files: fakeKernel() }), { instanceOf: TypeError })
  }
})

for (const call of ['make', 'read provider', 'read generation', 'write inblob', 'read outblob']) {
  for (const code of ['EBUSY', 'EAGAIN', 'EINTR']) {
    test(`${code} at ${call} is waited for`, async (t) => {
      const { kernel, quote } = ask({ fault: (name, number) => (name === call && number <= 3 ? code : undefined) })
      t.deepEqual(parseQuote(await quote).body.reportData, reportData)
      t.is(kernel.entries.size, 0)
    })
  }
}

test('not for ever', async (t) => {
  const { kernel, quote } = ask({ fault: (name) => (name === 'read outblob' ? 'EBUSY' : undefined) })
  await t.throwsAsync(quote, { code: 'ABN_TEE_GUEST', message: /busy, 6 times/ })
  t.is(kernel.calls.filter((call) => call === 'make').length, 6)
  t.is(kernel.entries.size, 0)
})

test('each pause is longer than the one before', async (t) => {
  const pauses: number[] = []
  const files = fakeKernel({ fault: (name) => (name === 'make' ? 'EBUSY' : undefined) })
  await t.throwsAsync(quoteFromTsm(reportData, { files, pause: async (ms) => void pauses.push(ms) }))
  t.deepEqual(pauses, [100, 200, 400, 800, 1600])
})

test('somebody else who writes between is noticed, and the quote over his data never handed out', async (t) => {
  const other = new Uint8Array(64).fill(9)
  const once = ask({
    meanwhile: (entry, number) => {
      if (number > 1) return
      entry.generation++
      entry.inblob = other
    },
  })
  t.deepEqual(parseQuote(await once.quote).body.reportData, reportData)
  t.is(once.kernel.calls.filter((call) => call === 'make').length, 2)
  const always = ask({ meanwhile: (entry) => void entry.generation++ })
  await t.throwsAsync(always.quote, { code: 'ABN_TEE_GUEST', message: /generation went from 0 to 2/ })
})

test('a write that did nothing is noticed', async (t) => {
  const { quote } = ask({ meanwhile: (entry) => void entry.generation-- })
  await t.throwsAsync(quote, { code: 'ABN_TEE_GUEST', message: /generation went from 0 to 0/ })
})

for (const [title, spec, code, message] of [
  ['another provider', { provider: 'sev_guest\n' }, 'ABN_TEE_UNAVAILABLE', /"sev_guest", expected "tdx_guest"/],
  ['a provider that only begins alike', { provider: 'tdx_guest2\n' }, 'ABN_TEE_UNAVAILABLE', /tdx_guest2/],
  ['no provider', { provider: '' }, 'ABN_TEE_UNAVAILABLE', /the provider is ""/],
  ['a generation that is no number', { generation: () => '1x\n' }, 'ABN_TEE_GUEST', /generation is/],
  ['nothing', { quote: () => new Uint8Array() }, 'ABN_TEE_GUEST', /empty/],
  [
    'a short quote',
    { quote: (data: Uint8Array) => quoteOver(data).slice(0, 900) },
    'ABN_TEE_GUEST',
    /none that this version/,
  ],
  ['a huge one', { quote: () => new Uint8Array(40_000) }, 'ABN_TEE_GUEST', /more than 32768/],
  [
    'another kind of evidence',
    { quote: () => Buffer.from('d28443a10126a0', 'hex') },
    'ABN_TEE_GUEST',
    /none that this version/,
  ],
  [
    'a newer version of a quote',
    { quote: (data: Uint8Array) => quoteOver(data).with(0, 6) },
    'ABN_TEE_GUEST',
    /none that this version/,
  ],
  ['an answer to another question', { quote: () => quoteOver(new Uint8Array(64)) }, 'ABN_TEE_GUEST', /over other data/],
  [
    'a quote of the simulated TEE',
    { quote: (data: Uint8Array) => mintSimulated({ now, reportData: data }).quote },
    'ABN_TEE_GUEST',
    /simulated/,
  ],
] as const) {
  test(`refused: ${title}`, async (t) => {
    const { kernel, quote } = ask(spec)
    await t.throwsAsync(quote, { code, message })
    t.is(kernel.entries.size, 0)
  })
}

for (const [call, code, message] of [
  ['make', 'EACCES', /this user may not ask/],
  ['make', 'EPERM', /this user may not ask/],
  ['make', 'ENOENT', /this kernel gives none/],
  ['make', 'ENXIO', /this kernel gives none/],
  ['write inblob', 'EACCES', /this user may not ask/],
  ['write inblob', 'EINVAL', /the kernel gave none/],
  ['read outblob', 'ETIMEDOUT', /the host makes none/],
  ['read outblob', 'EIO', /the host makes none/],
  ['read outblob', 'EFBIG', /larger than/],
] as const) {
  test(`${code} at ${call} ends it, tidily`, async (t) => {
    const { kernel, quote } = ask({ fault: (name) => (name === call ? code : undefined) })
    await t.throwsAsync(quote, { code: 'ABN_TEE_UNAVAILABLE', message })
    t.is(kernel.entries.size, 0)
    t.is(kernel.calls.filter((one) => one === 'make').length, 1)
  })
}

test('an entry that cannot be removed does not cost the quote', async (t) => {
  const { quote } = ask({ fault: (name) => (name === 'remove' ? 'EBUSY' : undefined) })
  t.deepEqual(parseQuote(await quote).body.reportData, reportData)
})

test('interrupted between two attempts', async (t) => {
  const stop = new AbortController()
  const reason = new Error('stopped')
  const files = fakeKernel({ fault: (name) => (name === 'make' ? 'EBUSY' : undefined) })
  setImmediate(() => stop.abort(reason))
  t.is(await t.throwsAsync(quoteFromTsm(reportData, { files, signal: stop.signal })), reason)
})

test('a machine that is no TDX guest says so', async (t) => {
  const directory = join(temporaryDirectory(t), 'tsm/report')
  await t.throwsAsync(quoteFromTsm(reportData, { directory }), {
    code: 'ABN_TEE_UNAVAILABLE',
    message: /this kernel gives none/,
  })
})

/** The part of configfs, as another process and with FIFOs: the answer to a read follows the write, as it does there. */
const CHILD = `
const { closeSync, mkdirSync, openSync, readFileSync, readSync, writeFileSync, writeSync } = require('node:fs')
const { spawnSync } = require('node:child_process')
const { join } = require('node:path')
process.stdin.setEncoding('utf8')
let line = ''
process.stdin.on('data', (text) => {
  line += text
  if (!line.endsWith('\\n')) return
  const [entry, quote] = JSON.parse(line)
  line = ''
  mkdirSync(entry)
  writeFileSync(join(entry, 'provider'), 'tdx_guest\\n')
  writeFileSync(join(entry, 'generation'), '41\\n')
  if (spawnSync('mkfifo', [join(entry, 'inblob'), join(entry, 'outblob')]).status !== 0) process.exit(3)
  process.stdout.write('made\\n')
  const asked = readFileSync(join(entry, 'inblob'))
  writeFileSync(join(entry, 'generation'), '42\\n')
  const answer = Buffer.from(quote, 'base64')
  asked.copy(answer, 48 + 520)
  const out = openSync(join(entry, 'outblob'), 'w')
  for (let at = 0; at < answer.length; at += 700) writeSync(out, answer.subarray(at, at + 700))
  closeSync(out)
})
`

test('through real files, which come in pieces, from another process', async (t) => {
  const directory = join(temporaryDirectory(t), 'report')
  mkdirSync(directory)
  const child = spawn(process.execPath, ['-e', CHILD], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill())
  const files = {
    ...kernelFiles,
    make: (entry: string) =>
      new Promise<void>((resolve, reject) => {
        child.stdout.once('data', () => resolve())
        child.once('exit', () => reject(errno('ENXIO')))
        child.stdin.write(`${JSON.stringify([entry, Buffer.from(quoteOver(new Uint8Array(64))).toString('base64')])}\n`)
      }),
    // rmdir takes the kernel's files with it; these are files like others.
    remove: (entry: string) => rm(entry, { recursive: true }),
  }
  const quote = await quoteFromTsm(reportData, { files, directory })
  t.deepEqual(
    quote,
    quoteOver(new Uint8Array(64))
      .fill(0, 568, 632)
      .map((byte, i) => (i >= 568 && i < 632 ? i - 568 : byte)),
  )
})

const configuration = parseSha256('ab'.repeat(32))
const directory = '/measurements'

test('RTMR3 is extended once', async (t) => {
  const files = fakeKernel({ extend: extendRegister })
  const value = runtimeRegisterOf(configuration)
  t.deepEqual(await extendRuntimeRegister(configuration, { files, directory }), { kind: 'extended', value })
  t.deepEqual(files.rtmr3, value)
  t.deepEqual(await extendRuntimeRegister(configuration, { files, directory }), { kind: 'already', value })
  t.is(files.calls.filter((call) => call.startsWith('write')).length, 1)
  const other = await extendRuntimeRegister(parseSha256('cd'.repeat(32)), { files, directory })
  t.is(other.kind, 'impossible')
  t.deepEqual(files.rtmr3, value)
})

test('where RTMR3 cannot be extended, that is said', async (t) => {
  const without = fakeKernel()
  without.rtmr3 = undefined
  const missing = await extendRuntimeRegister(configuration, { files: without, directory })
  t.regex(missing.kind === 'impossible' ? missing.reason : '', /Linux 6.16/)
  for (const code of ['EACCES', 'EPERM', 'EROFS']) {
    const files = fakeKernel({ fault: (call) => (call.startsWith('write') ? code : undefined) })
    t.is((await extendRuntimeRegister(configuration, { files, directory })).kind, 'impossible')
  }
})

test('RTMR3 that does not do what it should stops the builder', async (t) => {
  const raced = fakeKernel({ extend: (register, digest) => extendRegister(extendRegister(register, digest), digest) })
  await t.throwsAsync(extendRuntimeRegister(configuration, { files: raced, directory }), { code: 'ABN_TEE_GUEST' })
  const short = fakeKernel()
  short.rtmr3 = new Uint8Array(32)
  await t.throwsAsync(extendRuntimeRegister(configuration, { files: short, directory }), { code: 'ABN_TEE_GUEST' })
  const strange = fakeKernel({ fault: () => 'EIO' })
  await t.throwsAsync(extendRuntimeRegister(configuration, { files: strange, directory }), { code: 'ABN_TEE_GUEST' })
})

test('the provider tdx', async (t) => {
  const files = fakeKernel({ quote: quoteOver, extend: extendRegister })
  const provider = teeProvider('tdx', { now: () => now, files })
  t.is((await provider.extend(configuration)).kind, 'extended')
  const evidence = await provider.evidence(reportData)
  t.is(evidence?.kind, 'tdx')
  t.is(evidence?.eventLog, undefined)
  const nowhere = teeProvider('tdx', { now: () => now, files: fakeKernel({ fault: () => 'ENOENT' }) })
  await t.throwsAsync(nowhere.evidence(reportData), { code: 'ABN_TEE_UNAVAILABLE' })
})

test('the provider simulated says what it is, and nobody takes it for Intel', async (t) => {
  const provider = teeProvider('simulated', { now: () => now })
  await provider.extend(configuration)
  const evidence = await provider.evidence(reportData)
  t.is(evidence?.kind, 'simulated')
  const quote = parseQuote(evidence?.quote ?? new Uint8Array())
  const collateral = parseCollateral(evidence?.collateral ?? new Uint8Array())
  t.deepEqual(quote.body.rtmr3, runtimeRegisterOf(configuration))
  t.is(verifyQuote(quote, collateral, { now, root: simulatedRoot() }).root.kind, 'simulated')
  t.throws(() => verifyQuote(quote, collateral, { now }), { code: 'ABN_TEE_CERTIFICATE' })
})

test('the provider none has no evidence', async (t) => {
  const provider = teeProvider('none', { now: () => now })
  t.is(await provider.evidence(reportData), undefined)
  t.is((await provider.extend(configuration)).kind, 'impossible')
})
