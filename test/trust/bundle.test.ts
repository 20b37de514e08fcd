// Bundles give back what was put in, to the byte, and nothing that does not fit.
import { randomBytes } from 'node:crypto'
import test from 'ava'
import { canonicalJson, type JsonValue } from '../../format/canonical-json.ts'
import { sha256Of } from '../../format/hash.ts'
import { attestationOf, parseAttestation } from '../../trust/attestation.ts'
import { decodeBundle, encodeBundle } from '../../trust/bundle.ts'
import { base64Of } from '../../trust/bytes.ts'
import { parseEnvelope } from '../../trust/dsse.ts'
import { alice, attested, bob, evidenceOf, hello, itemNamed, mallory, revoked, statementOf } from './support.ts'

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
const statement = statementOf(hello, alice)
const several = [
  ...evidenceOf(attested(hello, alice), attested(hello, bob), attested(itemNamed('lua', '5.4'), mallory)),
  revoked(bob),
  { kind: 'future-kind', bytes: randomBytes(10) },
]

test('a bundle gives back the exact bytes, whatever the order', (t) => {
  const bundle = encodeBundle(several)
  t.is(text(encodeBundle([...several, ...several].reverse())), text(bundle))
  const sorted = (evidence: typeof several) => evidence.map(({ kind, bytes }) => `${kind} ${sha256Of(bytes)}`).sort()
  t.deepEqual(sorted([...decodeBundle(bundle)]), sorted(several))
  t.is(text(encodeBundle(decodeBundle(bundle))), text(bundle))
  t.deepEqual(decodeBundle(encodeBundle([])), [])
})

test('what a bundle says of an envelope is what its bytes say', (t) => {
  const decoded = decodeBundle(encodeBundle(several)).filter(({ kind }) => kind === 'attestation')
  t.is(decoded.length, 3)
  for (const { bytes, envelope } of decoded) {
    t.deepEqual(envelope, parseEnvelope(bytes))
    if (envelope) t.deepEqual(attestationOf(envelope), parseAttestation(bytes))
    t.is(parseAttestation(bytes).digest, sha256Of(bytes))
  }
})

test('runs of hexadecimal digits that are no hash stay as they are', (t) => {
  const software = {
    abnpkg: 'a'.repeat(63),
    b: 'b'.repeat(65),
    c: `${'c'.repeat(64)}^${'d'.repeat(128)}`,
    d: `0${'E'.repeat(64)}`,
  }
  const evidence = evidenceOf(attested(hello, alice, { builder: { ...statement.builder, software } }))
  t.is(sha256Of(decodeBundle(encodeBundle(evidence))[0]?.bytes ?? ''), sha256Of(evidence[0]?.bytes ?? ''))
})

test('a bundle with a circumflex in a statement', (t) => {
  const builder = { ...statement.builder, software: { abnpkg: '^0; ^^ ^;' } }
  const evidence = evidenceOf(attested(hello, alice, { builder }))
  t.is(
    text(decodeBundle(encodeBundle(evidence))[0]?.bytes ?? new Uint8Array()),
    text(evidence[0]?.bytes ?? new Uint8Array()),
  )
})

const bundleOf = (change: Record<string, JsonValue>) =>
  Buffer.from(canonicalJson({ ...JSON.parse(text(encodeBundle(several))), ...change }))
for (const [title, change] of [
  ['another format', { format: 2 }],
  ['an unknown field', { more: 1 }],
  ['a hash that is not there', { payloads: ['^z;', '', ''] }],
  ['a hash that has not been introduced', { payloads: ['^0;^;', '', ''] }],
  ['a ^ that means nothing', { payloads: ['^x', '', ''] }],
  ['a key that is not there', { signers: [9, 0, 0] }],
  ['too few signatures', { signatures: '' }],
  ['too few signers', { signers: [0] }],
  ['half a hash', { hashes: 'AAAA' }],
  ['an attestation among the others', { others: [{ kind: 'attestation', data: '' }] }],
  [
    'more than it may unpack to',
    {
      hashes: base64Of(new Uint8Array(32)),
      payloads: [`^;${'^0;'.repeat(1_100_000)}`],
      signers: [0],
      signatures: base64Of(new Uint8Array(64)),
    },
  ],
] as [string, Record<string, JsonValue>][]) {
  test(`not a bundle: ${title}`, (t) => {
    t.throws(() => decodeBundle(bundleOf(change)), { code: 'ABN_BUNDLE_INVALID' })
  })
}
