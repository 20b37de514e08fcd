// Decisions about closures: how far inputs are asked for.
import test from 'ava'
import { sha256Of } from '../../format/hash.ts'
import { type Evidence, verifyEvidence } from '../../trust/evidence.ts'
import { type ClosureItem, evaluateClosure } from '../../trust/policy/closure.ts'
import {
  alice,
  attested,
  bob,
  carol,
  digestNamed,
  evidenceOf,
  hello,
  honestInput,
  itemNamed,
  now,
  policyOf,
} from './support.ts'

const other = sha256Of('other bits')

/** seed ← sh ← make ← app, each with the statements of these operators. */
const seed = itemNamed('seed', '1.0')
const sh = itemNamed('sh', '1.0', ['seed'])
const make = itemNamed('make', '1.0', ['sh'])
const app = itemNamed('app', '1.0', ['make', 'sh'])
const chain = [app, make, seed, sh]

type Scene = { readonly depth: string; readonly evidence: readonly Evidence[]; readonly built?: readonly ClosureItem[] }

function decideApp({ depth, evidence, built = [] }: Scene) {
  const policy = policyOf({ default: { kind: 'factors', depth, factors: [{ kind: 'operators', atLeast: 2 }] } })
  return evaluateClosure([app], {
    items: new Map(chain.map((item) => [item.path, item])),
    built: new Map(built.map((item) => [item.path, digestNamed(item.name)])),
    evidence: verifyEvidence(evidence, policy),
    policy,
    now,
  })
}

const allOf = (items: readonly ClosureItem[]) =>
  evidenceOf(...items.flatMap((item) => [attested(item, alice), attested(item, bob)]))
const seedDiffers = (path: string) => (path === seed.path ? other : honestInput(seed.path))

const scenes: readonly (readonly [string, Scene, 'accepted' | 'refused', number])[] = [
  ['outputs: inputs need no statements', { depth: 'outputs', evidence: allOf([app]) }, 'accepted', 0],
  ['inputs: they need statements', { depth: 'inputs', evidence: allOf([app]) }, 'refused', 2],
  ['inputs: all there', { depth: 'inputs', evidence: allOf([app, make, sh]) }, 'accepted', 2],
  ['inputs: one missing', { depth: 'inputs', evidence: allOf([app, make]) }, 'refused', 2],
  [
    'inputs: one missing, but built here',
    { depth: 'inputs', evidence: allOf([app, make]), built: [sh] },
    'accepted',
    1,
  ],
  ['seed: one far below is missing', { depth: 'seed', evidence: allOf([app, make, sh]) }, 'refused', 3],
  ['seed: all there', { depth: 'seed', evidence: allOf([app, make, sh, seed]) }, 'accepted', 3],
  ['seed: the seed built here', { depth: 'seed', evidence: allOf([app, make, sh]), built: [seed] }, 'accepted', 2],
  [
    'seed: the inputs used are not those accepted',
    {
      depth: 'seed',
      evidence: [
        ...allOf([app, make, seed]),
        ...evidenceOf(attested(sh, alice), attested(sh, bob, { digestOfInput: seedDiffers })),
      ],
    },
    'refused',
    3,
  ],
  [
    'seed: divergence far below',
    {
      depth: 'seed',
      evidence: [...allOf([app, make, sh, seed]), ...evidenceOf(attested(seed, carol, { digest: other }))],
    },
    'refused',
    3,
  ],
  [
    'outputs: divergence below does not matter',
    { depth: 'outputs', evidence: [...allOf([app]), ...evidenceOf(attested(seed, carol, { digest: other }))] },
    'accepted',
    0,
  ],
]

for (const [title, scene, outcome, inputs] of scenes) {
  test(`depth ${title}`, (t) => {
    const decisions = decideApp(scene)
    t.is(decisions.wanted.get(app.path)?.outcome.kind, outcome)
    t.is(decisions.inputs.length, inputs)
  })
}

test('depth inputs asks inputs for themselves only, whatever their own rule', (t) => {
  const { inputs } = decideApp({ depth: 'inputs', evidence: allOf([app, make, sh]) })
  t.deepEqual(
    inputs.map(({ request, conditions }) => [request.depth, conditions?.depth]),
    [
      ['outputs', 'outputs'],
      ['outputs', 'outputs'],
    ],
  )
})

test('a chain of 5,000 inputs down to the seed is decided', (t) => {
  const items = Array.from({ length: 5_000 }, (_, i) => itemNamed(`n${i}`, '1.0', i === 0 ? [] : [`n${i - 1}`]))
  const policy = policyOf({ default: { kind: 'factors', depth: 'seed', factors: [{ kind: 'operators', atLeast: 1 }] } })
  const top = items.at(-1) ?? hello
  const { wanted, inputs } = evaluateClosure([top], {
    items: new Map(items.map((item) => [item.path, item])),
    built: new Map(),
    evidence: verifyEvidence([], policy),
    policy,
    now,
  })
  t.is(wanted.get(top.path)?.outcome.kind, 'refused')
  t.is(inputs.length, 4_999)
})
