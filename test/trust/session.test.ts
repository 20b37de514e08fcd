// Sessions: the page's example, and what an operator cannot have meant.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { canonicalJson, type JsonObject } from '../../format/canonical-json.ts'
import { base64Of, hexOf, utf8 } from '../../trust/bytes.ts'
import { encodeEnvelope, preAuthenticationEncoding } from '../../trust/dsse.ts'
import { leafHash } from '../../trust/log/merkle.ts'
import { parseNote } from '../../trust/log/note.ts'
import { newSecretKey } from '../../trust/secret-key.ts'
import {
  encodeSession,
  parseSession,
  reportDataOf,
  sessionPayloadType,
  signSession,
  verifySession,
} from '../../trust/session.ts'
import { encodeSessionDocument, parseSessionDocument } from '../../trust/session-evidence.ts'
import { encodeStatement, parseStatement } from '../../trust/statement.ts'

function example(page: string, name: string): string {
  const text = readFileSync(join(import.meta.dirname, '../../docs/formats', page), 'utf8')
  const match = new RegExp(`^\`\`\`\\w+ example=${name}\\n(.*?)\\n\`\`\`$`, 'ms').exec(text)
  if (match?.[1] === undefined) throw new Error(`${page} has no example ${name}`)
  return match[1]
}

const alice = newSecretKey('alice.example', Uint8Array.fromHex(example('key.md', 'seed')))
const bob = newSecretKey('bob.example', new Uint8Array(32).fill(5))
const payload = example('session.md', 'session')
const parsed = parseSession(utf8(example('session.md', 'session-envelope')))

test('session.md', (t) => {
  const { session, bytes } = verifySession(parsed, alice.publicKey)
  t.is(Buffer.from(encodeSession(session)).toString(), payload)
  t.deepEqual(signSession(session, alice).bytes, bytes)
  t.is(hexOf(reportDataOf(session)), example('session.md', 'report-data'))
})

test('session.md: the session document', (t) => {
  const text = example('session.md', 'session-document')
  const document = parseSessionDocument(utf8(text))
  verifySession(document.session, alice.publicKey)
  t.is(Buffer.from(encodeSessionDocument(document)).toString(), text)
  t.is(document.digest as string, example('session.md', 'session-document-digest'))
  t.is(hexOf(leafHash(document.bytes)), example('session.md', 'session-document-leaf'))
  t.deepEqual(document.checkpoint, parseNote(utf8(`${example('log.md', 'checkpoint')}\n`)))
})

test('statement.md: the builder of a statement that a session signs', (t) => {
  const statement = parseStatement(utf8(example('statement.md', 'statement')))
  const builder = { kind: 'session', key: parsed.session.key.id, session: parsed.digest, software: {} } as const
  const bytes = encodeStatement({ ...statement, builder })
  t.is(
    JSON.parse(Buffer.from(bytes).toString()).predicate.runDetails.builder.id,
    example('statement.md', 'session-builder'),
  )
  t.deepEqual(parseStatement(bytes).builder, builder)
})

test('a session counts for the operator who signed it only', (t) => {
  t.throws(() => verifySession(parsed, bob.publicKey), { code: 'ABN_SIGNATURE_INVALID' })
  t.throws(() => signSession(parsed.session, bob), { code: 'ABN_SESSION_INVALID' })
})

test('REPORTDATA depends on key, configuration and checkpoint', (t) => {
  const { session } = parsed
  const all = [
    session,
    { ...session, key: bob.publicKey },
    { ...session, configuration: session.checkpoint ?? session.configuration },
    { ...session, checkpoint: null },
  ]
  t.is(new Set(all.map((one) => hexOf(reportDataOf(one)))).size, all.length)
})

/** Signed by alice, whatever it says. */
function signed(change: (json: JsonObject) => JsonObject, type = sessionPayloadType): Uint8Array {
  const bytes = utf8(canonicalJson(change(JSON.parse(payload))))
  const signature = alice.sign(preAuthenticationEncoding(type, bytes))
  return encodeEnvelope({ payloadType: type, payload: bytes, keyId: alice.publicKey.id, signature })
}

const bad: readonly (readonly [string, JsonObject])[] = [
  ['another format', { format: 2 }],
  ['another operator', { operator: bob.publicKey.id }],
  ['no time', { until: '2026-11-22T00:00:00Z' }],
  ['an end before the beginning', { until: '2026-11-21T00:00:00Z' }],
  ['too long a time', { until: '2027-11-22T00:00:00Z' }],
  ['a time with fractions', { from: '2026-11-22T00:00:00.5Z' }],
  ['a key that is none', { key: 'alice' }],
  ['the key of a witness', { key: 'witness.example/w1+df1c0a35+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU' }],
  ["the operator's own key", { key: example('key.md', 'public-key') }],
  ['a kind of TEE that is not known', { tee: 'sev' }],
  ['a digest that is too short', { configuration: 'ab' }],
  ['software with a line feed', { software: { abnpkg: '1\n2' } }],
  ['an unknown field', { extra: 1 }],
]
for (const [title, change] of bad) {
  test(`a session is refused: ${title}`, (t) => {
    t.throws(() => parseSession(signed((json) => ({ ...json, ...change }))), { code: 'ABN_SESSION_INVALID' })
  })
}

const document = example('session.md', 'session-document')
const withoutNote: JsonObject = { checkpoint: null }
const badDocuments: readonly (readonly [string, JsonObject, string?])[] = [
  ['another format', { format: 2 }],
  ['an unknown field', { extra: 1 }],
  ['no checkpoint where the session names one', withoutNote],
  ['a checkpoint that is not the one that is hashed', { checkpoint: otherCheckpoint() }],
  ['a checkpoint that is no note', { checkpoint: 'YQ==' }, 'ABN_NOTE_INVALID'],
  ['a quote in a session without a TEE', { quote: 'YQ==', collateral: parsed.digest }],
  ['collateral without a quote', { collateral: parsed.digest }],
  ['a session that cannot be read', { session: 'e30=' }, 'ABN_ENVELOPE_INVALID'],
  ['a session in another base 64', { session: 'e30' }],
  ['no quote in a session with a TEE', { session: base64Of(parsed.bytes), ...withoutNote }],
  ['a checkpoint where the session names none', { session: sessionWithout('checkpoint') }],
  ['too many bytes', { quote: 'A'.repeat(48 * 1024) }, 'ABN_JSON_INVALID'],
]
for (const [title, change, code = 'ABN_SESSION_INVALID'] of badDocuments) {
  test(`a session document is refused: ${title}`, (t) => {
    const bytes = utf8(canonicalJson({ ...JSON.parse(document), ...change }))
    t.throws(() => parseSessionDocument(bytes), { code })
  })
}

/** The checkpoint of a tree of another size. */
function otherCheckpoint(): string {
  return base64Of(utf8(`${example('log.md', 'checkpoint').replace('\n3\n', '\n4\n')}\n`))
}

function sessionWithout(field: 'checkpoint'): string {
  return base64Of(signSession({ ...parsed.session, [field]: null, tee: 'none' }, alice).bytes)
}

test('a session under another type is none, and what is signed as a session is nothing else', (t) => {
  t.throws(() => parseSession(signed((json) => json, 'application/vnd.in-toto+json')), { code: 'ABN_SESSION_INVALID' })
  t.notThrows(() => verifySession(parseSession(signed((json) => json)), alice.publicKey))
})
