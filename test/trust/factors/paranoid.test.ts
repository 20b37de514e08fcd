// The preset `paranoid`, which asks for everything.
import test from 'ava'
import { type Evidence, verifyEvidence } from '../../../trust/evidence.ts'
import { evaluateClosure } from '../../../trust/policy/closure.ts'
import { alice, attested, bob, digestNamed, evidenceOf, itemNamed, now, policyOf } from '../support.ts'
import { attestedIn, sessions } from '../world.ts'
import { decideEach, lists, log, paranoid, type Row, signedIn, whole } from './rows.ts'

const rows: readonly Row[] = [
  [
    'paranoid with nothing but operators',
    policyOf({ default: { kind: 'paranoid' } }),
    whole,
    'refused',
    /names no log(.|\n)*more witnesses(.|\n)*which it accepts/,
  ],
  ['paranoid: two, one in a TEE, logged and witnessed', paranoid, whole, 'accepted', /alice agrees/],
  ...whole.map(
    (one, i): Row => [
      `paranoid: without piece ${i} (${one.kind})`,
      paranoid,
      whole.filter((_, k) => k !== i),
      i === 4 ? 'accepted' : 'refused',
    ],
  ),
]

decideEach(rows)

test('down to the seed, each input has to be logged and quoted too', (t) => {
  const seed = itemNamed('seed', '1.0')
  const app = itemNamed('app', '1.0', ['seed'])
  const digestOfInput = () => digestNamed('seed')
  const statements = [
    attestedIn(sessions.alice, app, { digestOfInput }),
    attested(app, bob, { digestOfInput }),
    attestedIn(sessions.alice, seed),
    attested(seed, bob),
  ]
  const outcomeWith = (evidence: readonly Evidence[]) =>
    evaluateClosure([app], {
      items: new Map([app, seed].map((one) => [one.path, one])),
      built: new Map(),
      evidence: verifyEvidence([...evidence, ...lists, ...signedIn(sessions.alice)], paranoid),
      policy: paranoid,
      now,
    }).wanted.get(app.path)?.outcome.kind
  const { document } = sessions.alice
  t.is(outcomeWith([...evidenceOf(...statements), log([...statements, document])]), 'accepted')
  t.is(outcomeWith([...evidenceOf(...statements), log([...statements.slice(0, 3), document])]), 'refused')
  const untold = [...statements.slice(0, 2), attested(seed, alice), ...statements.slice(3)]
  t.is(outcomeWith([...evidenceOf(...untold), log([...untold, document])]), 'refused', 'the seed was built in no TEE')
})
