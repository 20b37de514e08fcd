// The vectors of test/vectors/trust: Ed25519 verdicts, and one of each document. ACCEPT=1 writes them.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Point } from '@noble/ed25519'
import { sha512 } from '@noble/hashes/sha2.js'
import test from 'ava'
import { encodeBundle } from '../../trust/bundle.ts'
import { isValidEd25519 } from '../../trust/ed25519.ts'
import { verifyEvidence } from '../../trust/evidence.ts'
import { encodeDecision } from '../../trust/policy/decision-schema.ts'
import { evaluate } from '../../trust/policy/evaluate.ts'
import { encodePolicy, parsePolicy } from '../../trust/policy/policy.ts'
import { alice, attested, bob, evidenceOf, hello, now, policyOf, requestOf, revoked } from './support.ts'

const directory = join(import.meta.dirname, '../vectors/trust')

type Verdict = {
  readonly title: string
  readonly publicKey: string
  readonly message: string
  readonly signature: string
  readonly valid: boolean
}

const L = Point.CURVE().n
const message = new TextEncoder().encode('abnpkg test vector')
const good = Uint8Array.from(alice.sign(message))

function verdicts(): readonly Verdict[] {
  const row = (title: string, publicKey: Uint8Array, signature: Uint8Array, valid: boolean) => ({
    title,
    publicKey: publicKey.toHex(),
    message: message.toHex(),
    signature: signature.toHex(),
    valid,
  })
  const key = alice.publicKey.bytes
  const withS = (s: bigint) => Uint8Array.from([...good.subarray(0, 32), ...bytesOf(s)])
  const torsion = Point.fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05')
  const zeroS = Uint8Array.from([...torsion.toBytes(), ...bytesOf(0n)])
  return [
    row('a signature', key, good, true),
    row('of another key', bob.publicKey.bytes, good, false),
    row('S + L', key, withS(numberOf(good.subarray(32)) + L), false),
    row('S = 0', key, withS(0n), false),
    row('R and key of small order', torsion.toBytes(), zeroS, false),
    row(
      'R = identity, written as y = p + 1',
      key,
      Uint8Array.from([...bytesOf(Point.CURVE().p + 1n), ...good.subarray(32)]),
      false,
    ),
    ...[1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n, 10n, 11n, 12n].map((nonce) => {
      const { publicKey, signature, exact } = mixed(torsion, nonce)
      const title = `a key of mixed order, nonce ${nonce}: the equation holds ${exact ? 'exactly' : 'with the cofactor only'}`
      return row(title, publicKey, signature, exact)
    }),
  ]
}

function mixed(torsion: Point, nonce: bigint) {
  const secret = 12345678901234567890n
  const publicKey = Point.BASE.multiply(secret).add(torsion).toBytes()
  const r = Point.BASE.multiply(nonce).toBytes()
  const k = numberOf(sha512(Uint8Array.from([...r, ...publicKey, ...message]))) % L
  const signature = Uint8Array.from([...r, ...bytesOf((nonce + k * secret) % L)])
  return { publicKey, signature, exact: k % 8n === 0n }
}

function numberOf(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
}

function bytesOf(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n))
}

function documents(): ReadonlyMap<string, string> {
  const policy = policyOf()
  const evidence = [...evidenceOf(attested(hello, alice), attested(hello, bob)), revoked(bob)]
  const decision = evaluate(requestOf(hello), verifyEvidence(evidence, policy), policy, now)
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
  return new Map([
    ['ed25519.json', `${JSON.stringify(verdicts(), null, 1)}\n`],
    ['attestation.json', text(attested(hello, alice).bytes)],
    ['revocation-list.json', text(revoked(bob).bytes)],
    ['bundle.json', text(encodeBundle(evidence))],
    ['policy.json', encodePolicy(parsePolicy(encodePolicy(policy)))],
    ['decision.json', text(encodeDecision(decision))],
  ])
}

for (const [name, text] of documents()) {
  test(`vectors: ${name}`, (t) => {
    const path = join(directory, name)
    if (process.env.ACCEPT === '1') {
      mkdirSync(directory, { recursive: true })
      writeFileSync(path, text)
    }
    t.is(readFileSync(path, 'utf8'), text)
  })
}

test('the verdicts of ed25519.json', (t) => {
  const rows: readonly Verdict[] = JSON.parse(readFileSync(join(directory, 'ed25519.json'), 'utf8'))
  for (const { title, publicKey, message, signature, valid } of rows) {
    const given = {
      publicKey: Uint8Array.fromHex(publicKey),
      message: Uint8Array.fromHex(message),
      signature: Uint8Array.fromHex(signature),
    }
    t.is(isValidEd25519(given), valid, title)
  }
  t.true(rows.some(({ title, valid }) => title.includes('mixed') && valid))
  t.true(rows.some(({ title, valid }) => title.includes('cofactor') && !valid))
})
