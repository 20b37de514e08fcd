// Strictness of what is signed: what is written is read again to the byte, and nothing else is read.
import { createPublicKey } from 'node:crypto'
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify'
import test from 'ava'
import fc from 'fast-check'
import { canonicalJson } from '../../format/canonical-json.ts'
import { sha256Of } from '../../format/hash.ts'
import { attest, parseAttestation, verifyAttestation } from '../../trust/attestation.ts'
import { base64Of, bytesOfBase64 } from '../../trust/bytes.ts'
import { encodeEnvelope, parseEnvelope, preAuthenticationEncoding } from '../../trust/dsse.ts'
import { publicKeyOf } from '../../trust/key.ts'
import {
  encodeRevocationList,
  parseRevocationList,
  signRevocationList,
  verifyRevocationList,
} from '../../trust/revocation.ts'
import { encodeStatement, parseStatement } from '../../trust/statement.ts'
import { alice, attested, bob, day, hello, now, pathNamed, statementOf } from './support.ts'

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
const statement = statementOf(hello, alice)
const attestation = attested(hello, alice)
const envelopeText = text(attestation.bytes)
const statementText = text(encodeStatement(statement))

test('a statement is read again to the byte', (t) => {
  t.deepEqual(parseStatement(encodeStatement(statement)), statement)
  const digest = fc.uint8Array({ minLength: 1, maxLength: 4 }).map((bytes) => sha256Of(bytes))
  const changes = fc.record(
    {
      log: fc.option(digest),
      tests: fc.option(digest),
      sources: fc.uniqueArray(digest).map((list) => list.sort()),
      origin: fc.constantFrom('built', 'substituted'),
      invocation: fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/),
      started: fc.nat({ max: 1_795_301_900 }),
      finished: fc.integer({ min: 1_795_301_900, max: 1_803_081_599 }),
      expires: fc.integer({ min: 1_803_081_600, max: 2 ** 34 }),
      bytes: fc.nat(),
      references: fc.subarray(['a', 'b', 'c'].map(pathNamed)).map((list) => list.sort()),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(changes, (made) => {
      const one = statementOf(hello, alice, made as object)
      const bytes = encodeStatement(one)
      t.deepEqual(parseStatement(bytes), one)
      t.is(text(encodeStatement(parseStatement(bytes))), text(bytes))
    }),
  )
})

const replaced = (from: string | RegExp, to: string) => statementText.replace(from, to)
for (const [title, wrong] of [
  ['an unknown field at the top', replaced('{"_type"', '{"_a":1,"_type"')],
  ['an unknown field in the metadata', replaced('"abnpkg_origin"', '"abnpkg_more":1,"abnpkg_origin"')],
  ['a missing field', replaced('"abnpkg_origin":"built",', '')],
  ['a key twice', replaced('"name":"hello"', '"name":"hello","name":"hello"')],
  ['white space', replaced(',', ', ')],
  ['another escape', replaced('"built"', '"buil\\u0074"')],
  ['a number with a fraction', replaced('20480', '20480.5')],
  ['a number written another way', replaced('20480', '2.048e4')],
  ['a huge number', replaced('20480', '1e400')],
  ['a number too large to be exact', replaced('20480', '9007199254740993')],
  ['a negative number', replaced('20480', '-1')],
  ['another predicate', replaced('provenance/v1', 'provenance/v2')],
  ['another kind of build', replaced('abnpkg:build/v1', 'abnpkg:build/v2')],
  ['another kind of builder', replaced('abnpkg:operator/', 'abnpkg:session/')],
  ['another origin', replaced('"built"', '"guessed"')],
  ['a day that is none', replaced('2026-11-21T23', '2026-11-31T23')],
  ['a time with a zone', replaced('23:00:00Z', '23:00:00+00:00')],
  ['finished before it began', replaced('"finishedOn":"2026', '"finishedOn":"2025')],
  ['a digest in capitals', replaced(/"sha256":"..../, '"sha256":"ABCD')],
  ['a second algorithm', replaced(/"digest":\{/, '"digest":{"sha1":"x",')],
  ['a store path that leads elsewhere', replaced(/\/abn\/store\//, '/abn/store/../')],
  ['an output twice', replaced(/"subject":\[(.*)\]\}$/, '"subject":[$1,$1]}')],
  ['no output', replaced(/"subject":\[.*\]\}$/, '"subject":[]}')],
  ['a newline at the end', `${statementText}\n`],
  ['a byte order mark', `\ufeff${statementText}`],
  ['cut short', statementText.slice(0, -1)],
  ['deep nesting', '['.repeat(100_000)],
  ['deep nesting that is valid', `${'['.repeat(5_000)}${']'.repeat(5_000)}`],
] as [string, string][]) {
  test(`not a statement: ${title}`, (t) => {
    t.not(wrong, statementText, 'the case does nothing')
    t.throws(() => parseStatement(Buffer.from(wrong)), { name: 'AbnError' })
  })
}

test('a source before an input is not in order', (t) => {
  const value = JSON.parse(statementText)
  value.predicate.buildDefinition.resolvedDependencies.reverse()
  t.throws(() => parseStatement(Buffer.from(canonicalJson(value))), { code: 'ABN_STATEMENT_INVALID' })
})

const signature = `{"keyid":"${attestation.envelope.keyId}","sig":"${base64Of(attestation.envelope.signature)}"}`
const inEnvelope = (from: string | RegExp, to: string) => envelopeText.replace(from, to)
for (const [title, wrong] of [
  ['no signature', inEnvelope(signature, '')],
  ['the signature twice', inEnvelope(signature, `${signature},${signature}`)],
  [
    'a second signature by somebody else',
    inEnvelope(signature, `${signature},${signature.replace(/"keyid":"./, '"keyid":"0')}`),
  ],
  ['an unknown field', inEnvelope('"payloadType"', '"payloadHash":"x","payloadType"')],
  ['an unknown field beside the signature', inEnvelope('"keyid"', '"cert":"x","keyid"')],
  ['a key twice', inEnvelope('"payloadType"', '"payload":"","payloadType"')],
  ['base 64 without padding', inEnvelope(/=+"}]/, '"}]')],
  ['base 64 for URLs', inEnvelope(/"sig":"./, '"sig":"_')],
  ['base 64 with white space', inEnvelope('"sig":"', '"sig":" ')],
  ['base 64 with unused bits', inEnvelope(/A==(?="}])/, 'B==')],
  ['a signature that is too short', inEnvelope(/"sig":"[^"]*"/, '"sig":"AAAA"')],
  ['a key id in capitals', inEnvelope(/"keyid":"[^"]*"/, `"keyid":"${attestation.envelope.keyId.toUpperCase()}"`)],
  ['another type', inEnvelope('vnd.in-toto+json', 'vnd.in-toto+xml')],
  ['a newline at the end', `${envelopeText}\n`],
  ['another key id', inEnvelope(attestation.envelope.keyId, bob.publicKey.id)],
] as [string, string][]) {
  test(`not an attestation: ${title}`, (t) => {
    t.not(wrong, envelopeText, 'the case does nothing')
    t.throws(() => parseAttestation(Buffer.from(wrong)), { name: 'AbnError' })
  })
}

test('an attestation verifies for the key that signed it only', (t) => {
  const parsed = parseAttestation(attestation.bytes)
  t.is(verifyAttestation(parsed, alice.publicKey).key, alice.publicKey)
  t.throws(() => verifyAttestation(parsed, bob.publicKey), { code: 'ABN_SIGNATURE_INVALID' })
  const renamed = publicKeyOf('bob.example/builds', alice.publicKey.bytes)
  t.throws(() => verifyAttestation(parsed, renamed), { code: 'ABN_SIGNATURE_INVALID' }, 'the name belongs to the key')
  t.throws(() => attest(statement, bob), { code: 'ABN_STATEMENT_INVALID' })
})

test('the bytes of an attestation belong to it alone', (t) => {
  const bytes = Uint8Array.from(attestation.bytes)
  const parsed = parseAttestation(bytes)
  bytes.fill(0)
  t.is(text(parsed.bytes), envelopeText)
})

test('PAE of the DSSE protocol', (t) => {
  t.is(
    text(preAuthenticationEncoding('http://example.com/HelloWorld', Buffer.from('hello world'))),
    'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
  )
  t.is(text(preAuthenticationEncoding('ü', Buffer.from(''))), 'DSSEv1 2 ü 0 ')
})

/** As somebody would check it who has our envelope and our key, but none of our code. */
function verifyBySigstore(envelope: string): void {
  const der = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(alice.publicKey.bytes).toString('base64url') },
    format: 'jwk',
  })
  const rawBytes = der.export({ format: 'der', type: 'spki' })
  const root = { mediaType: '', certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] }
  const key = { rawBytes, keyDetails: 7, validFor: undefined }
  const { payload, payloadType, signatures } = JSON.parse(envelope)
  const content = {
    $case: 'dsseEnvelope',
    dsseEnvelope: {
      payload: Buffer.from(payload, 'base64'),
      payloadType,
      signatures: signatures.map(({ keyid, sig }: Record<string, string>) => ({
        keyid,
        sig: Buffer.from(sig ?? '', 'base64'),
      })),
    },
  }
  const verificationMaterial = {
    content: { $case: 'publicKey', publicKey: { hint: 'alice' } },
    tlogEntries: [],
    timestampVerificationData: undefined,
  }
  const bundle: unknown = { mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json', content, verificationMaterial }
  const thresholds = { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 }
  new Verifier(toTrustMaterial(root, { alice: key }), thresholds).verify(toSignedEntity(bundle as SigstoreBundle))
}

type SigstoreBundle = Parameters<typeof toSignedEntity>[0]

test('an independent implementation (sigstore-js) verifies an attestation, and not a changed one', (t) => {
  t.notThrows(() => verifyBySigstore(envelopeText))
  const changed = base64Of(Buffer.from(statementText.replace('2.10', '2.11')))
  const { name } = t.throws(() =>
    verifyBySigstore(envelopeText.replace(base64Of(attestation.envelope.payload), changed)),
  )
  t.is(name, 'VerificationError')
  const other = text(attested(hello, bob).bytes)
  t.throws(() => verifyBySigstore(other), { name: 'VerificationError' })
})

test('an envelope is read again to the byte', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), fc.uint8Array({ minLength: 64, maxLength: 64 }), (payload, sig) => {
      const bytes = encodeEnvelope({ payloadType: 'x', payload, keyId: alice.publicKey.id, signature: sig })
      t.is(text(encodeEnvelope(parseEnvelope(bytes))), text(bytes))
    }),
  )
})

test('base 64 is read in one way', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('A', 'B', '/', '=', '+', ' ', '-', 'g') }), (one) => {
      const bytes = bytesOfBase64(one)
      t.true(bytes === undefined || base64Of(bytes) === one)
    }),
  )
})

const list = {
  format: 1,
  signer: bob.publicKey.id,
  version: 3,
  issued: now,
  expires: now + day,
  keys: [{ key: bob.publicKey.id, reason: 'stolen' }],
  statements: [{ statement: sha256Of('x'), reason: '' }],
} as const

test('a revocation list', (t) => {
  const signed = signRevocationList(list, bob)
  t.deepEqual(parseRevocationList(signed.bytes).list, list)
  t.throws(() => signRevocationList(list, alice), { code: 'ABN_REVOCATION_INVALID' })
  t.throws(() => verifyRevocationList(parseRevocationList(signed.bytes), alice.publicKey), {
    code: 'ABN_SIGNATURE_INVALID',
  })
  t.throws(() => parseAttestation(signed.bytes), { code: 'ABN_ENVELOPE_INVALID' })
  t.throws(() => parseRevocationList(attestation.bytes), { code: 'ABN_REVOCATION_INVALID' })
  for (const change of [
    { version: 0 },
    { version: 1.5 },
    { expires: now },
    { keys: [...list.keys, ...list.keys] },
    { more: 1 },
    { statements: [{ statement: sha256Of('x'), reason: '\u001b' }] },
  ]) {
    t.throws(
      () => encodeRevocationList({ ...list, ...change }),
      { code: 'ABN_REVOCATION_INVALID' },
      JSON.stringify(change),
    )
  }
})
