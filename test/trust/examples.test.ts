/** Executes the worked examples of docs/formats that belong to trust/. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { sha256Of } from '../../format/hash.ts'
import { attest, parseAttestation, verifyAttestation } from '../../trust/attestation.ts'
import { decodeBundle, encodeBundle } from '../../trust/bundle.ts'
import { verifyEvidence } from '../../trust/evidence.ts'
import { encodePublicKey, parsePublicKey } from '../../trust/key.ts'
import { encodeOperator, parseOperator } from '../../trust/operator.ts'
import { encodeDecision, parseDecision } from '../../trust/policy/decision-schema.ts'
import { evaluate } from '../../trust/policy/evaluate.ts'
import { linesOfDecision } from '../../trust/policy/explain.ts'
import { parsePolicy, policyDigestOf } from '../../trust/policy/policy.ts'
import { replay } from '../../trust/policy/replay.ts'
import { encodeRevocationList, parseRevocationList, verifyRevocationList } from '../../trust/revocation.ts'
import { encodeSecretKey, newSecretKey, parseSecretKey } from '../../trust/secret-key.ts'
import { encodeStatement, parseStatement } from '../../trust/statement.ts'

function example(page: string, name: string): string {
  const text = readFileSync(join(import.meta.dirname, '../../docs/formats', page), 'utf8')
  const match = new RegExp(`^\`\`\`\\w+ example=${name}\\n(.*?)\\n\`\`\`$`, 'ms').exec(text)
  if (match?.[1] === undefined) throw new Error(`${page} has no example ${name}`)
  return match[1]
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
const bytes = (one: string) => Buffer.from(one)
const alice = newSecretKey('alice.example', Buffer.from(example('key.md', 'seed'), 'hex'))
const policy = parsePolicy(example('policy.md', 'policy'))
const evidence = decodeBundle(bytes(example('bundle.md', 'bundle')))

test('key.md', (t) => {
  const line = example('key.md', 'public-key')
  t.is(encodePublicKey(alice.publicKey), line)
  t.deepEqual(parsePublicKey(line), alice.publicKey)
  t.is(alice.publicKey.id as string, example('key.md', 'key-id'))
  t.is(
    sha256Of(Buffer.concat([bytes('alice.example\n'), Buffer.of(1), alice.publicKey.bytes])) as string,
    alice.publicKey.id,
  )
  t.is(encodeSecretKey(alice), `${example('key.md', 'secret-key')}\n`)
  t.deepEqual(parseSecretKey(`${example('key.md', 'secret-key')}\n`).publicKey, alice.publicKey)
  const operator = example('key.md', 'operator')
  t.is(text(encodeOperator(parseOperator(bytes(operator)))), operator)
})

test('statement.md', (t) => {
  const statement = example('statement.md', 'statement')
  t.is(text(encodeStatement(parseStatement(bytes(statement)))), statement)
  t.is(sha256Of(statement) as string, example('statement.md', 'statement-digest'))
})

test('attestation.md', (t) => {
  const envelope = example('attestation.md', 'attestation')
  const { statement, digest } = verifyAttestation(parseAttestation(bytes(envelope)), alice.publicKey)
  t.is(text(encodeStatement(statement)), example('statement.md', 'statement'))
  t.is(digest as string, example('attestation.md', 'attestation-digest'))
  t.is(text(attest(statement, alice).bytes), envelope)
})

test('revocation.md', (t) => {
  const parsed = parseRevocationList(bytes(example('revocation.md', 'revocation-envelope')))
  t.is(text(encodeRevocationList(parsed.list)), example('revocation.md', 'revocation-list'))
  const bob = policy.operators.find(({ name }) => name === 'bob')?.keys[0] ?? alice.publicKey
  t.notThrows(() => verifyRevocationList(parsed, bob))
})

test('bundle.md', (t) => {
  t.is(evidence.length, 2)
  t.true(evidence.some((one) => text(one.bytes) === example('attestation.md', 'attestation')))
  t.is(text(encodeBundle(evidence)), example('bundle.md', 'bundle'))
})

test('policy.md and decision.md', (t) => {
  t.is(policyDigestOf(policy) as string, example('policy.md', 'policy-digest'))
  const stored = example('decision.md', 'decision')
  const decision = parseDecision(bytes(stored))
  t.is(text(encodeDecision(decision)), stored)
  t.is(text(encodeDecision(replay(decision, evidence, policy))), stored)
  const again = evaluate(decision.request, verifyEvidence(evidence, policy), policy, decision.now)
  t.is(linesOfDecision(again).join('\n'), example('decision.md', 'lines'))
  const revoking = { kind: 'revocation-list', bytes: bytes(example('revocation.md', 'revocation-envelope')) }
  const after = evaluate(decision.request, verifyEvidence([...evidence, revoking], policy), policy, decision.now)
  t.is(after.outcome.kind, 'refused')
})

test('the same decision without anything of Node', async (t) => {
  const child = join(import.meta.dirname, 'children/without-node.ts')
  const texts = [example('bundle.md', 'bundle'), example('policy.md', 'policy'), example('decision.md', 'decision')]
  const { stdout } = await promisify(execFile)(process.execPath, [child, ...texts])
  t.is(stdout, example('decision.md', 'decision'))
})
