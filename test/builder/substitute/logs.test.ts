// Logs, as a client sees them: what it asks, what it keeps, and what it does about a log that does not fit together.
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { listAlarms } from '../../../builder/substitute/alarms.ts'
import { keepKnownEvaluations, readKnownEvaluations } from '../../../builder/substitute/known-evaluations.ts'
import { keepKnownLogs, readKnownLogs } from '../../../builder/substitute/known-logs.ts'
import { rememberedRevocations } from '../../../builder/substitute/revocations.ts'
import { whyOf } from '../../../builder/substitute/why.ts'
import { parseSha256, sha256Of } from '../../../format/hash.ts'
import { openStore } from '../../../store/store.ts'
import { encodePublicKey } from '../../../trust/key.ts'
import { verifiedCheckpointOf } from '../../../trust/log/checkpoint.ts'
import { encodeWitnessKey, witnessKeyOf } from '../../../trust/log/cosignature.ts'
import { type Policy, parsePolicy } from '../../../trust/policy/policy.ts'
import { type SmallLog, smallLog, type Witnessing } from '../../_support/small-log.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { bundled, type HostileCache, startHostileCache } from '../../faults/_support/hostile-cache.ts'
import {
  type Attempt,
  type AttemptOptions,
  alice,
  attempt,
  bob,
  carol,
  honest,
  NOW,
  operatorKey,
  user,
  userPath,
} from '../../faults/_support/world.ts'

const logKey = operatorKey('log', 41)
const [w1, w2] = [operatorKey('w1', 51), operatorKey('w2', 52)]
const said = honest(alice, bob, carol)
const fillers = (name: string, count: number) => Array.from({ length: count }, (_, i) => Buffer.from(`${name} ${i}`))

const logged = policyWith([{ kind: 'logged' }])
const witnessed = policyWith([{ kind: 'logged' }, { kind: 'witnessed', atLeast: 2, within: 86_400 }])
const byBoth: Witnessing = { by: [w1, w2], at: NOW - 60 }

function policyWith(factors: readonly object[]): Policy {
  return parsePolicy(
    JSON.stringify({
      format: 1,
      operators: Object.entries({ alice, bob, carol }).map(([name, { publicKey }]) => ({
        name,
        keys: [encodePublicKey(publicKey)],
      })),
      default: { kind: 'factors', depth: 'outputs', factors: [{ kind: 'operators', atLeast: 2 }, ...factors] },
      packages: {},
      logs: [encodePublicKey(logKey.publicKey)],
      witnesses: [w1, w2].map(({ publicKey }) => encodeWitnessKey(witnessKeyOf(publicKey))),
    }),
  )
}

type Shown = {
  readonly size?: number
  readonly witnessing?: Witnessing
  readonly consistency?: Uint8Array | null
  readonly files?: SmallLog | null
}

/** A cache with an honest answer, but for what it shows of its log; keeps the questions. */
async function cacheWith(log: SmallLog, shown: () => Shown = () => ({})) {
  const questions: { logs?: readonly { origin: string; size: number }[] }[] = []
  const cache = await startHostileCache({
    evidence: (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const question = JSON.parse(Buffer.concat(chunks).toString('utf8'))
        questions.push(question)
        const { size = log.entries.length, witnessing, consistency } = shown()
        const old = question.logs?.[0]?.size ?? 0
        const grown = consistency === undefined && old > 0 && old < size ? log.consistency(old, size) : consistency
        const pieces = [
          {
            kind: 'log-inclusions',
            bytes: log.inclusions(
              said.map(({ bytes }) => bytes),
              size,
              witnessing,
            ),
          },
          ...(grown ? [{ kind: 'log-consistency', bytes: grown }] : []),
        ]
        bundled(said, question.logs === undefined ? [] : pieces)(request, response)
      })
    },
    log: (path, response) => {
      const { files = log } = shown()
      const bytes = files?.file(path)
      if (bytes === undefined) response.writeHead(404).end()
      else response.end(bytes)
    },
  })
  return { ...cache, questions }
}

const fresh = (fork = '') => {
  const log = smallLog(logKey, fillers('before', 7))
  if (fork !== '') log.append(Buffer.from(fork))
  log.append(...said.map(({ bytes }) => bytes))
  return log
}

type Options = Pick<AttemptOptions, 'policy' | 'patient'> & {
  readonly root: string
  readonly caches: readonly HostileCache[]
}

function client<T>({ policy = logged, caches, ...options }: Options, look: (attempt: Attempt) => T) {
  return attempt({ ...options, policy, caches: caches.map(({ address }) => address), targets: [user] }, look)
}

const planOf = ({ planned }: Attempt) => planned.user
const rootIn = (root: string) => ({ root: join(root, 'root') })
const sizesKept = (root: string): number[] =>
  [...readKnownLogs(rootIn(root)).values()].map((one) => one.checkpoint.size)

test('a policy without logs asks about none, and keeps none', async (t) => {
  const root = temporaryDirectory(t)
  const log = fresh()
  await using cache = await cacheWith(log)
  const two = parsePolicy(
    JSON.stringify({
      format: 1,
      operators: [{ name: 'alice', keys: [encodePublicKey(alice.publicKey)] }],
      default: { kind: 'factors', depth: 'outputs', factors: [{ kind: 'operators', atLeast: 1 }] },
      packages: {},
    }),
  )
  t.is(await client({ root, policy: two, caches: [cache] }, planOf), 'substitute')
  t.deepEqual(Object.keys(cache.questions[0] ?? {}), ['recipes'])
  t.is(readKnownLogs(rootIn(root)).size, 0)
})

test('what is logged and proved is fetched; the next question says what was seen; one request a closure', async (t) => {
  const root = temporaryDirectory(t)
  const log = fresh()
  await using cache = await cacheWith(log)
  t.is(await client({ root, caches: [cache] }, planOf), 'substitute')
  t.deepEqual(cache.questions[0]?.logs, [{ origin: logKey.publicKey.name, size: 0 }])
  t.deepEqual(sizesKept(root), [log.entries.length])
  const before = log.entries.length
  log.append(...fillers('after', 300))
  t.is(await client({ root, caches: [cache] }, ({ planned }) => Object.keys(planned).length), 0, 'it is there')
  t.deepEqual(cache.questions.length, 2)
  t.deepEqual(cache.questions[1]?.logs, [{ origin: logKey.publicKey.name, size: before }])
  t.deepEqual(sizesKept(root), [before + 300])
  t.deepEqual(
    cache.requests.filter((one) => one.includes('/v1/log')),
    [],
  )
})

test('what is not in the log is built, and so is what too few witnesses saw', async (t) => {
  const log = smallLog(
    logKey,
    said.slice(0, 1).map(({ bytes }) => bytes),
  )
  log.append(...fillers('other', 4))
  await using cache = await cacheWith(log)
  t.is(await client({ root: temporaryDirectory(t), caches: [cache] }, planOf), 'build')
  for (const [witnessing, how] of [
    [byBoth, 'substitute'],
    [{ by: [w1], at: NOW - 60 }, 'build'],
    [{ by: [w1, w2], at: NOW - 86_500 }, 'build'],
    [{ by: [w1, w2], at: NOW + 600 }, 'build'],
  ] as const) {
    await using other = await cacheWith(fresh(), () => ({ witnessing }))
    const options = { root: temporaryDirectory(t), policy: witnessed, caches: [other] }
    t.is(await client(options, planOf), how, JSON.stringify(witnessing))
  }
})

/** A client that has seen the tree of 20 entries, then what `shown` shows. */
const after = test.macro(
  async (
    t,
    shown: (log: SmallLog) => { readonly log?: SmallLog; readonly shown?: () => Shown },
    expected: { readonly how: 'substitute' | 'build'; readonly alarm?: string },
  ) => {
    const root = temporaryDirectory(t)
    const log = fresh()
    {
      await using cache = await cacheWith(log)
      const options = { ...rootIn(root), root, caches: [cache] }
      await attempt({ ...options, policy: logged, caches: [cache.address], targets: [] }, () => {})
      const store = openStore({ root: join(root, 'root'), durable: false })
      keepKnownLogs(store, {
        logs: logged.logs,
        given: new Map(),
        newest: new Map([[log.key.name, { tree: verifiedCheckpointOf(log.note(), log.key), note: log.note() }]]),
        now: NOW,
      })
      await store[Symbol.asyncDispose]()
    }
    const next = shown(log)
    await using cache = await cacheWith(next.log ?? log, next.shown)
    await client({ root, caches: [cache] }, (result) => {
      t.is(planOf(result), expected.how, result.said)
      t.deepEqual(
        result.substitution.alarms.map(({ kind }) => kind),
        expected.alarm ? [expected.alarm] : [],
      )
      const [kept] = result.substitution.keepAlarms()
      const found = listAlarms(result.store)
      t.is(found.length, expected.alarm ? 1 : 0)
      if (expected.how === 'substitute')
        t.is(whyOf(result.store, userPath).decision?.outcome.kind, 'accepted', 'replayed')
      if (expected.alarm === undefined) return
      t.is(found[0]?.file, kept?.file)
      t.is(found[0]?.alarm?.kind, expected.alarm)
      t.deepEqual(found[0]?.alarm?.other?.text, log.note(fresh().entries.length).text, 'the note that was seen before')
      result.substitution.keepAlarms()
      t.is(listAlarms(result.store).length, 1, 'the same alarm is kept once')
    })
  },
)

test('grown, and proved', after, (log) => grown(log), { how: 'substitute' })
test('grown, proved by nobody, but its tiles are there', after, grownWithout(null), { how: 'substitute' })
test('grown, with a wrong proof, but its tiles are there', after, grownWithout('wrong'), { how: 'substitute' })
test(
  'grown, proved by nobody',
  after,
  (log) => ({ ...grown(log), shown: () => ({ consistency: null, files: null }) }),
  { how: 'build', alarm: 'unproved' },
)
test('smaller', after, (log) => ({ shown: () => ({ size: log.entries.length - 1 }) }), {
  how: 'build',
  alarm: 'smaller',
})
test(
  'another tree of the same size',
  after,
  () => {
    const log = smallLog(logKey, fillers('after', 7))
    log.append(...said.map(({ bytes }) => bytes))
    return { log }
  },
  { how: 'build', alarm: 'fork' },
)
test(
  'another, larger tree, with its own tiles and a proof of another size',
  after,
  () => {
    const log = fresh('fork')
    log.append(...fillers('x', 9))
    return { log, shown: () => ({ consistency: log.consistency(5) }) }
  },
  { how: 'build', alarm: 'unproved' },
)
test(
  'another, larger tree, with a proof that is none',
  after,
  () => {
    const log = fresh('fork')
    log.append(...fillers('x', 9))
    return { log }
  },
  { how: 'build', alarm: 'proof' },
)

function grown(log: SmallLog) {
  log.append(...fillers('x', 9))
  return {}
}

function grownWithout(proof: 'wrong' | null) {
  return (log: SmallLog) => {
    const fork = fresh('fork')
    log.append(...fillers('x', 9))
    fork.append(...fillers('x', 8))
    const wrong = () => {
      const { length } = fresh().entries
      const [ours, theirs] = [log.consistency(length), fork.consistency(length)].map((bytes) =>
        Buffer.from(bytes).toString('latin1').split('\n\n'),
      )
      return Buffer.from(`${theirs?.[0]}\n\n${ours?.slice(1).join('\n\n')}`, 'latin1')
    }
    return { shown: () => ({ consistency: proof === null ? null : wrong() }) }
  }
}

test('a cache that is late does no harm beside one that is not', async (t) => {
  const root = temporaryDirectory(t)
  const log = fresh()
  log.append(...fillers('x', 30))
  await using first = await cacheWith(log)
  await using late = await cacheWith(log, () => ({ size: log.entries.length - 5 }))
  await client({ root, caches: [late, first] }, (result) => {
    t.is(planOf(result), 'substitute', result.said)
    t.deepEqual(result.substitution.alarms, [])
  })
  t.deepEqual(sizesKept(root), [log.entries.length])
})

test('two caches that show two trees of one log are a fork, also of different sizes', async (t) => {
  for (const more of [0, 9]) {
    const root = temporaryDirectory(t)
    const [one, other] = [fresh('one'), fresh('other')]
    other.append(...fillers('x', more))
    await using first = await cacheWith(one)
    await using second = await cacheWith(other)
    await client({ root, caches: [first, second] }, (result) => {
      t.is(planOf(result), 'build')
      t.deepEqual(
        result.substitution.alarms.map(({ kind }) => kind),
        [more === 0 ? 'fork' : 'unproved'],
      )
    })
    t.is(readKnownLogs(rootIn(root)).size, 0, 'what is in trouble is not taken for seen')
  }
})

test('known trees never go down, and what two processes have seen is compared', async (t) => {
  await using store = openStore({ root: temporaryDirectory(t), durable: false })
  const log = fresh()
  log.append(...fillers('x', 30))
  const seen = (size: number, given = 0, of = log) => {
    const tree = (at: number) => verifiedCheckpointOf(of.note(at), of.key)
    return keepKnownLogs(store, {
      logs: logged.logs,
      given: new Map(given === 0 ? [] : [[log.key.name, tree(given)]]),
      newest: new Map([[log.key.name, { tree: tree(size), note: of.note(size) }]]),
      now: NOW,
    }).map(({ mine, kept }) => [mine.size, kept.size])
  }
  const kept = () => [...readKnownLogs(store).values()].map(({ checkpoint }) => checkpoint.size)
  t.deepEqual(seen(20), [])
  t.deepEqual(seen(25), [[25, 20]], 'another process has seen 20 meanwhile')
  t.deepEqual(kept(), [20])
  t.deepEqual(seen(25, 20), [])
  t.deepEqual(seen(22, 20), [[22, 25]])
  t.deepEqual(seen(22, 25), [], 'proved, but not newer')
  t.deepEqual(kept(), [25])
  t.deepEqual(seen(25, 20), [], 'the same tree')
  const fork = fresh('fork')
  fork.append(...fillers('x', 30))
  t.deepEqual(seen(25, 20, fork), [[25, 25]])
})

test('evaluations never go down; a damaged file is an error, not a fresh start', async (t) => {
  await using store = openStore({ root: temporaryDirectory(t), durable: false })
  const [a, b] = [sha256Of('a'), sha256Of('b')]
  keepKnownEvaluations(store, new Map([[a, 17]]))
  keepKnownEvaluations(
    store,
    new Map([
      [a, 16],
      [b, 3],
    ]),
  )
  t.deepEqual([...readKnownEvaluations(store)].sort(), [[a, 17] as const, [b, 3] as const].sort())
  const directory = join(store.root, 'var/trust')
  t.deepEqual(readdirSync(directory), ['tee.json'])
  const text = readFileSync(join(directory, 'tee.json'), 'utf8')
  t.deepEqual(
    JSON.parse(text)
      .roots.map(({ root }: { root: string }) => parseSha256(root))
      .sort(),
    [a, b].sort(),
  )
  writeFileSync(join(directory, 'tee.json'), text.replace('17', '"17"'))
  t.throws(() => readKnownEvaluations(store), { code: 'ABN_DECISION_INVALID', message: /tee\.json is damaged/ })
  writeFileSync(join(directory, 'logs.json'), '{}')
  t.throws(() => readKnownLogs(store), { code: 'ABN_DECISION_INVALID', message: /logs\.json is damaged/ })
  t.throws(() => keepKnownEvaluations(store, new Map([[a, 18]])), { code: 'ABN_DECISION_INVALID' })
})

/** Another process keeps this tree while ours waits for an answer. */
const meanwhile = test.macro(
  async (t, other: (log: SmallLog) => { readonly of: SmallLog; readonly size: number }, isFine: boolean) => {
    const root = temporaryDirectory(t)
    const log = fresh()
    log.append(...fillers('x', 30))
    let isFirst = true
    await using cache = await cacheWith(log, () => {
      const { of, size } = other(log)
      if (isFirst) {
        const store = openStore({ root: join(root, 'root'), durable: false })
        const newest = { tree: verifiedCheckpointOf(of.note(size), of.key), note: of.note(size) }
        keepKnownLogs(store, {
          logs: logged.logs,
          given: new Map(),
          newest: new Map([[of.key.name, newest]]),
          now: NOW,
        })
      }
      isFirst = false
      return { size: 30 }
    })
    const kept = () => [...readKnownLogs(rootIn(root)).values()].map(({ checkpoint }) => checkpoint.size)
    const trying = () => client({ root, caches: [cache] }, planOf)
    if (isFine) {
      t.is(await trying(), 'substitute')
      t.deepEqual(kept(), [Math.max(30, other(log).size)])
    } else {
      const error = await t.throwsAsync(trying, { code: 'ABN_LOG_TROUBLE' })
      t.deepEqual(kept(), [other(log).size])
      t.is(listAlarms(rootIn(root)).length, 1, error?.message)
    }
  },
)

const forked = () => {
  const fork = fresh('fork')
  fork.append(...fillers('x', 30))
  return fork
}
test('another process has seen a smaller tree meanwhile', meanwhile, (log) => ({ of: log, size: 17 }), true)
test('another process has seen a larger tree meanwhile', meanwhile, (log) => ({ of: log, size: 36 }), true)
test('another process has seen another tree meanwhile', meanwhile, () => ({ of: forked(), size: 30 }), false)
test('another process has seen a fork that is larger', meanwhile, () => ({ of: forked(), size: 36 }), false)
test('another process has seen a fork that is smaller', meanwhile, () => ({ of: forked(), size: 20 }), false)

test('four processes that learn at once lose nothing, and nothing goes down', async (t) => {
  const root = temporaryDirectory(t)
  await openStore({ root, durable: false })[Symbol.asyncDispose]()
  const child = join(import.meta.dirname, 'children/remember.ts')
  const numbers = ['1', '2', '3', '4']
  await Promise.all(numbers.map((number) => promisify(execFile)(process.execPath, [child, root, number])))
  const kept = readKnownEvaluations({ root })
  t.deepEqual(
    numbers.map((number) => kept.get(sha256Of(`root ${number}`))),
    [12, 12, 12, 12],
  )
  t.is(kept.get(sha256Of('shared')), 4 + 4 * 12)
  t.is(rememberedRevocations({ root }).length, 4 * 12)
  t.deepEqual(
    [...readKnownLogs({ root }).values()].map(({ checkpoint }): number => checkpoint.size),
    [4 + 4 * 12],
  )
})

test('a clock that is behind what witnesses have signed stops it', async (t) => {
  const root = temporaryDirectory(t)
  let witnessing: Witnessing = { by: [w1, w2], at: NOW }
  const log = fresh()
  await using cache = await cacheWith(log, () => ({ witnessing }))
  const at = (now: number) =>
    attempt({ root, policy: witnessed, caches: [cache.address], targets: [user], now }, ({ store }) =>
      store.has(userPath),
    )
  t.true(await at(NOW + 60))
  t.true(await at(NOW - 240), 'a little is nothing')
  const error = await t.throwsAsync(at(NOW - 3600), { code: 'ABN_CLOCK' })
  t.regex(error?.message ?? '', /it is .* here, but log\.example\/builder was witnessed at/)
  // One witness alone cannot stop anybody with a time of its own.
  witnessing = { by: [w1], at: NOW + 10 * 86_400 }
  log.append(...fillers('more', 3))
  t.true(await at(NOW + 120))
  t.deepEqual(sizesKept(root), [log.entries.length])
  t.true(await at(NOW + 180))
})

test('a cache of files that is slow with its tiles costs its time once', async (t) => {
  const root = temporaryDirectory(t)
  const log = fresh()
  log.append(...fillers('x', 40))
  let tiles = 0
  const trees = Array.from({ length: 8 }, (_, i) => log.entries.length - 1 - i)
  await using slow = await startHostileCache({
    evidence: bundled(
      said,
      [log.entries.length, ...trees].map((size) => ({
        kind: 'log-inclusions',
        bytes: log.inclusions(
          said.map(({ bytes }) => bytes),
          size,
        ),
      })),
    ),
    log: () => void tiles++,
  })
  await client({ root, patient: false, caches: [{ ...slow, [Symbol.asyncDispose]: async () => {} }] }, (result) => {
    t.is(planOf(result), 'build')
    t.deepEqual(
      result.substitution.alarms.map(({ kind }) => kind),
      ['unproved'],
    )
  })
  t.is(tiles, 1)
})
