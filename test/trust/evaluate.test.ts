// What is decided about one output: one row for each thing that matters.
import test from 'ava'
import { sha256Of } from '../../format/hash.ts'
import { attest } from '../../trust/attestation.ts'
import { type Evidence, newestRevocations, verifyEvidence } from '../../trust/evidence.ts'
import { evaluate } from '../../trust/policy/evaluate.ts'
import { linesOfDecision } from '../../trust/policy/explain.ts'
import type { Policy } from '../../trust/policy/policy.ts'
import {
  alice,
  alice2,
  attested,
  bob,
  carol,
  day,
  decide,
  digestNamed,
  evidenceOf,
  factors,
  hello,
  itemNamed,
  mallory,
  now,
  policyOf,
  recipeOf,
  requestOf,
  revoked,
  statementOf,
} from './support.ts'

const a = attested(hello, alice)
const b = attested(hello, bob)
const c = attested(hello, carol)
const other = sha256Of('other bits')
const liesOf = (key: typeof alice) => attested(hello, key, { digest: other })
const inputsOf = (seed: string) => () => sha256Of(seed)

/** What is decided about hello, and one reason that must be among the reasons. */
type Row = readonly [string, Policy, readonly Evidence[], 'accepted' | 'refused', RegExp?]

const two = policyOf()
const rows: readonly Row[] = [
  ['no evidence', two, [], 'refused', /alice says nothing/],
  ['one of two', two, evidenceOf(a), 'refused', /2 operators have to agree, 1 of 3 do/],
  ['two of three', two, evidenceOf(a, b), 'accepted', /carol says nothing/],
  ['three of three', two, evidenceOf(a, b, c), 'accepted', /carol agrees/],
  ['two keys of one operator', two, evidenceOf(a, attested(hello, alice2)), 'refused', /1 of 3 do/],
  ['two statements of one key', two, evidenceOf(a, attested(hello, alice, { invocation: 'again' })), 'refused'],
  ['the same attestation twice', two, evidenceOf(a, a), 'refused'],
  ['one operator and strangers', two, evidenceOf(a, attested(hello, mallory)), 'refused'],
  ['strangers who contradict', two, evidenceOf(a, b, liesOf(mallory)), 'accepted'],
  [
    'source-only',
    policyOf({ default: { kind: 'source-only' } }),
    evidenceOf(a, b, c),
    'refused',
    /never to substitute/,
  ],
  [
    'source-only for the package',
    policyOf({ packages: { hello: { kind: 'source-only' } } }),
    evidenceOf(a, b),
    'refused',
  ],
  [
    'source-only for another',
    policyOf({ packages: { openssl: { kind: 'source-only' } } }),
    evidenceOf(a, b),
    'accepted',
  ],
  [
    'substituted for others, but not for this',
    policyOf({ default: { kind: 'source-only' }, packages: { hello: { kind: 'two-independent' } } }),
    evidenceOf(a, b),
    'accepted',
    /the rule for hello/,
  ],
  ['no operators', policyOf({ operators: {} }), evidenceOf(a, b), 'refused', /names no operators/],
  ['only one operator configured', policyOf({ operators: { alice: [alice] } }), evidenceOf(a), 'refused', /1 of 1 do/],

  // Conflicts
  ['one contradicts two', two, evidenceOf(a, b, liesOf(carol)), 'refused', /DIVERGENCE: .* same inputs/],
  ['one contradicts one', two, evidenceOf(a, liesOf(bob)), 'refused', /DIVERGENCE/],
  ['an operator contradicts itself', two, evidenceOf(a, b, liesOf(alice2)), 'refused', /DIVERGENCE/],
  [
    'a contradiction that has expired',
    two,
    evidenceOf(a, b, attested(hello, carol, { digest: other, expires: now - 1 })),
    'refused',
    /DIVERGENCE/,
  ],
  [
    'a contradiction from the future',
    two,
    evidenceOf(a, b, attested(hello, carol, { digest: other, finished: now + day })),
    'refused',
    /DIVERGENCE/,
  ],
  [
    'a contradiction by somebody who substituted',
    two,
    evidenceOf(a, b, attested(hello, carol, { digest: other, origin: 'substituted' })),
    'refused',
    /DIVERGENCE/,
  ],
  [
    'a contradiction that was revoked',
    two,
    [
      ...evidenceOf(a, b, liesOf(carol)),
      revoked(carol, { statements: [{ statement: liesOf(carol).statementDigest, reason: '' }] }),
    ],
    'accepted',
    /carol does not count: the statement is revoked/,
  ],
  [
    'other bits from other inputs',
    two,
    evidenceOf(a, b, attested(hello, carol, { digest: other, digestOfInput: inputsOf('x') })),
    'refused',
    /DIVERGENCE: .* from different inputs/,
  ],
  [
    'the same bits from other inputs',
    two,
    evidenceOf(a, attested(hello, bob, { digestOfInput: inputsOf('x') })),
    'accepted',
    /agree, but built from different inputs/,
  ],
  [
    'another size for the same bits',
    two,
    evidenceOf(a, b, attested(hello, carol, { bytes: 1 })),
    'refused',
    /describe the same bits differently/,
  ],
  [
    'other references for the same bits',
    two,
    evidenceOf(a, attested(hello, bob, { references: [] })),
    'refused',
    /describe the same bits differently/,
  ],

  // Times and origin
  ['expired', two, evidenceOf(a, attested(hello, bob, { expires: now })), 'refused', /bob does not count: .* expired/],
  ['expires in a second', two, evidenceOf(a, attested(hello, bob, { expires: now + 1 })), 'accepted'],
  ['a clock that is ahead a little', two, evidenceOf(a, attested(hello, bob, { finished: now + 300 })), 'accepted'],
  ['from the future', two, evidenceOf(a, attested(hello, bob, { finished: now + 301 })), 'refused', /from the future/],
  [
    'not built but substituted',
    two,
    evidenceOf(a, attested(hello, bob, { origin: 'substituted' })),
    'refused',
    /did not build it/,
  ],
  [
    'substituted where that is enough',
    policyOf({ default: factors() }),
    evidenceOf(a, attested(hello, bob, { origin: 'substituted' })),
    'accepted',
  ],
  ['old enough', policyOf({ default: factors({ kind: 'age', minimum: 3600 }) }), evidenceOf(a, b), 'accepted'],
  [
    'too young',
    policyOf({ default: factors({ kind: 'age', minimum: 3601 }) }),
    evidenceOf(a, b),
    'refused',
    /too recent/,
  ],
  ['young enough', policyOf({ default: factors({ kind: 'age', maximum: 3600 }) }), evidenceOf(a, b), 'accepted'],
  ['too old', policyOf({ default: factors({ kind: 'age', maximum: 3599 }) }), evidenceOf(a, b), 'refused', /too old/],

  // Who
  [
    'the required one agrees',
    policyOf({ default: factors({ kind: 'required', operators: ['bob'] }) }),
    evidenceOf(a, b),
    'accepted',
  ],
  [
    'the required one is silent',
    policyOf({ default: factors({ kind: 'required', operators: ['carol'] }) }),
    evidenceOf(a, b),
    'refused',
    /carol has to agree/,
  ],
  [
    'the required one has expired',
    policyOf({ default: factors({ kind: 'required', operators: ['carol'] }) }),
    evidenceOf(a, b, attested(hello, carol, { expires: now })),
    'refused',
    /carol has to agree/,
  ],
  [
    'an excluded one does not count',
    policyOf({ default: factors({ kind: 'excluded', operators: ['bob'] }) }),
    evidenceOf(a, b),
    'refused',
    /bob is excluded/,
  ],
  [
    'an excluded one cannot contradict',
    policyOf({ default: factors({ kind: 'excluded', operators: ['carol'] }) }),
    evidenceOf(a, b, liesOf(carol)),
    'accepted',
  ],
  [
    'one among some',
    policyOf({ default: factors({ kind: 'operators', atLeast: 1, among: ['carol'] }) }),
    evidenceOf(a, c),
    'accepted',
  ],
  [
    'none among some',
    policyOf({ default: factors({ kind: 'operators', atLeast: 1, among: ['carol'] }) }),
    evidenceOf(a, b),
    'refused',
    /0 of 1 do/,
  ],
  [
    'more wanted than there are',
    policyOf({ default: factors({ kind: 'operators', atLeast: 4 }) }),
    evidenceOf(a, b, c),
    'refused',
    /3 of 3 do/,
  ],

  // About something else
  [
    'a statement for another recipe',
    two,
    evidenceOf(a, attested({ ...hello, recipe: recipeOf('lua') }, bob)),
    'refused',
    /bob says nothing/,
  ],
  [
    'a statement for another output',
    two,
    evidenceOf(a, attested(itemNamed('hello', '2.11', ['sh', 'make']), bob)),
    'refused',
    /another name, version or system/,
  ],
  [
    'a statement for another system',
    two,
    evidenceOf(a, attested(hello, bob, { system: 'aarch64-linux' })),
    'refused',
    /another name, version or system/,
  ],
  [
    'the digest of another output',
    two,
    evidenceOf(
      a,
      attested(hello, bob, {
        outputs: [
          {
            ...statementOf(hello, bob).outputs[0],
            output: 'dev',
            path: itemNamed('hello', '2.10').path,
            digest: digestNamed('hello'),
            bytes: 1,
            references: [],
          },
        ],
      }),
    ),
    'refused',
    /nothing about this output/,
  ],
  [
    'a statement with an input of another path',
    two,
    evidenceOf(
      a,
      attested(hello, bob, {
        inputs: statementOf(hello, bob)
          .inputs.map((input, i) => (i === 1 ? { ...input, path: itemNamed('zsh', '9').path } : input))
          .sort((x, y) => (x.path < y.path ? -1 : 1)),
      }),
    ),
    'refused',
    /other inputs than the recipe has/,
  ],
  [
    'a statement that leaves out an input',
    two,
    evidenceOf(a, attested(hello, bob, { inputs: [] })),
    'refused',
    /other inputs than the recipe has/,
  ],

  // Revocation
  [
    'a key that revokes itself',
    two,
    [...evidenceOf(a, b), revoked(bob, { keys: [{ key: bob.publicKey.id, reason: 'stolen' }] })],
    'refused',
    /the key is revoked/,
  ],
  [
    'a key revoked by another of its operator',
    two,
    [...evidenceOf(a, b), revoked(alice2, { keys: [{ key: alice.publicKey.id, reason: '' }] })],
    'refused',
    /alice does not count: the key is revoked/,
  ],
  [
    'a key revoked by another operator',
    two,
    [...evidenceOf(a, b), revoked(carol, { keys: [{ key: bob.publicKey.id, reason: '' }] })],
    'accepted',
  ],
  [
    'a key revoked by a stranger',
    two,
    [...evidenceOf(a, b), revoked(mallory, { keys: [{ key: bob.publicKey.id, reason: '' }] })],
    'accepted',
  ],
  [
    'a revoked statement',
    two,
    [...evidenceOf(a, b), revoked(bob, { statements: [{ statement: b.statementDigest, reason: '' }] })],
    'refused',
    /the statement is revoked/,
  ],
  [
    'a revocation in a list that has expired',
    two,
    [
      ...evidenceOf(a, b),
      revoked(bob, {
        issued: now - 2 * day,
        expires: now - day,
        statements: [{ statement: b.statementDigest, reason: '' }],
      }),
    ],
    'refused',
    /is revoked/,
  ],
  [
    'a revocation that the newer list left out',
    two,
    [
      ...evidenceOf(a, b),
      revoked(bob, { statements: [{ statement: b.statementDigest, reason: '' }] }),
      revoked(bob, { version: 2 }),
    ],
    'refused',
    /is revoked/,
  ],
  [
    'fresh lists where they are wanted',
    policyOf({ default: factors({ kind: 'revocations', within: 7 * day }) }),
    [...evidenceOf(a, b), revoked(alice), revoked(bob)],
    'accepted',
  ],
  [
    'no list where one is wanted',
    policyOf({ default: factors({ kind: 'revocations', within: 7 * day }) }),
    [...evidenceOf(a, b), revoked(alice)],
    'refused',
    /bob does not count: .* no current list/,
  ],
  [
    'an old list',
    policyOf({ default: factors({ kind: 'revocations', within: day - 1 }) }),
    [...evidenceOf(a, b), revoked(alice), revoked(bob)],
    'refused',
    /no current list/,
  ],
  [
    'a list from the future',
    policyOf({ default: factors({ kind: 'revocations', within: day }) }),
    [...evidenceOf(a, b), revoked(alice), revoked(bob, { issued: now + day })],
    'refused',
    /no current list/,
  ],

  [
    'a list that has expired',
    policyOf({ default: factors({ kind: 'revocations', within: 7 * day }) }),
    [...evidenceOf(a, b), revoked(alice), revoked(bob, { expires: now })],
    'refused',
    /no current list/,
  ],

  // What the policy does not say enough about, and evidence of no use
  [
    'logged where no log is named',
    policyOf({ default: factors({ kind: 'logged' }) }),
    evidenceOf(a, b, c),
    'refused',
    /the policy names no log/,
  ],
  [
    'witnessed where no witness is named',
    policyOf({ default: factors({ kind: 'witnessed', atLeast: 1, within: day }) }),
    evidenceOf(a, b, c),
    'refused',
    /more witnesses than the policy names/,
  ],
  [
    'a TEE where none is described',
    policyOf({ default: factors({ kind: 'tee', atLeast: 1 }) }),
    evidenceOf(a, b, c),
    'refused',
    /the policy does not say which it accepts/,
  ],
  [
    'an unknown kind of evidence',
    two,
    [...evidenceOf(a), { kind: 'oracle', bytes: b.bytes }],
    'refused',
    /bob says nothing/,
  ],
  [
    'an attestation passed off as a revocation',
    two,
    [...evidenceOf(a, b), { kind: 'revocation-list', bytes: b.bytes }],
    'accepted',
  ],
  [
    'a revocation passed off as an attestation',
    two,
    [...evidenceOf(a), { kind: 'attestation', bytes: revoked(bob).bytes }],
    'refused',
  ],
]

for (const [title, policy, evidence, outcome, line] of rows) {
  test(title, (t) => {
    const decision = decide(evidence, policy)
    t.is(decision.outcome.kind, outcome)
    const lines = linesOfDecision(decision).join('\n')
    if (line) t.regex(lines, line)
    if (decision.outcome.kind === 'accepted') t.is(decision.outcome.digest, digestNamed('hello'))
  })
}

test('times that are none', (t) => {
  for (const at of [Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 1.5]) {
    t.throws(() => decide(evidenceOf(a, b), two, at), { instanceOf: TypeError }, String(at))
  }
})

test('an older list of revocations than one that was seen', (t) => {
  const first = verifyEvidence([revoked(bob, { version: 7 })], two)
  const knownRevocations = newestRevocations(first)
  t.is(knownRevocations.get(bob.publicKey.id), 7)
  const outcomeWith = (list: readonly Evidence[]) => {
    const verified = verifyEvidence([...evidenceOf(a, b), ...list], two, { knownRevocations })
    return evaluate(requestOf(hello), verified, two, now)
  }
  t.is(outcomeWith([revoked(bob, { version: 7 })]).outcome.kind, 'accepted')
  t.is(outcomeWith([revoked(bob, { version: 8 })]).outcome.kind, 'accepted')
  for (const list of [[], [revoked(bob, { version: 6 })], [revoked(alice, { version: 9 })]]) {
    const decision = outcomeWith(list)
    t.is(decision.outcome.kind, 'refused')
    t.regex(linesOfDecision(decision).join('\n'), /bob does not count: an older list of revocations/)
  }
  const again = verifyEvidence([revoked(bob, { version: 6 })], two, { knownRevocations })
  t.is(newestRevocations(again).get(bob.publicKey.id), 7, 'what is remembered never falls')
})

test('what is set aside, and why', (t) => {
  const forged = { ...statementOf(hello, bob), invocation: 'forged' }
  const { bytes } = attest(forged, bob)
  const flipped = Buffer.from(
    Buffer.from(bytes)
      .toString()
      .replace(/"sig":"(.)/, (_, c) => `"sig":"${c === 'A' ? 'B' : 'A'}`),
  )
  const kinds: readonly Evidence[] = [
    { kind: 'oracle', bytes },
    { kind: 'attestation', bytes: Buffer.from('{}') },
    { kind: 'attestation', bytes: attested(hello, mallory).bytes },
    { kind: 'attestation', bytes: flipped },
  ]
  const { aside, attestations } = verifyEvidence(kinds, two)
  t.deepEqual(aside.map(({ because }) => because).sort(), ['invalid', 'signature', 'stranger', 'unknown-kind'])
  t.is(attestations.size, 0)
})

test('signatures are remembered by all of their bytes', (t) => {
  const memory = new Map()
  const evidence = evidenceOf(a, b)
  const first = verifyEvidence(evidence, two, { memory })
  t.is(memory.size, 2)
  const second = verifyEvidence(evidence, two, { memory })
  t.is(second.attestations.get(hello.recipe)?.[0]?.attestation, first.attestations.get(hello.recipe)?.[0]?.attestation)
  const nobody = verifyEvidence(evidence, policyOf({ operators: { carol: [carol] } }), { memory })
  t.is(nobody.attestations.size, 0, 'whom another policy names is another matter')
})
