// abnpkg tee verify|show: quotes of Intel TDX, and those of the simulated TEE.
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { parseSha256 } from '../../format/hash.ts'
import type { VerifiedQuote } from '../../trust/tee/verify.ts'
import { encodeTime, timeOf } from '../../trust/time.ts'
import { type Arguments, textOption } from '../args.ts'
import type { Command, Surroundings } from '../commands.ts'
import { measure, measureDetails, measureOptions } from '../operators/tee-measure.ts'

type Action = (file: string, args: Arguments, surroundings: Surroundings) => Promise<number>

const actions: Readonly<Record<string, Action>> = {
  verify,
  show,
}

export const tee: Command = {
  usage: 'verify FILE --collateral FILE [--at TIME] | show FILE | measure',
  details: [
    'A quote is what a machine with Intel TDX signs about a guest: what runs in it, and 64 bytes that the guest chose.',
    '  verify  verifies a quote, with what Intel signs about its platforms (docs/formats/tee.md). Exits with 1 when it does not hold, and',
    '          when there is an objection: the guest can be debugged, is served by another guest, its platform is not up to date.',
    '  show    takes a quote apart and verifies nothing',
    measureDetails,
  ].join('\n'),
  options: {
    collateral: { type: 'string', value: 'FILE', help: 'verify: the collateral, one JSON document' },
    at: { type: 'string', value: 'TIME', help: 'verify: at another time than now, such as 2026-11-22T00:00:00Z' },
    'simulated-root': {
      type: 'string',
      value: 'SHA256',
      help: 'verify: a quote of the simulated TEE with this root, which proves nothing',
    },
    ...measureOptions,
  },
  async run(args, surroundings) {
    const [name = '', file, ...more] = args.names
    if (name === 'measure' && file === undefined) return measure(args, surroundings)
    const action = Object.hasOwn(actions, name) ? actions[name] : undefined
    if (action === undefined) throw usage(`expected ${Object.keys(actions).join(', ')} or measure, got '${name}'`)
    if (file === undefined || more.length > 0) throw usage(`${name}: expected one file`)
    return action(file, args, surroundings)
  },
}

async function verify(file: string, args: Arguments, { output }: Surroundings): Promise<number> {
  const path = textOption(args, 'collateral')
  if (path === undefined) throw usage('verify: expected --collateral with a file')
  const { maximumCollateralBytes, parseCollateral } = await import('../../trust/tee/collateral.ts')
  const { intelRoot, simulatedRootOf } = await import('../../trust/tee/chain.ts')
  const { maximumQuoteBytes, parseQuote } = await import('../../trust/tee/quote.ts')
  const { verifyQuote } = await import('../../trust/tee/verify.ts')
  const { jsonOfVerdict } = await import('../../trust/tee/verdict.ts')
  const { objectionsToTcbStatus, objectionsToTd, objectionTexts } = await import('../../trust/tee/appraise.ts')
  const simulated = textOption(args, 'simulated-root')
  const root = simulated === undefined ? intelRoot : simulatedRootOf(parseSha256(simulated))
  const quote = parseQuote(bytesIn(file, maximumQuoteBytes))
  const verdict = verifyQuote(quote, parseCollateral(bytesIn(path, maximumCollateralBytes)), {
    now: timeIn(args),
    root,
  })
  const objections = [...objectionsToTcbStatus(verdict, ['UpToDate']), ...objectionsToTd(verdict, [])]
  for (const line of linesOf(verdict)) output.line(line)
  for (const one of objections) output.line(output.paint('red', `objection ${one}: ${objectionTexts[one]}`))
  output.document({ verified: true, objections, verdict: jsonOfVerdict(verdict) })
  return objections.length === 0 ? 0 : 1
}

function linesOf({
  root,
  at,
  until,
  tcb,
  evaluationNumber,
  registers,
  serviceTd,
  attributes,
  platform,
  ...rest
}: VerifiedQuote) {
  const warning = 'SIMULATED: no hardware has signed this, and anybody can make it'
  return [
    ...(root.kind === 'simulated' ? [warning] : []),
    `verified at ${encodeTime(at)}, with collateral that holds until ${encodeTime(until)}`,
    `root           ${root.kind} ${root.digest}`,
    `status         ${tcb.status}${tcb.advisories.map((advisory) => ` ${advisory}`).join('')}`,
    ...rest.reasons.map((reason) => `               ${reason}`),
    `evaluation     ${evaluationNumber}`,
    `family         ${platform.fmspc}`,
    `machine        ${platform.ppid}`,
    `attributes     ${attributes.bytes}`,
    ...Object.entries(registers).map(([name, value]) => `${name.padEnd(15)}${value}`),
    `serviceTd      ${serviceTd ?? 'this form of quote does not say'}`,
    `reportData     ${rest.reportData}`,
    `report         ${rest.report}`,
    `collateral     ${rest.collateral.whole}`,
  ]
}

async function show(file: string, _args: Arguments, { output }: Surroundings): Promise<number> {
  const { isQuoteOfSimulated, maximumQuoteBytes, parseQuote } = await import('../../trust/tee/quote.ts')
  const { hexOf } = await import('../../trust/bytes.ts')
  const quote = parseQuote(bytesIn(file, maximumQuoteBytes))
  const body = Object.fromEntries(
    Object.entries(quote.body).flatMap(([name, bytes]) => (bytes === undefined ? [] : [[name, hexOf(bytes)]])),
  )
  const isSimulated = isQuoteOfSimulated(quote)
  output.line(`not verified: a quote of version ${quote.version}${isSimulated ? ' of the SIMULATED TEE' : ''}`)
  for (const [name, value] of Object.entries(body)) output.line(`${name.padEnd(15)}${value}`)
  output.document({ verified: false, version: quote.version, simulated: isSimulated, body, padding: quote.padding })
  return 0
}

function bytesIn(file: string, maximum: number): Uint8Array {
  const path = resolve(file)
  try {
    if (statSync(path).size > maximum) throw new RangeError(`larger than ${maximum} bytes`)
    return readFileSync(path)
  } catch (cause) {
    throw new AbnError('ABN_TEE_FILE', `cannot read ${file}`, { cause })
  }
}

function timeIn(args: Arguments): number {
  const text = textOption(args, 'at')
  if (text === undefined) return Math.floor(Date.now() / 1000)
  return timeOf(text, { path: '', fail: (reason) => usage(`option --at: ${reason}, got '${text}'`) })
}

function usage(reason: string): AbnError {
  return new AbnError('ABN_USAGE', `tee: ${reason}`, { hint: "see 'abnpkg tee --help'" })
}
