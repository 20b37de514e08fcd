/** Right evidence and what becomes of it in a courier's hands; times, roots, padding, and how the status comes about. */
import test from 'ava'
import { parseSha256 } from '../../../format/hash.ts'
import { intelRoot, newCertificateMemory, simulatedRootOf, type TeeRoot } from '../../../trust/tee/chain.ts'
import { parseCollateral } from '../../../trust/tee/collateral.ts'
import { chainOf, crlIn } from '../../../trust/tee/collateral-parts.ts'
import { encodeLittleEndian } from '../../../trust/tee/layout.ts'
import { parseQuote } from '../../../trust/tee/quote.ts'
import type { TeeReason } from '../../../trust/tee/reasons.ts'
import {
  type Changes,
  type Simulated,
  type SimulatedOptions,
  simulatedKey,
  simulatedRoot,
  simulatedSerials,
} from '../../../trust/tee/simulated.ts'
import { verifyQuote } from '../../../trust/tee/verify.ts'
import { collateralOf, day, mint, now, reasonOf, verified, verify, withCollateral, withQuote } from './support.ts'

const stranger = simulatedKey('stranger')
const bytes = (length: number, value: number) => new Uint8Array(length).fill(value)

test('without a fault every form verifies, and says that it is simulated', (t) => {
  for (const form of ['4', '5-td10', '5-td15'] as const) {
    const verdict = verified({ form })
    t.is(verdict.tcb.status, 'UpToDate')
    t.deepEqual(verdict.root, simulatedRoot())
    t.is(verdict.root.kind, 'simulated')
    t.is(verdict.version, form === '4' ? 4 : 5)
    t.is(verdict.serviceTd, form === '5-td15' ? '00'.repeat(48) : null)
  }
})

/** What a courier can do to bytes. */
const touched: readonly (readonly [string, TeeReason, (right: Simulated) => Simulated])[] = [
  ['PCK CRL missing', 'collateral-invalid', (right) => withCollateral(right, { pck_crl: undefined })],
  ['root CRL missing', 'collateral-invalid', (right) => withCollateral(right, { root_ca_crl: undefined })],
  ['PCK CRL empty', 'crl-invalid', (right) => withCollateral(right, { pck_crl: '' })],
  ['root CRL empty', 'crl-invalid', (right) => withCollateral(right, { root_ca_crl: '' })],
  ['PCK CRL garbage', 'crl-invalid', (right) => withCollateral(right, { pck_crl: 'c0ffee'.repeat(50) })],
  ['root CRL that is an empty sequence', 'crl-invalid', (right) => withCollateral(right, { root_ca_crl: '3000' })],
  [
    'PCK CRL in place of the root CRL',
    'crl-issuer',
    (right) => withCollateral(right, { root_ca_crl: jsonOf(right).pck_crl }),
  ],
  [
    'root CRL in place of the PCK CRL',
    'crl-issuer',
    (right) => withCollateral(right, { pck_crl: jsonOf(right).root_ca_crl }),
  ],
  [
    'bytes behind the PCK CRL',
    'crl-invalid',
    (right) => withCollateral(right, { pck_crl: `${jsonOf(right).pck_crl}00` }),
  ],
  [
    'PCK CRL of another root',
    'crl-signature',
    (right) => withCollateral(right, { pck_crl: jsonOf(mint({ seed: 'other' })).pck_crl }),
  ],
  [
    'PCK CRL chain of another root',
    'root-unknown',
    (right) => withCollateral(right, { pck_crl_issuer_chain: jsonOf(mint({ seed: 'other' })).pck_crl_issuer_chain }),
  ],
  [
    'TCB info and QE identity swapped',
    'tcb-info-invalid',
    (right) => {
      const { tcb_info, tcb_info_signature, qe_identity, qe_identity_signature } = jsonOf(right)
      return withCollateral(right, {
        tcb_info: qe_identity,
        tcb_info_signature: qe_identity_signature,
        qe_identity: tcb_info,
        qe_identity_signature: tcb_info_signature,
      })
    },
  ],
  [
    'TCB info with a space more',
    'tcb-info-signature',
    (right) => withCollateral(right, { tcb_info: `${jsonOf(right).tcb_info} ` }),
  ],
  [
    'signature cut short',
    'collateral-invalid',
    (right) => withCollateral(right, { tcb_info_signature: jsonOf(right).tcb_info_signature?.slice(2) }),
  ],
  [
    'signature of zeros',
    'tcb-info-signature',
    (right) => withCollateral(right, { tcb_info_signature: '00'.repeat(64) }),
  ],
  ['a field more', 'collateral-invalid', (right) => withCollateral(right, { more: '' })],
  [
    'collateral with a key twice',
    'collateral-invalid',
    (right) => ({
      ...right,
      collateral: Buffer.from(Buffer.from(right.collateral).toString().replace('{', '{"pck_crl":"",')),
    }),
  ],
  [
    'collateral that is no JSON',
    'collateral-invalid',
    (right) => ({ ...right, collateral: right.collateral.subarray(1) }),
  ],
  [
    'collateral that is not UTF-8',
    'collateral-invalid',
    (right) => ({ ...right, collateral: Buffer.concat([right.collateral, Buffer.of(0xff)]) }),
  ],
  [
    'PEM with carriage returns',
    'pem-invalid',
    (right) =>
      withCollateral(right, { tcb_info_issuer_chain: jsonOf(right).tcb_info_issuer_chain?.replaceAll('\n', '\r\n') }),
  ],
  [
    'PEM with text around',
    'pem-invalid',
    (right) => withCollateral(right, { tcb_info_issuer_chain: `# Intel\n${jsonOf(right).tcb_info_issuer_chain}` }),
  ],
  [
    'PEM of garbage',
    'certificate-invalid',
    (right) =>
      withCollateral(right, {
        tcb_info_issuer_chain: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      }),
  ],
  ['no PEM', 'pem-invalid', (right) => withCollateral(right, { qe_identity_issuer_chain: '' })],
  [
    'collateral of another root',
    'root-unknown',
    (right) => ({ ...right, collateral: mint({ seed: 'other' }).collateral }),
  ],
  ['quote of another root', 'root-unknown', (right) => ({ ...right, quote: mint({ seed: 'other' }).quote })],
  [
    'bytes behind the quote',
    'quote-trailing',
    (right) => withQuote(right, (quote) => Buffer.concat([quote, Buffer.of(1)])),
  ],
  [
    'bytes behind zeros behind the quote',
    'quote-trailing',
    (right) => withQuote(right, (quote) => Buffer.concat([quote, Buffer.alloc(64), Buffer.of(1)])),
  ],
  ['quote cut short', 'quote-truncated', (right) => withQuote(right, (quote) => quote.subarray(0, -1))],
  ['header alone', 'quote-truncated', (right) => withQuote(right, (quote) => quote.subarray(0, 48))],
  ['nothing', 'quote-truncated', (right) => withQuote(right, () => Buffer.alloc(0))],
  [
    'quote that is too large',
    'quote-size',
    (right) => withQuote(right, (quote) => Buffer.concat([quote, Buffer.alloc(32 * 1024)])),
  ],
  ['v4 quote that calls itself v5', 'quote-body', (right) => withQuote(right, (quote) => quote.fill(5, 0, 1))],
]

for (const [title, reason, touch] of touched) {
  test(`${title}: ${reason}`, (t) =>
    t.is(
      reasonOf(() => verify(touch(mint()))),
      reason,
    ))
}

/** Version 5 says what its body is. */
const descriptors: readonly (readonly [string, SimulatedOptions['form'], Changes['descriptor']])[] = [
  ['an SGX body', '5-td10', { type: encodeLittleEndian(1, 2) }],
  ['an unknown body', '5-td15', { type: encodeLittleEndian(4, 2) }],
  ['the size of another body', '5-td10', { size: encodeLittleEndian(648, 4) }],
  ['a body of TD report 1.5 called 1.0', '5-td15', { type: encodeLittleEndian(2, 2) }],
  ['a huge body', '5-td15', { size: encodeLittleEndian(0xffffffff, 4) }],
]

for (const [title, form = '4', descriptor = {}] of descriptors) {
  test(`${title}: quote-body`, (t) =>
    t.is(
      reasonOf(() => verified({ form, changes: { descriptor } })),
      'quote-body',
    ))
}

test('a path that is longer than its root allows', (t) => {
  const { quote, collateral } = mint({ changes: { certificates: { root: { pathLength: 0 } } } })
  const root = rootOf(quote)
  t.is(
    reasonOf(() => verify({ quote, collateral, root })),
    'certificate-path-length',
  )
})

test('a root whose certificate says CA:FALSE, or that may not sign', (t) => {
  const notCa = mint({ changes: { certificates: { root: { isCa: false } } } })
  t.is(
    reasonOf(() => verify({ ...notCa, root: rootOf(notCa.quote) })),
    'certificate-ca',
  )
  const expired = mint({ changes: { certificates: { root: { until: now - 1 } } } })
  t.is(
    reasonOf(() => verify({ ...expired, root: rootOf(expired.quote) })),
    'certificate-expired',
  )
})

test('bytes that no length accounts for', (t) => {
  const right = mint()
  const [data, certification, chain] = [48 + 584, 48 + 584 + 4 + 64 + 64 + 2, 48 + 584 + 4 + 128 + 6 + 448 + 2 + 24 + 2]
  const longer = (quote: Buffer, ...lengths: readonly number[]) => {
    for (const at of lengths) quote.writeUInt32LE(quote.readUInt32LE(at) + 1, at)
    return Buffer.concat([quote, Buffer.of(0)])
  }
  t.is(
    reasonOf(() => parseQuote(longer(Buffer.from(right.quote), data))),
    'quote-trailing',
  )
  t.is(
    reasonOf(() => parseQuote(longer(Buffer.from(right.quote), data, certification))),
    'quote-trailing',
  )
  // One zero behind the PEM is Intel's own; a second one is not.
  const ended = longer(Buffer.from(right.quote), data, certification, chain)
  t.is(
    reasonOf(() => parseQuote(ended)),
    'accepted',
  )
  t.is(
    reasonOf(() => parseQuote(longer(ended, data, certification, chain))),
    'pem-invalid',
  )
})

test('documents that are too large, or not in hexadecimal', (t) => {
  const right = mint()
  const reason = (fields: Record<string, string>) => reasonOf(() => collateralOf(withCollateral(right, fields)))
  t.is(reason({ pck_crl: 'xy' }), 'collateral-invalid')
  t.is(reason({ pck_crl: 'ABCD' }), 'collateral-invalid')
  t.is(reason({ root_ca_crl: '00'.repeat(2 ** 20 + 1) }), 'collateral-invalid')
  t.is(reason({ tcb_info: ' '.repeat(4 * 2 ** 20) }), 'collateral-invalid')
  const chain = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  t.is(
    reasonOf(() => verify(withCollateral(right, { tcb_info_issuer_chain: chain.repeat(5) }))),
    'chain-length',
  )
  t.is(
    reasonOf(() => verify(withCollateral(right, { tcb_info_issuer_chain: chain.repeat(500) }))),
    'pem-invalid',
  )
})

test('zeros behind the quote are padding', (t) => {
  const right = mint()
  const padded = withQuote(right, (quote) => Buffer.concat([quote, Buffer.alloc(8000 - quote.length)]))
  t.is(parseQuote(padded.quote).padding, 8000 - right.quote.length)
  t.deepEqual(verify(padded), verify(right))
})

test('a time that is none throws', (t) => {
  const [quote, collateral] = [parseQuote(mint().quote), collateralOf(mint())]
  const root = simulatedRoot()
  const times: readonly unknown[] = [
    undefined,
    null,
    Number.NaN,
    '1795305600',
    1.5,
    -1,
    Number.POSITIVE_INFINITY,
    2 ** 53,
    now * 1000,
  ]
  for (const time of times) {
    const options = { root, now: time }
    // @ts-expect-error: what JavaScript lets through
    t.throws(() => verifyQuote(quote, collateral, options), { instanceOf: TypeError }, String(time))
  }
})

test('evidence past its time, and before it', (t) => {
  const right = mint()
  t.is(
    reasonOf(() => verify(right, now + 30 * day)),
    'crl-expired',
  )
  t.is(
    reasonOf(() => verify(right, now - 2 * day)),
    'crl-not-yet',
  )
  t.is(
    reasonOf(() => verify(right, now + 29 * day)),
    'accepted',
  )
  t.is(verify(right).until, now + 29 * day)
})

test('nothing simulated verifies below Intel’s root, which cannot be renamed', (t) => {
  const { quote, collateral } = mint()
  const parsed = [parseQuote(quote), parseCollateral(collateral)] as const
  t.is(
    reasonOf(() => verifyQuote(...parsed, { now })),
    'root-unknown',
  )
  t.is(
    reasonOf(() => verifyQuote(...parsed, { now, root: simulatedRootOf(parseSha256('ab'.repeat(32))) })),
    'root-unknown',
  )
  t.throws(() => simulatedRootOf(intelRoot.digest), { instanceOf: TypeError })
  const disguised: TeeRoot = { kind: 'intel', digest: simulatedRoot().digest }
  t.throws(() => verifyQuote(...parsed, { now, root: disguised }), { instanceOf: TypeError })
})

test('status converges from platform, TDX module and quoting enclave', (t) => {
  t.is(verified({ securityVersion: 2 }).tcb.status, 'OutOfDate')
  t.deepEqual(verified({ securityVersion: 2 }).tcb.advisories, ['SIMULATED-SA-00002'])
  t.is(verified({ securityVersion: 1 }).tcb.status, 'Revoked')
  const oldModule = verified({ body: { teeTcbSvn: Uint8Array.of(2, 1, 3, ...bytes(13, 0)) } })
  t.is(oldModule.tcb.status, 'OutOfDate')
  t.is(oldModule.tcb.module?.id, 'TDX_01')
  const oldEnclave = verified({ changes: { qe: { isvSvn: encodeLittleEndian(3, 2) } } })
  t.deepEqual([oldEnclave.tcb.status, oldEnclave.tcb.advisories], ['OutOfDate', ['SIMULATED-SA-00004']])
  t.is(verified({ evaluationNumber: 7 }).evaluationNumber, 7)
  t.is(verified({ changes: { qeIdentity: { tcbEvaluationDataNumber: 19 } } }).evaluationNumber, 19)
})

test('the certificates that were remembered are still looked at', (t) => {
  const memory = newCertificateMemory()
  const check = (options: Partial<SimulatedOptions>, at = now) => {
    const { quote, collateral, root } = mint(options)
    return reasonOf(() => verifyQuote(parseQuote(quote), parseCollateral(collateral), { now: at, root, memory }))
  }
  t.is(check({}), 'accepted')
  t.is(check({}), 'accepted')
  t.is(memory.parsed.size, 4)
  t.is(check({ changes: { pckCrl: { revoked: [simulatedSerials.pck] } } }), 'certificate-revoked')
  t.is(check({ changes: { chains: { tcbInfo: ['pck', 'root'] } } }), 'certificate-role')
  t.is(check({ changes: { certificates: { pck: { signer: stranger } } } }), 'certificate-signature')
  t.is(
    check({ now: Date.parse('2051-01-01T00:00:00Z') / 1000 }, Date.parse('2051-01-01T00:00:00Z') / 1000),
    'certificate-expired',
  )
})

test('collateral that was remembered: times, roles and revocation are still looked at', (t) => {
  const memory = newCertificateMemory()
  const { quote, collateral, root } = mint()
  const parsed = parseCollateral(collateral)
  const check = (at = now, document = parsed, of = root) =>
    reasonOf(() => verifyQuote(parseQuote(quote), document, { now: at, root: of, memory }))
  t.is(check(), 'accepted')
  t.is(check(), 'accepted')
  t.is(check(now + 40 * day), 'crl-expired')
  t.is(check(now - 2 * day), 'crl-not-yet')
  t.is(check(now, { ...parsed, tcbInfo: { ...parsed.tcbInfo, text: `${parsed.tcbInfo.text} ` } }), 'tcb-info-signature')
  t.is(check(now, parsed, simulatedRoot('another')), 'root-unknown')
  const { quote: revoked } = mint({ changes: { certificates: { pck: { serial: 77 } } } })
  t.is(
    reasonOf(() => verifyQuote(parseQuote(revoked), parsed, { now, root, memory })),
    'certificate-revoked',
  )
  t.is(check(), 'accepted')
})

test('a list that was remembered under one signer is not one of another', (t) => {
  const { collateral, root } = mint()
  const options = { now, root, memory: newCertificateMemory() }
  const parsed = parseCollateral(collateral)
  const [authority, rootCa] = chainOf(parsed.pckCrlChain, ['pck-ca', 'root'], options)
  const check = (part: 'rootCrl' | 'pckCrl', signer: typeof authority) =>
    reasonOf(() => crlIn({ collateral: parsed, part, signer }, options))
  t.deepEqual([check('pckCrl', authority), check('rootCrl', rootCa)], ['accepted', 'accepted'])
  t.deepEqual([check('pckCrl', rootCa), check('rootCrl', authority)], ['crl-issuer', 'crl-issuer'])
})

function jsonOf({ collateral }: Simulated): Record<string, string | undefined> {
  return JSON.parse(Buffer.from(collateral).toString())
}

/** The root of a quote as it stands there, named as a simulated one. */
function rootOf(quote: Uint8Array): TeeRoot {
  const last = parseQuote(quote).chain.split('-----BEGIN CERTIFICATE-----\n').at(-1) ?? ''
  const der = Buffer.from(last.split('-----END')[0] ?? '', 'base64')
  return simulatedRootOf(parseSha256(process.getBuiltinModule('node:crypto').hash('sha256', der, 'hex')))
}
