// How a log stands: what agrees counts, and each way of not agreeing is named and takes away everything of that log, of no other.
import test from 'ava'
import fc from 'fast-check'
import { hexOf } from '../../../trust/bytes.ts'
import { type Evidence, newestLogs, verifyEvidence } from '../../../trust/evidence.ts'
import { parseCheckpoint } from '../../../trust/log/checkpoint.ts'
import { encodeInclusions, parseInclusions } from '../../../trust/log/inclusions.ts'
import { leafHash, type TreeHash, treeHashOf } from '../../../trust/log/merkle.ts'
import { type KnownTree, type LogStanding, treesWith } from '../../../trust/log/standing.ts'
import { encodeAddCheckpoint, parseAddCheckpoint } from '../../../trust/log/witness-request.ts'
import { newSecretKey } from '../../../trust/secret-key.ts'
import { type SmallLog, smallLog, type Witnessing } from '../../_support/small-log.ts'
import { logKey, scenePolicy, witness1, witness2, witness3 } from '../scene.ts'
import { keyNamed, now } from '../support.ts'

const otherKey = keyNamed('other.example/log')
const policy = scenePolicy({ logs: [logKey, otherKey] })
const entry = (i: number) => Buffer.from(`entry ${i}`)
const entries = (count: number) => Array.from({ length: count }, (_, i) => entry(i))
const log = smallLog(logKey, entries(60))
/** The same up to 20 entries. */
const forked = smallLog(logKey, [...entries(20), ...entries(40).map((one) => Buffer.from(`${one} forked`))])
const leaf = (i: number) => hexOf(leafHash(entry(i)))

const inclusions = (of: SmallLog, size: number, witnessing?: Witnessing): Evidence => ({
  kind: 'log-inclusions',
  bytes: of.inclusions([entry(1), entry(7)], size, witnessing),
})
const growth = (of: SmallLog, old: number, size: number): Evidence => ({
  kind: 'log-consistency',
  bytes: of.consistency(old, size),
})
function treeOf(of: SmallLog, size: number): KnownTree {
  const { root, size: count } = parseCheckpoint(of.note(size).text)
  return { size: count, root }
}
const known = (of: SmallLog, size: number) => new Map([[of.key.name, treeOf(of, size)]])

function standing(evidence: readonly Evidence[], knownLogs?: ReadonlyMap<string, KnownTree>): LogStanding | undefined {
  return verifyEvidence(evidence, policy, { ...(knownLogs === undefined ? {} : { knownLogs }) }).logs.get(
    logKey.publicKey.name,
  )
}

/** What stands: sizes of the trees, or the trouble. */
function found(
  evidence: readonly Evidence[],
  knownLogs?: ReadonlyMap<string, KnownTree>,
): readonly (string | number)[] {
  const { trees, trouble, newest } = standing(evidence, knownLogs) ?? { trees: [], trouble: null, newest: null }
  if (trouble !== null)
    return [trouble.kind, ...trees.map(({ checkpoint }) => checkpoint.size), ...(newest ? ['newest'] : [])]
  return trees.map(({ checkpoint }) => checkpoint.size).sort((a, b) => a - b)
}

/** The first hash of the proof is another. */
function wrongGrowth(of: SmallLog, old: number, size: number): Evidence {
  const request = parseAddCheckpoint(of.consistency(old, size))
  const proof = request.proof.map((hash, i): TreeHash => (i === 0 ? treeHashOf(hash.map((byte) => byte ^ 1)) : hash))
  return { kind: 'log-consistency', bytes: encodeAddCheckpoint({ ...request, proof }) }
}

const rows: readonly (readonly [
  string,
  readonly Evidence[],
  ReadonlyMap<string, KnownTree> | undefined,
  readonly (string | number)[],
])[] = [
  ['first sight: taken as it is', [inclusions(log, 40)], undefined, [40]],
  ['the tree that is known', [inclusions(log, 40)], known(log, 40), [40]],
  ['a larger tree, with its proof', [inclusions(log, 40), growth(log, 23, 40)], known(log, 23), [40]],
  [
    'the known tree, by a chain of proofs',
    [inclusions(log, 40), growth(log, 23, 30), growth(log, 30, 40)],
    known(log, 23),
    [40],
  ],
  ['growth alone shows nothing to be in it', [growth(log, 23, 40)], known(log, 23), []],
  [
    'two trees of one log, with a proof',
    [inclusions(log, 32), inclusions(log, 40), growth(log, 32, 40)],
    undefined,
    [32, 40],
  ],
  [
    'two trees that are both the beginning of a third',
    [inclusions(log, 32), inclusions(log, 40), growth(log, 32, 50), growth(log, 40, 50)],
    undefined,
    [32, 40],
  ],
  [
    'a smaller tree that is the beginning of what came',
    [inclusions(log, 20), inclusions(log, 40), growth(log, 20, 40), growth(log, 30, 40)],
    known(log, 30),
    [20, 40],
  ],
  ['a proof that nobody needs', [inclusions(log, 40), growth(log, 3, 40)], known(log, 40), [40]],
  [
    'a wrong proof beside the right one',
    [inclusions(log, 40), growth(log, 23, 40), wrongGrowth(log, 23, 40)],
    known(log, 23),
    [40],
  ],
  ['a wrong proof that nobody needs', [inclusions(log, 40), wrongGrowth(log, 23, 40)], known(log, 40), [40]],
  ['nothing came', [], known(log, 40), []],
  ['the empty tree is a beginning of any', [inclusions(log, 40)], known(log, 0), [40]],
  ['an empty tree with another root', [inclusions(log, 40)], wrongEmpty(), ['unproved']],
  ['fork: the known size with another root', [inclusions(forked, 40)], known(log, 40), ['fork']],
  ['fork: two trees of one size', [inclusions(log, 40), inclusions(forked, 40)], undefined, ['fork']],
  ['fork: one of them only in a proof of growth', [inclusions(log, 40), growth(forked, 3, 40)], undefined, ['fork']],
  [
    'fork: where both have grown from what is known',
    [inclusions(log, 40), inclusions(forked, 40), growth(log, 20, 40), growth(forked, 20, 40)],
    known(log, 20),
    ['fork'],
  ],
  [
    'a fork of other sizes: each has grown from what is known, not one from the other',
    [inclusions(log, 40), inclusions(forked, 45), growth(log, 20, 40), growth(forked, 20, 45)],
    known(log, 20),
    ['unproved'],
  ],
  [
    'a fork of other sizes with a proof of its own',
    [inclusions(forked, 45), growth(forked, 30, 45)],
    known(log, 30),
    ['proof'],
  ],
  ['a smaller tree', [inclusions(log, 30)], known(log, 40), ['smaller']],
  [
    'a smaller tree, and proof that it grew to another',
    [inclusions(log, 30), growth(log, 30, 35)],
    known(log, 40),
    ['smaller'],
  ],
  ['a smaller tree beside the known one', [inclusions(log, 30), inclusions(log, 40)], known(log, 40), ['smaller']],
  ['a larger tree with a wrong proof', [inclusions(log, 40), wrongGrowth(log, 23, 40)], known(log, 23), ['proof']],
  ['a larger tree without a proof', [inclusions(log, 40)], known(log, 23), ['unproved']],
  [
    'a larger tree with a proof from another size',
    [inclusions(log, 40), growth(log, 22, 40)],
    known(log, 23),
    ['unproved'],
  ],
  [
    'a larger tree with a proof to another size',
    [inclusions(log, 40), growth(log, 23, 39)],
    known(log, 23),
    ['unproved'],
  ],
  ['two trees without a proof between them', [inclusions(log, 32), inclusions(log, 40)], undefined, ['unproved']],
]
/** A tree of no entries has one root only. */
function wrongEmpty(): ReadonlyMap<string, KnownTree> {
  return new Map([[log.key.name, { ...treeOf(log, 0), root: treeOf(log, 1).root }]])
}

for (const [title, evidence, knownLogs, wanted] of rows) {
  test(title, (t) => {
    t.deepEqual(found(evidence, knownLogs), wanted)
    t.deepEqual(found(evidence.toReversed(), knownLogs), wanted)
  })
}

test('trouble keeps what shows it', (t) => {
  const fork = standing([inclusions(log, 40), inclusions(forked, 40)])?.trouble
  t.deepEqual(new Set([fork?.shown.text, fork?.other?.text]), new Set([log.note(40).text, forked.note(40).text]))
  const wrong = wrongGrowth(log, 23, 40)
  const proof = standing([inclusions(log, 40), wrong], known(log, 23))?.trouble
  t.deepEqual([proof?.shown.text, proof?.other, proof?.proof], [log.note(40).text, null, wrong.bytes])
  const unproved = standing([inclusions(log, 32), inclusions(log, 40)])?.trouble
  t.deepEqual([unproved?.shown.text, unproved?.other?.text], [log.note(40).text, log.note(32).text])
  const smaller = standing([inclusions(log, 30)], known(log, 40))?.trouble
  t.deepEqual([smaller?.shown.text, smaller?.other], [log.note(30).text, null])
})

test('trouble in one log says nothing about another', (t) => {
  const other = smallLog(otherKey, entries(40))
  const { logs } = verifyEvidence([inclusions(log, 30), inclusions(other, 40)], policy, { knownLogs: known(log, 40) })
  t.is(logs.get(logKey.publicKey.name)?.trouble?.kind, 'smaller')
  t.is(treesWith(logs, leaf(7)).length, 1)
  t.is(treesWith(logs, leaf(7))[0]?.checkpoint.origin, otherKey.publicKey.name)
  t.is(treesWith(logs, leaf(8)).length, 0)
  t.is(treesWith(logs, '').length, 0)
})

const strangers: readonly (readonly [string, Evidence, string])[] = [
  [
    'a checkpoint of a log that the policy does not name',
    inclusions(smallLog(keyNamed('stranger.example/log'), entries(40)), 40),
    'stranger',
  ],
  [
    'a checkpoint of that name under another key',
    inclusions(smallLog(newSecretKey(logKey.publicKey.name), entries(40)), 40),
    'invalid',
  ],
  [
    'a proof of growth of another log',
    growth(smallLog(keyNamed('stranger.example/log'), entries(40)), 3, 40),
    'stranger',
  ],
  ['inclusions under the checkpoint of other entries', mixed(log, forked), 'invalid'],
  ['nothing that can be read', { kind: 'log-inclusions', bytes: Buffer.from('abnpkg-log-inclusions-v1\n') }, 'invalid'],
]
for (const [title, evidence, because] of strangers) {
  test(`set aside: ${title}`, (t) => {
    const { logs, aside } = verifyEvidence([evidence], policy, { knownLogs: known(log, 40) })
    t.deepEqual([logs.size, aside.map((one) => one.because)], [0, [because]])
    t.deepEqual(found([inclusions(log, 40), evidence], known(log, 40)), [40])
  })
}

/** What one log has, under a checkpoint of the other. */
function mixed(of: SmallLog, under: SmallLog): Evidence {
  const parsed = parseInclusions(of.inclusions([entry(1), entry(7)], 40))
  return { kind: 'log-inclusions', bytes: encodeInclusions({ ...parsed, checkpoint: under.note(40) }) }
}

type Cosigned = readonly (readonly [string, number])[]

/** Names and times of the cosignatures under which entry 7 stands. */
function cosigned(...evidence: readonly Evidence[]): Cosigned {
  const { logs } = verifyEvidence(evidence, policy)
  const trees = treesWith(logs, leaf(7))
  return trees[0]?.cosignatures.map(({ witness, time }) => [witness.name, time] as const).toSorted() ?? []
}

/** The same document with other lines of signatures. */
function resigned(evidence: Evidence, change: (lines: readonly string[]) => readonly string[]): Evidence {
  const text = Buffer.from(evidence.bytes).toString()
  const at = text.lastIndexOf('\n\n') + 2
  const lines = change(text.slice(at, -1).split('\n'))
  return { ...evidence, bytes: Buffer.from(`${text.slice(0, at)}${lines.map((line) => `${line}\n`).join('')}`) }
}

const seen = (by: Witnessing['by'], at: number, size = 40) => inclusions(log, size, { by, at })

test('cosignatures count for witnesses of the policy, each once, wherever they came', (t) => {
  const [w1, w2] = [witness1.publicKey.name, witness2.publicKey.name]
  t.deepEqual(cosigned(seen([witness1, witness2], now)), [
    [w1, now],
    [w2, now],
  ])
  t.deepEqual(cosigned(seen([witness1], now), seen([witness2], now - 5)), [
    [w1, now],
    [w2, now - 5],
  ])
  t.deepEqual(cosigned(seen([witness1], now - 9), seen([witness1], now - 5)), [[w1, now - 5]], 'the newest')
  t.deepEqual(cosigned(seen([witness3], now)), [], 'a stranger')
  t.deepEqual(cosigned(seen([newSecretKey(w1)], now)), [], 'a stranger of that name')
  t.deepEqual(cosigned(seen([witness1], now, 40), growth(log, 3, 50), growth(log, 40, 50)), [[w1, now]])
})

test('a cosignature that is wrong, twice there, or for another checkpoint is none', (t) => {
  const good = seen([witness1, witness2], now)
  const w2 = [[witness2.publicKey.name, now]]
  const other =
    Buffer.from(seen([witness1], now, 41).bytes)
      .toString()
      .trimEnd()
      .split('\n')
      .at(-1) ?? ''
  t.deepEqual(cosigned(resigned(good, ([own = '', first = '', ...rest]) => [own, first, first, ...rest])), w2)
  t.deepEqual(cosigned(resigned(good, ([own = '', , ...rest]) => [own, other, ...rest])), w2)
  t.deepEqual(cosigned(resigned(good, ([own = '', ...rest]) => [own, own, ...rest])), [], 'the log itself, twice')
  t.deepEqual(cosigned(resigned(good, ([, ...rest]) => rest)), [], 'without the log')
})

test('the newest tree is for the next time, and never goes down', (t) => {
  const newest = (evidence: readonly Evidence[], knownLogs?: ReadonlyMap<string, KnownTree>) => {
    const found = newestLogs(verifyEvidence(evidence, policy, { ...(knownLogs === undefined ? {} : { knownLogs }) }))
    return [...found].map(([origin, { tree, note }]) => [origin, tree.size, parseCheckpoint(note.text).size])
  }
  const name = logKey.publicKey.name
  t.deepEqual(newest([inclusions(log, 40)]), [[name, 40, 40]])
  t.deepEqual(newest([growth(log, 23, 41)], known(log, 23)), [[name, 41, 41]])
  t.deepEqual(newest([inclusions(log, 32), inclusions(log, 40), growth(log, 32, 50), growth(log, 40, 50)]), [
    [name, 50, 50],
  ])
  for (const [title, evidence, knownLogs, wanted] of rows.filter(([, , , [first]]) => typeof first === 'string')) {
    t.deepEqual(newest(evidence, knownLogs), [], `${title}: ${wanted}`)
  }
  t.deepEqual(newest([], known(log, 40)), [])
})

test('for every two sizes: with the proof the larger tree stands, without it not', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 8, max: 60 }), fc.integer({ min: 8, max: 60 }), (one, two) => {
      const [old, size] = [Math.min(one, two), Math.max(one, two)]
      t.deepEqual(found([inclusions(log, size), growth(log, old, size)], known(log, old)), [size])
      t.deepEqual(found([inclusions(log, size)], known(log, old)), old === size ? [size] : ['unproved'])
      t.deepEqual(found([inclusions(log, old)], known(log, size)), old === size ? [size] : ['smaller'])
    }),
    { numRuns: 60 },
  )
})

test('a byte of a proof of growth flipped: the same as with it, or as without it', (t) => {
  const bytes = log.consistency(23, 40)
  const tree = inclusions(log, 40)
  const kinds = new Set<string | number>()
  for (let i = 0; i < bytes.length; i++) {
    const flipped = bytes.map((byte, at) => (at === i ? byte ^ (1 << (i % 8)) : byte))
    const evidence = { kind: 'log-consistency', bytes: flipped }
    const [kind = 'none'] = found([tree, evidence], known(log, 23))
    kinds.add(kind)
    t.not(kind, 40)
    t.deepEqual(found([tree, evidence, growth(log, 23, 40)], known(log, 23)), [40])
  }
  t.true(kinds.has('unproved') && kinds.has('proof') && !kinds.has('fork'))
})
