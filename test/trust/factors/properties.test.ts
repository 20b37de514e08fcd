// What holds of the factors `logged`, `witnessed` and `tee` whatever the evidence: every case of a small world against a model, and
// properties of random ones.
import test from 'ava'
import fc from 'fast-check'
import { sha256Of } from '../../../format/hash.ts'
import type { VerifiedAttestation } from '../../../trust/attestation.ts'
import { encodeEnvelope } from '../../../trust/dsse.ts'
import { type Evidence, newestLogs, type VerifyOptions, verifyEvidence } from '../../../trust/evidence.ts'
import { treeHashOf, treeSizeOf } from '../../../trust/log/merkle.ts'
import { parseLogProof } from '../../../trust/log/proof-file.ts'
import type { Decision } from '../../../trust/policy/decision.ts'
import { encodeDecision, parseDecision } from '../../../trust/policy/decision-schema.ts'
import { evaluate } from '../../../trust/policy/evaluate.ts'
import type { Policy } from '../../../trust/policy/policy.ts'
import { replay } from '../../../trust/policy/replay.ts'
import { encodeSessionProof } from '../../../trust/session-evidence.ts'
import { simulatedRoot } from '../../../trust/tee/simulated.ts'
import { smallLog } from '../../_support/small-log.ts'
import {
  alice,
  attested,
  bob,
  carol,
  day,
  evidenceOf,
  factors,
  itemNamed,
  keyNamed,
  mallory,
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
  cyd,
  inclusionsIn,
  loggedIn,
  logKey,
  otherLogKey,
  packed,
  type SessionScene,
  sessionOf,
  sessions,
  teeConditions,
} from '../world.ts'

const item = itemNamed('lzip', '1.25')
const other = sha256Of('other bits')
/** Signatures are looked at once for all of the tests. */
const memory: NonNullable<VerifyOptions['memory']> = new Map()

function decide(evidence: readonly Evidence[], policy: Policy, known: VerifyOptions = {}): Decision {
  return evaluate(requestOf(item), verifyEvidence(evidence, policy, { ...known, memory }), policy, now)
}

const bytesOf = (...given: Parameters<typeof decide>) => Buffer.from(encodeDecision(decide(...given)))

// Every case of a small world

const states = ['silent', 'key', 'session', 'tee', 'lie'] as const
const logStates = ['nothing', 'logged', 'one witness', 'two witnesses', 'two long ago', 'fork'] as const
type State = (typeof states)[number]

const operators = [
  { key: alice, tee: sessions.alice, plain: sessionOf(alice, 'alice plain', { session: { tee: 'none' } }) },
  { key: bob, tee: sessions.bob, plain: sessions.plain },
  { key: carol, tee: sessions.carol, plain: sessionOf(carol, 'carol plain', { session: { tee: 'none' } }) },
]

type Saying = { readonly attestation: VerifiedAttestation; readonly session: SessionScene | undefined }

const sayings = operators.map(
  ({ key, tee, plain }): Readonly<Record<Exclude<State, 'silent'>, Saying>> => ({
    key: { attestation: attested(item, key), session: undefined },
    session: { attestation: attestedIn(plain, item), session: plain },
    tee: { attestation: attestedIn(tee, item), session: tee },
    lie: { attestation: attested(item, key, { digest: other }), session: undefined },
  }),
)
const entries = sayings.flatMap((one) =>
  Object.values(one).flatMap(({ attestation, session }) => [attestation, ...(session ? [session.document] : [])]),
)
const logEvidence: Readonly<Record<(typeof logStates)[number], readonly Evidence[]>> = {
  nothing: [],
  logged: [loggedIn(logKey, entries, { witnessing: { by: [], at: 0 } })],
  'one witness': [loggedIn(logKey, entries, { witnessing: { by: [ann], at: now } })],
  'two witnesses': [loggedIn(logKey, entries)],
  'two long ago': [loggedIn(logKey, entries, { witnessing: { by: [ann, ben], at: now - 2 * day } })],
  fork: [loggedIn(logKey, entries), loggedIn(logKey, [...entries].reverse())],
}

type Rule = { readonly logged?: boolean; readonly witnessed?: boolean; readonly tees?: number }

const ruleRows: readonly Rule[] = [
  {},
  { logged: true },
  { witnessed: true },
  { tees: 1 },
  { tees: 2 },
  { logged: true, witnessed: true, tees: 1 },
  { logged: true, tees: 3 },
]

function policyFor({ logged, witnessed, tees }: Rule): Policy {
  return policyOf({
    ...configured,
    default: factors(
      ...(logged ? [{ kind: 'logged' }] : []),
      ...(witnessed ? [{ kind: 'witnessed', atLeast: 2, within: day }] : []),
      ...(tees ? [{ kind: 'tee', atLeast: tees }] : []),
    ),
  })
}

/** What has to come out, worked out in another way. */
function isAcceptable(found: readonly State[], log: (typeof logStates)[number], rule: Rule): boolean {
  const said = found.filter((state) => state !== 'silent')
  if (said.includes('lie') && said.some((state) => state !== 'lie')) return false
  if (rule.witnessed && log !== 'two witnesses') return false
  if (rule.logged && (log === 'nothing' || log === 'fork')) return false
  return said.length >= 2 && said.filter((state) => state === 'tee').length >= (rule.tees ?? 0)
}

for (const rule of ruleRows) {
  test(`every case under ${JSON.stringify(rule)}`, (t) => {
    const policy = policyFor(rule)
    let accepted = 0
    for (const log of logStates) {
      for (const first of states) {
        for (const second of states) {
          for (const third of states) {
            const found = [first, second, third]
            const said = found.flatMap((state, i) => (state === 'silent' ? [] : (sayings[i]?.[state] ?? [])))
            const evidence = [
              ...evidenceOf(...said.map(({ attestation }) => attestation)),
              ...said.flatMap(({ session }) => session?.evidence ?? []),
              ...logEvidence[log],
            ]
            const { outcome } = decide(evidence, policy)
            const wanted = isAcceptable(found, log, rule)
            if ((outcome.kind === 'accepted') !== wanted) t.fail(`${found.join(', ')}; ${log}: ${outcome.kind}`)
            if (wanted) accepted += 1
          }
        }
      }
    }
    t.true(accepted > 0, 'something has to be accepted')
  })
}

// Properties

/** Of which none says anything against another: more of it is never worse. */
const debug = sessionOf(alice, 'debug', { quote: { body: { tdAttributes: Uint8Array.of(1, 0, 0, 0x10, 0, 0, 0, 0) } } })
const late = attestedIn(sessions.carol, item, { started: now - 8_000, invocation: 'late' })
const scenes = [...operators.flatMap(({ tee, plain }) => [tee, plain]), sessions.elsewhere, debug]
const agreeing = [
  ...sayings.flatMap(({ key, session, tee }) => [key.attestation, session.attestation, tee.attestation]),
  attestedIn(sessions.elsewhere, item, { invocation: 'elsewhere' }),
  attestedIn(debug, item, { invocation: 'debug' }),
  late,
]
const packings = [
  packed(sessions.alice, {
    quote: sessions.bob.document.quote,
    collateral: collateralIn(sessions.bob),
    checkpoint: null,
  }),
  packed(sessions.bob, { quote: Buffer.from('no quote'), collateral: collateralIn(sessions.alice), checkpoint: null }),
]
const public_ = [...agreeing, ...scenes.map(({ document }) => document), ...packings.map(({ document }) => document)]
const tree = smallLog(
  logKey,
  public_.map(({ bytes }) => bytes),
)
const oldSize = tree.entries.length
const oldProofs = [...public_, { bytes: Buffer.from('nothing') }].flatMap((entry) =>
  tree.entries.some((bytes) => Buffer.compare(bytes, entry.bytes) === 0)
    ? [
        inclusionsIn(tree, [entry], { by: [ann, ben], at: now - 2 * day }),
        inclusionsIn(tree, [entry], { by: [cyd], at: now }),
      ]
    : [],
)
const sessionProofs = operators.flatMap(({ tee: { document } }) =>
  [[ann, ben, cyd], [ann]].map((by): Evidence => {
    const proof = parseLogProof(tree.proofFile(document.bytes, oldSize, { by, at: now - 3_000 }))
    return { kind: 'session-proof', bytes: encodeSessionProof(document.digest, proof) }
  }),
)
tree.append(Buffer.from('one more'))
const growth: Evidence = { kind: 'log-consistency', bytes: tree.consistency(oldSize) }
const newProofs = public_.flatMap((entry) => [
  inclusionsIn(tree, [entry], { by: [ann], at: now - 60 }),
  inclusionsIn(tree, [entry], { by: [ann, ben], at: now - 60 }),
])
const allProofs = [
  inclusionsIn(tree, public_, { by: [ann, ben, cyd], at: now - 60 }),
  loggedIn(otherLogKey, public_, { witnessing: { by: [ben, cyd], at: now - 30 } }),
]
const honest: readonly Evidence[] = [
  ...evidenceOf(...agreeing),
  ...scenes.flatMap(({ evidence }) => evidence),
  ...packings.flatMap(({ evidence }) => evidence),
  ...oldProofs,
  ...newProofs,
  ...sessionProofs,
]
const lists = [revoked(alice), revoked(bob), revoked(carol)]
const base = [growth, ...lists]

const rule = (...list: readonly unknown[]) => policyOf({ ...configured, default: factors(...list) })
const witnessedTwice = { kind: 'witnessed', atLeast: 2, within: day }
const excluding = rule({ kind: 'tee', atLeast: 1 }, { kind: 'excluded', operators: ['carol'] })
const policies: readonly Policy[] = [
  policyOf({ ...configured, default: { kind: 'paranoid' } }),
  rule({ kind: 'logged' }),
  rule(witnessedTwice),
  rule({ kind: 'witnessed', atLeast: 1, within: 10 }),
  rule({ kind: 'tee', atLeast: 1 }),
  rule({ kind: 'tee', atLeast: 2 }, { kind: 'logged' }),
  excluding,
  policyOf({
    ...configured,
    tee: { ...teeConditions, collateral: 'logged' },
    default: factors(witnessedTwice, { kind: 'tee', atLeast: 1 }),
  }),
  policyOf({ default: { kind: 'two-independent' } }),
]
const policy = fc.constantFrom(...policies)
const subset = (from: readonly Evidence[], maxLength = from.length) => fc.subarray([...from], { maxLength })
/** Random, but often enough to accept something. */
const someHonest = fc
  .tuple(
    subset(honest),
    subset(allProofs),
    fc.boolean(),
    subset([...evidenceOf(...agreeing.slice(0, 9)), ...scenes.slice(0, 6).flatMap(({ evidence }) => evidence)]),
  )
  .map(([some, all, most, good]) => [...base, ...some, ...all, ...(most ? good : [])])

test('more that agrees, is logged, cosigned or quoted never turns yes into no, nor does less turn no into yes', (t) => {
  let yes = 0
  fc.assert(
    fc.property(someHonest, someHonest, policy, (some, more, under) => {
      const before = decide(some, under).outcome
      if (before.kind === 'refused') return
      yes += 1
      const after = decide([...some, ...more], under).outcome
      t.is(after.kind, 'accepted')
      t.is(after.kind === 'accepted' && after.digest, before.digest)
    }),
    { numRuns: 250 },
  )
  t.true(yes > 50, `only ${yes} were accepted to begin with`)
})

const strangeLog = keyNamed('log.example/stranger')
const strangeSession = sessionOf(mallory, 'strange')
const strange: readonly Evidence[] = [
  loggedIn(strangeLog, public_),
  loggedIn({ ...strangeLog, publicKey: logKey.publicKey }, public_),
  { kind: 'log-consistency', bytes: smallLog(strangeLog, [Buffer.from('a'), Buffer.from('b')]).consistency(1) },
  // Without the collateral, which is the root's word about all machines of a kind, whoever brings it.
  ...strangeSession.evidence.slice(0, 1),
  ...evidenceOf(attestedIn(strangeSession, item), attestedIn(strangeSession, item, { digest: other })),
  // A session in the name of another: it is not signed by him.
  ...evidenceOf(attestedIn({ key: mallory, signed: sessions.alice.signed }, item, { digest: other })),
  { kind: 'session', bytes: withSignatureOf(sessions.alice, sessions.bob) },
  { kind: 'session', bytes: Buffer.from('{}') },
  { kind: 'collateral', bytes: Buffer.from('{}') },
  { kind: 'session-proof', bytes: Buffer.from('c2sp.org/tlog-proof@v1\n') },
  { kind: 'log-inclusions', bytes: loggedIn(logKey, public_).bytes.slice(0, -10) },
  { kind: 'log-consistency', bytes: Buffer.from('old 1\n\n') },
  { kind: 'quote', bytes: sessions.alice.document.quote ?? new Uint8Array() },
]
function withSignatureOf({ document }: SessionScene, { signed }: SessionScene): Uint8Array {
  const json = JSON.parse(Buffer.from(document.bytes).toString())
  const envelope = { ...document.session.envelope, signature: signed.envelope.signature }
  return Buffer.from(JSON.stringify({ ...json, session: Buffer.from(encodeEnvelope(envelope)).toString('base64') }))
}

/** What couriers can bring against something. */
const lies = [
  ...evidenceOf(
    ...[alice, bob, carol].map((key) => attested(item, key, { digest: other })),
    attestedIn(sessions.alice, item, { digest: other }),
    attestedIn(sessions.plain, item, { digest: other, started: 0 }),
  ),
]
const trouble = [
  loggedIn(logKey, public_.slice(1)),
  inclusionsIn(smallLog(logKey, [Buffer.from('another'), ...public_.map(({ bytes }) => bytes)]), public_.slice(0, 3)),
  inclusionsIn(smallLog(logKey, [...tree.entries, Buffer.from('x')]), public_, { by: [ann, ben, cyd], at: now }),
]
const anything = fc
  .tuple(someHonest, subset(lies, 1), subset(trouble, 1), fc.boolean())
  .map(([list, lie, bad, isBad]) => [...list, ...(isBad ? [...lie, ...bad] : [])])
const known = fc.record({
  knownLogs: fc.constantFrom(
    new Map(),
    newestOf([growth, ...newProofs.slice(0, 1)]),
    new Map([[logKey.publicKey.name, { size: treeSizeOf(9_999), root: treeHashOf(new Uint8Array(32)) }]]),
  ),
  knownEvaluations: fc.constantFrom(
    new Map(),
    new Map([[simulatedRoot().digest, 3]]),
    new Map([[simulatedRoot().digest, 999]]),
  ),
})

function newestOf(evidence: readonly Evidence[]): NonNullable<VerifyOptions['knownLogs']> {
  const [first = policyOf()] = policies
  return new Map([...newestLogs(verifyEvidence(evidence, first))].map(([log, newest]) => [log, newest.tree]))
}

test('what strangers log, sign, cosign or quote never changes a decision', (t) => {
  fc.assert(
    fc.property(anything, subset(strange), policy, (own, theirs, under) => {
      t.true(bytesOf([...own, ...theirs], under).equals(bytesOf(own, under)))
    }),
    { numRuns: 150 },
  )
})

test('neither order nor repetition changes a decision', (t) => {
  const shuffled = anything.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray([...list])))
  fc.assert(
    fc.property(shuffled, policy, ([list, some], under) => {
      t.true(bytesOf([...some, ...[...list].reverse(), ...some], under).equals(bytesOf(list, under)))
    }),
    { numRuns: 150 },
  )
})

test('a log in trouble never turns no into yes', (t) => {
  let troubled = 0
  fc.assert(
    fc.property(someHonest, fc.constantFrom(...trouble), policy, known, (list, bad, under, before) => {
      const after = decide([...list, bad], under, before)
      if (after.reasons.some(({ kind }) => kind === 'log-trouble')) troubled += 1
      if (after.outcome.kind === 'accepted') t.is(decide(list, under, before).outcome.kind, 'accepted')
    }),
    { numRuns: 200 },
  )
  t.true(troubled > 50, `only ${troubled} were in trouble`)
})

test('what is known of logs and evaluations never turns no into yes', (t) => {
  fc.assert(
    fc.property(anything, policy, known, (list, under, before) => {
      if (decide(list, under, before).outcome.kind === 'accepted') t.is(decide(list, under).outcome.kind, 'accepted')
    }),
    { numRuns: 150 },
  )
})

test('a conflict among configured operators is never yes, logged, witnessed, quoted or not', (t) => {
  const honestly = [...evidenceOf(...agreeing.slice(3, 6)), ...allProofs]
  const asking = fc.constantFrom(...policies.filter((one) => one !== excluding))
  fc.assert(
    fc.property(someHonest, fc.constantFrom(...lies), asking, (list, lie, under) => {
      const all = [...list, ...honestly, ...operators.flatMap(({ plain, tee }) => [...plain.evidence, ...tee.evidence])]
      t.is(decide([...all, lie], under).outcome.kind, 'refused')
    }),
    { numRuns: 100 },
  )
})

test('a decision is encoded, parsed and replayed to the byte', (t) => {
  fc.assert(
    fc.property(anything, subset([...strange, ...honest]), policy, known, (list, more, under, before) => {
      const bytes = bytesOf(list, under, before)
      const parsed = parseDecision(bytes)
      t.true(Buffer.from(encodeDecision(parsed)).equals(bytes))
      t.true(Buffer.from(encodeDecision(replay(parsed, [...more, ...list], under, memory))).equals(bytes))
    }),
    { numRuns: 200 },
  )
})

test('what was remembered makes no difference', (t) => {
  fc.assert(
    fc.property(anything, policy, (list, under) => {
      const fresh = evaluate(requestOf(item), verifyEvidence(list, under), under, now)
      t.true(bytesOf(list, under).equals(encodeDecision(fresh)))
    }),
    { numRuns: 20 },
  )
})
