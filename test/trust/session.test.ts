// Sessions: the page's example, and what an operator cannot have meant.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { canonicalJson, type JsonObject } from '../../format/canonical-json.ts'
import { hexOf, utf8 } from '../../trust/bytes.ts'
import { encodeEnvelope, preAuthenticationEncoding } from '../../trust/dsse.ts'
import { newSecretKey } from '../../trust/secret-key.ts'
import {
  encodeSession,
  parseSession,
  reportDataOf,
  sessionPayloadType,
  signSession,
  verifySession,
} from '../../trust/session.ts'

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

test('a session under another type is none, and what is signed as a session is nothing else', (t) => {
  t.throws(() => parseSession(signed((json) => json, 'application/vnd.in-toto+json')), { code: 'ABN_SESSION_INVALID' })
  t.notThrows(() => verifySession(parseSession(signed((json) => json)), alice.publicKey))
})
