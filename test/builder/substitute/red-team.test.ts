// Attacks on a client by one of its caches, and by a log: they must cost no more than time, and hide nothing.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { parseAlarm, writeAlarm } from '../../../builder/log/alarm.ts'
import type { Evidence } from '../../../trust/evidence.ts'
import { encodePublicKey } from '../../../trust/key.ts'
import { signCheckpoint } from '../../../trust/log/checkpoint.ts'
import { encodeInclusions, parseInclusions } from '../../../trust/log/inclusions.ts'
import { leafHash, treeSizeOf } from '../../../trust/log/merkle.ts'
import { parsePolicy } from '../../../trust/policy/policy.ts'
import { smallLog } from '../../_support/small-log.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { bundled, logFiles, startHostileCache } from '../../faults/_support/hostile-cache.ts'
import { type Attempt, alice, attempt, bob, honest, operatorKey, user } from '../../faults/_support/world.ts'

const logKey = operatorKey('log', 41)
const said = honest(alice, bob)
const entries = said.map(({ bytes }) => bytes)
const policy = parsePolicy(
  JSON.stringify({
    format: 1,
    operators: Object.entries({ alice, bob }).map(([name, { publicKey }]) => ({
      name,
      keys: [encodePublicKey(publicKey)],
    })),
    default: {
      kind: 'factors',
      depth: 'outputs',
      factors: [{ kind: 'operators', atLeast: 2 }, { kind: 'logged' }],
    },
    packages: {},
    logs: [encodePublicKey(logKey.publicKey)],
  }),
)

const log = smallLog(
  logKey,
  Array.from({ length: 40 }, (_, i) => Buffer.from(`before ${i}`)),
)
log.append(...entries)
const inclusions: Evidence = { kind: 'log-inclusions', bytes: log.inclusions(entries) }

/** An honest cache, and one that adds this to the same answer. */
async function beside<T>(more: readonly Evidence[], look: (attempt: Attempt) => T | Promise<T>): Promise<T> {
  const behaviour = { evidence: bundled(said, [inclusions]), log: logFiles(() => log.files()) }
  await using cache = await startHostileCache(behaviour)
  await using hostile = await startHostileCache({ ...behaviour, evidence: bundled(said, [...more, inclusions]) })
  return await attempt({ policy, caches: [hostile.address, cache.address], targets: [user] }, look)
}

/** What anybody makes of one genuine document: other lines of signatures that nobody looks at. */
function withStrangers({ bytes }: Evidence, count: number): readonly Evidence[] {
  const parsed = parseInclusions(bytes)
  const { text, signatures } = parsed.checkpoint
  return Array.from({ length: count }, (_, i) => {
    const stranger = { name: `stranger-${i}`, keyHash: '00000000', bytes: new Uint8Array(64) }
    const checkpoint = { text, signatures: [...signatures, stranger] }
    return { kind: 'log-inclusions', bytes: encodeInclusions({ ...parsed, checkpoint }) }
  })
}

test('a cache that shows one tree in three thousand documents is not listened to so long', async (t) => {
  await beside(withStrangers(inclusions, 3000), ({ planned, substitution }) => {
    t.is(planned.user, 'substitute')
    const documents = substitution.evidence.logs.get(logKey.publicKey.name)?.documents ?? []
    t.true(documents.length < 20, `${documents.length} documents`)
    const named = substitution.decisionsFor([user]).map(({ evidence }) => evidence.length)
    t.true(Math.max(...named) < 30, `${named}`)
  })
})

test('a cache that shows forty old trees does not make a log that has only grown look as if it had not', async (t) => {
  const older = Array.from({ length: 40 }, (_, i): Evidence => {
    const [entry = new Uint8Array()] = log.entries
    return { kind: 'log-inclusions', bytes: log.inclusions([entry], i + 1) }
  })
  await beside(older, ({ planned, substitution, said: words }) => {
    t.deepEqual(substitution.alarms, [])
    t.is(planned.user, 'substitute', words)
  })
})

test('one fork with ever other signatures of strangers is one alarm, and does not keep out the next', (t) => {
  const place = { directory: join(temporaryDirectory(t), 'alarms'), nowSeconds: 1_000_000_000 }
  const forked = smallLog(logKey, [Buffer.from('forked'), ...log.entries.slice(1)])
  const alarm = { origin: logKey.publicKey.name, kind: 'fork', says: 'two trees', other: log.note(20), proof: null }
  const { text, signatures } = forked.note(20)
  const files = Array.from({ length: 120 }, (_, i) => {
    const stranger = { name: `stranger-${i}`, keyHash: '00000000', bytes: new Uint8Array(64) }
    return writeAlarm(place, { ...alarm, shown: { text, signatures: [...signatures, stranger] } })
  })
  t.is(new Set(files).size, 1)
  t.false([undefined, files[0]].includes(writeAlarm(place, { ...alarm, shown: forked.note(21), other: log.note(21) })))
})

for (const [what, line] of [
  ['the line separator of Unicode', 'a\u2028b'],
  ['its paragraph separator before a part', 'a\u2029----- begin other'],
  ['a line of two spaces', '  '],
  ['the end of a part', '----- end shown'],
] as const) {
  test(`a fork can be read from its alarm whose checkpoint has ${what}`, (t) => {
    const [shown, other] = ['a', 'b'].map((entry) => {
      const checkpoint = { origin: logKey.publicKey.name, size: treeSizeOf(1), root: leafHash(Buffer.from(entry)) }
      return signCheckpoint({ ...checkpoint, extensions: [line] }, logKey)
    })
    if (shown === undefined || other === undefined) throw new TypeError('two notes')
    const alarm = { origin: logKey.publicKey.name, kind: 'fork', says: 'two trees', shown, other, proof: null }
    const file = writeAlarm({ directory: join(temporaryDirectory(t), 'alarms'), nowSeconds: 1_000_000_000 }, alarm)
    const found = parseAlarm(readFileSync(file ?? '', 'utf8'))
    t.deepEqual([found.shown, found.other], [shown, other])
  })
}
