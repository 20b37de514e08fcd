/** Executes the worked examples of docs/formats/policy.md and decision.md that have logs, witnesses, sessions and quotes. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { newestLogs, verifyEvidence } from '../../trust/evidence.ts'
import { encodeDecision, parseDecision } from '../../trust/policy/decision-schema.ts'
import { evaluate } from '../../trust/policy/evaluate.ts'
import { linesOfDecision } from '../../trust/policy/explain.ts'
import { parsePolicy, policyDigestOf } from '../../trust/policy/policy.ts'
import { replay } from '../../trust/policy/replay.ts'
import { newestEvaluations } from '../../trust/tee/judge-session.ts'
import { alice, attested, bob, evidenceOf, itemNamed, now, requestOf, revoked } from './support.ts'
import { attestedIn, loggedIn, logKey, sessions } from './world.ts'

function example(page: string, name: string): string {
  const text = readFileSync(join(import.meta.dirname, '../../docs/formats', page), 'utf8')
  const match = new RegExp(`^\`\`\`\\w+ example=${name}\\n(.*?)\\n\`\`\`$`, 'ms').exec(text)
  if (match?.[1] === undefined) throw new Error(`${page} has no example ${name}`)
  return match[1]
}

/** Alice built it in a session with a simulated quote, bob on a machine like any other; all of it is in one log. */
const item = itemNamed('lzip', '1.25')
const inSession = attestedIn(sessions.alice, item)
const byBob = attested(item, bob)
const evidence = [
  ...evidenceOf(inSession, byBob),
  ...sessions.alice.evidence,
  revoked(alice),
  revoked(bob),
  loggedIn(logKey, [inSession, byBob, sessions.alice.document]),
]
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

test('the policy with logs, witnesses and a TEE, and a decision under it', (t) => {
  const policy = parsePolicy(example('policy.md', 'public-policy'))
  t.is(policyDigestOf(policy) as string, example('policy.md', 'public-policy-digest'))
  const first = verifyEvidence(evidence, policy)
  const known = {
    knownLogs: new Map([...newestLogs(first)].map(([origin, { tree }]) => [origin, tree])),
    knownEvaluations: newestEvaluations(first, policy, now),
  }
  const decision = evaluate(requestOf(item), verifyEvidence(evidence, policy, known), policy, now)
  t.is(text(encodeDecision(decision)), example('decision.md', 'public-decision'))
  t.is(linesOfDecision(decision).join('\n'), example('decision.md', 'public-lines'))
  const stored = parseDecision(Buffer.from(example('decision.md', 'public-decision')))
  t.is(text(encodeDecision(replay(stored, evidence, policy))), example('decision.md', 'public-decision'))
  const without = evidence.filter(({ kind }) => kind !== 'log-inclusions')
  t.throws(() => replay(stored, without, policy), { code: 'ABN_DECISION_DIFFERS' })
})
