/** What the rows of these tests are about: one item, what operators state about it, the policies, and how a row is decided. */
import test from 'ava'
import { type Evidence, verifyEvidence } from '../../../trust/evidence.ts'
import { encodeDecision, parseDecision } from '../../../trust/policy/decision-schema.ts'
import { evaluate } from '../../../trust/policy/evaluate.ts'
import { linesOfDecision } from '../../../trust/policy/explain.ts'
import type { Policy } from '../../../trust/policy/policy.ts'
import { replay } from '../../../trust/policy/replay.ts'
import {
  alice,
  attested,
  bob,
  carol,
  day,
  digestNamed,
  evidenceOf,
  factors,
  itemNamed,
  now,
  policyOf,
  requestOf,
  revoked,
} from '../support.ts'
import {
  ann,
  attestedIn,
  ben,
  collateralIn,
  configured,
  loggedIn,
  logKey,
  packed,
  type SessionScene,
  sessions,
  teeConditions,
} from '../world.ts'

/** Without inputs, so that `paranoid` has nothing else to ask about. */
export const item = itemNamed('lzip', '1.25')

export const ruled = (...list: readonly unknown[]) =>
  policyOf({ ...configured, default: factors({ kind: 'built' }, ...list) })
export const logged = ruled({ kind: 'logged' })
export const witnessed = ruled({ kind: 'witnessed', atLeast: 2, within: day })
export const tee = ruled({ kind: 'tee', atLeast: 1 })
export const twoTees = ruled({ kind: 'tee', atLeast: 2 })
export const paranoid = policyOf({ ...configured, default: { kind: 'paranoid' } })
export const withTee = (changes: object, ...more: readonly unknown[]) =>
  policyOf({
    ...configured,
    tee: { ...teeConditions, ...changes },
    default: factors({ kind: 'tee', atLeast: 1 }, ...more),
  })

/** By the operator's own key, and in a session. */
export const a = attested(item, alice)
export const b = attested(item, bob)
export const c = attested(item, carol)
export const inA = attestedIn(sessions.alice, item)
export const inB = attestedIn(sessions.bob, item)
export const inPlain = attestedIn(sessions.plain, item)
export const inElsewhere = attestedIn(sessions.elsewhere, item, { invocation: 'elsewhere' })
export const lists = [revoked(alice), revoked(bob), revoked(carol)]

export const signedIn = (...scenes: readonly SessionScene[]) => scenes.flatMap(({ evidence }) => evidence)
export const two = { by: [ann, ben], at: now - 60 }
export const log = (entries: readonly { readonly bytes: Uint8Array }[], witnessing = two, signer = logKey) =>
  loggedIn(signer, entries, { witnessing })
export const repacked = packed(sessions.alice, {
  quote: sessions.bob.document.quote,
  collateral: collateralIn(sessions.bob),
  checkpoint: null,
})
export const whole = [
  ...evidenceOf(inA, b),
  ...lists,
  ...signedIn(sessions.alice),
  log([inA, b, sessions.alice.document]),
]

/** What is decided, and one reason that must be among the reasons. */
export type Row = readonly [string, Policy, readonly Evidence[], 'accepted' | 'refused', RegExp?]

/** A test for each; every decision is replayed. */
export function decideEach(rows: readonly Row[]): void {
  for (const [title, policy, evidence, outcome, line] of rows) {
    test(title, (t) => {
      const decision = evaluate(requestOf(item), verifyEvidence(evidence, policy), policy, now)
      const lines = linesOfDecision(decision).join('\n')
      t.is(decision.outcome.kind, outcome, lines)
      if (line) t.regex(lines, line)
      if (decision.outcome.kind === 'accepted') t.is(decision.outcome.digest, digestNamed('lzip'))
      const bytes = encodeDecision(decision)
      t.deepEqual(encodeDecision(replay(parseDecision(bytes), evidence, policy)), bytes)
    })
  }
}
