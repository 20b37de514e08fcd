import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { zstdDecompressSync } from 'node:zlib'
import test from 'ava'
import { writeKey } from '../../../builder/service/keys.ts'
import { openCacheClient } from '../../../builder/service/remote.ts'
import { issueRevocations, publishRevocations, revokedStatements } from '../../../builder/service/revocations.ts'
import { readTasks } from '../../../builder/service/tasks.ts'
import { canonicalJson } from '../../../format/canonical-json.ts'
import { sha256Of } from '../../../format/hash.ts'
import { attest, verifyAttestation } from '../../../trust/attestation.ts'
import { verifyEvidence } from '../../../trust/evidence.ts'
import { encodePublicKey } from '../../../trust/key.ts'
import { evaluate as evaluateEvidence } from '../../../trust/policy/evaluate.ts'
import { parsePolicy } from '../../../trust/policy/policy.ts'
import { launcher } from '../../_support/channel.ts'
import { listening } from '../../_support/listening.ts'
import {
  abnpkg,
  attestationsIn,
  builtIn,
  cacheFor,
  evidenceAt,
  homeFor,
  jsonAt,
  now,
  operatorKeys,
  runOnce,
  storeOf,
} from './_support/world.ts'

const greet = { work: [{ kind: 'packages', names: ['greet'] }] }

test('what is built is attested, published, and verified by anybody who has the key', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  const store = storeOf(home)
  const ran = await runOnce(home, store, { ...greet, caches: [cache.url], sources: true }, { signer: alice })
  t.deepEqual(
    ran.tasks.map(({ name, state }) => [name, state]),
    [['greet', 'done']],
  )
  const recipe = ran.tasks[0]?.recipe ?? ''

  const [attestation] = attestationsIn(await evidenceAt(cache.url, `/v1/evidence/${recipe}`))
  if (attestation === undefined) return t.fail('there is no attestation')
  const { statement } = verifyAttestation(attestation, alice.publicKey)
  t.is(statement.origin, 'built')
  t.is(statement.builder.key, alice.publicKey.id)
  const [output] = statement.outputs
  t.is(output?.digest, output && store.readItem(output.path).outputDigest)
  const [input] = statement.inputs
  t.is(input?.digest, input && store.readItem(input.path).outputDigest)

  const archive = await fetch(`${cache.url}/v1/archives/${output?.digest}`)
  t.true(sha256Of(zstdDecompressSync(await archive.bytes())) === output?.digest)
  for (const [digest, text] of [
    [statement.log, 'installing greet 1.1.0\n'],
    [statement.tests, '"kind":"smoke"'],
  ]) {
    const log = zstdDecompressSync(await (await fetch(`${cache.url}/v1/logs/${digest}`)).bytes())
    t.true(log.toString('utf8').includes(text ?? '?'), log.toString('utf8'))
  }
  const closure = attestationsIn(await evidenceAt(cache.url, `/v1/closures/${recipe}/inputs`))
  t.deepEqual(closure.map((one) => one.statement.name).sort(), ['greet', 'tool'])
  const tool = closure.find((one) => one.statement.name === 'tool')?.statement
  t.is(tool?.outputs[0]?.digest, input?.digest)
  const source = await fetch(`${cache.url}/v1/sources/${tool?.sources[0]}`)
  t.true(sha256Of(await source.bytes()) === tool?.sources[0])
})

test('the same again builds, signs and sends nothing', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const [first, second] = [await cacheFor(t, [alice]), await cacheFor(t, [alice])]
  const store = storeOf(home)
  await runOnce(home, store, { ...greet, caches: [first.url] }, { signer: alice })
  const again = await runOnce(home, store, { ...greet, caches: [first.url] }, { signer: alice })
  t.deepEqual(again.events, [])
  // A second cache gets the same statements, and nothing is built for it.
  const both = await runOnce(home, store, { ...greet, caches: [first.url, second.url] }, { signer: alice })
  t.deepEqual(builtIn(both), [])
  const [task] = both.tasks
  t.deepEqual(task?.published.map(({ cache }) => cache).sort(), [first.url, second.url].sort())
  const sent = both.events.flatMap((event) => (event.kind === 'published' ? [[event.cache, event.published.sent]] : []))
  t.deepEqual(
    new Map(sent.map(([url, count]) => [url, count])),
    new Map([
      [first.url, 0],
      [second.url, 6],
    ]),
  )
  const statements = await Promise.all(
    [first, second].map(({ url }) => evidenceAt(url, `/v1/evidence/${task?.recipe}`)),
  )
  t.deepEqual(statements[0], statements[1])
})

test('a cache that is down, or does not know the key, does not keep others from being served', async (t) => {
  const home = homeFor(t)
  const { alice, bob } = operatorKeys('alice', 'bob')
  const [down, foreign, good] = [await cacheFor(t, [alice]), await cacheFor(t, [bob]), await cacheFor(t, [alice])]
  await down.stop()
  const store = storeOf(home)
  const caches = [down.url, foreign.url, good.url]
  const ran = await runOnce(home, store, { ...greet, caches }, { signer: alice })
  const [task] = ran.tasks
  t.is(task?.state, 'waiting')
  t.is(task?.error?.code, 'ABN_PUBLISH_UNREACHABLE')
  t.deepEqual(
    task?.published.map(({ cache }) => cache),
    [good.url],
  )
  await down.again()
  const later = await runOnce(home, store, { ...greet, caches }, { signer: alice })
  t.deepEqual(builtIn(later), [])
  t.is(later.tasks[0]?.error?.code, 'ABN_CACHE_UNAUTHORISED')
  t.deepEqual(
    later.tasks[0]?.published.map(({ cache }) => cache),
    [down.url, good.url].sort(),
  )
  t.is((await fetch(`${foreign.url}/v1/evidence/${task?.recipe}`)).status, 404)
})

test('a build that fails is tried again, then given up; a new process tries once more', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const store = storeOf(home)
  const config = { work: [{ kind: 'packages', names: ['broken', 'greet', 'nothing'] }] }
  const first = await runOnce(home, store, config, { signer: alice })
  t.deepEqual(first.tasks.map(({ name, state, attempts }) => [name, state, attempts]).sort(), [
    ['broken', 'waiting', 1],
    ['greet', 'done', 0],
  ])
  t.true(first.events.some((event) => event.kind === 'problem' && event.error.code === 'ABN_PACKAGE_UNKNOWN'))
  const second = await runOnce(home, store, config, { signer: alice })
  t.is(second.tasks.find(({ name }) => name === 'broken')?.state, 'failed')
  const third = await runOnce(home, store, config, { signer: alice })
  t.is(third.tasks.find(({ name }) => name === 'broken')?.attempts, 1)
})

test('what others have attested is built again, and contradicted when it is wrong', async (t) => {
  const home = homeFor(t)
  const { alice, mallory } = operatorKeys('alice', 'mallory')
  const cache = await cacheFor(t, [alice, mallory])
  // Mallory states another result, from the same inputs.
  const elsewhere = homeFor(t)
  const honest = await runOnce(elsewhere, storeOf(elsewhere), greet, { signer: mallory })
  const recipe = honest.tasks[0]?.recipe ?? ''
  const { attestPackage } = await import('../../../builder/service/attestations.ts')
  const { evaluate, ownChannel } = await import('../../../builder/evaluate/evaluate.ts')
  const evaluation = await evaluate([{ ...ownChannel, directory: elsewhere.channel }], {})
  const one = evaluation.packages.find(({ recipeHash }) => recipeHash === recipe)
  if (one === undefined) return t.fail('no such package')
  const options = { store: storeOf(elsewhere), signer: mallory, software: {}, now: now(), validSeconds: 86_400 }
  const { statement } = attestPackage(one, options).attestation
  const lie = attest(
    { ...statement, outputs: statement.outputs.map((output) => ({ ...output, digest: sha256Of('a lie') })) },
    mallory,
  )
  await using client = openCacheClient({ url: cache.url, signer: mallory, nowSeconds: now })
  const body = Buffer.concat([lie.bytes, Buffer.from('\n')])
  await client.write({ method: 'POST', path: '/v1/evidence', body, type: 'application/jsonl' })

  const config = { work: [{ kind: 'channel' }], caches: [cache.url], operators: [encodePublicKey(mallory.publicKey)] }
  const ran = await runOnce(home, storeOf(home), config, { signer: alice, reproduce: true })
  t.log(ran.tasks.map(({ error }) => error))
  // Of the whole channel only what somebody attests.
  t.deepEqual(
    ran.tasks.map(({ name, state }) => [name, state]),
    [['greet', 'done']],
  )
  t.like(ran.tasks[0]?.contradictions, { length: 1, 0: { attestation: lie.digest, verified: true, cause: 'build' } })
  t.is(ran.events.filter(({ kind }) => kind === 'contradiction').length, 1)
  // Our own statement is published all the same, and the cache shows the divergence.
  const stated = attestationsIn(await evidenceAt(cache.url, `/v1/evidence/${recipe}`))
  const keys = [alice, mallory].map(({ publicKey }) => publicKey.id)
  t.deepEqual(stated.map((each) => each.envelope.keyId).sort(), keys.sort())
  t.like(await jsonAt(`${cache.url}/v1/divergent`), { divergent: { 0: { recipe, name: 'greet' } } })
})

test('a cache that never answers delays neither builds nor other caches', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const good = await cacheFor(t, [alice])
  const silent = createServer(() => {})
  const slow = await listening(t, silent)
  const stop = new AbortController()
  const served: string[] = []
  const config = { caches: [slow, good.url], work: [{ kind: 'packages', names: ['greet', 'greet@1.0.0', 'noisy'] }] }
  const { tasks } = await runOnce(home, storeOf(home), config, {
    signer: alice,
    once: false,
    signal: stop.signal,
    onEvent: (event) => {
      if (event.kind === 'published') served.push(event.cache)
      if (served.length === 3) stop.abort(new Error('enough'))
    },
  })
  t.deepEqual(served, [good.url, good.url, good.url])
  // What was under way is neither done nor failed.
  t.deepEqual(
    tasks.map(({ state, attempts }) => [state, attempts]),
    [1, 2, 3].map(() => ['waiting', 0]),
  )
})

test('a mistake of ours ends a task and not the service', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const signer = {
    ...alice,
    sign: () => {
      throw new RangeError('out of ink')
    },
  }
  const ran = await runOnce(home, storeOf(home), { work: [{ kind: 'packages', names: ['tool', 'greet'] }] }, { signer })
  t.deepEqual(
    ran.tasks.map(({ state, error }) => [state, error?.code]),
    [1, 2].map(() => ['waiting', 'ABN_BUG']),
  )
  t.regex(ran.tasks[0]?.error?.message ?? '', /out of ink/)
})

test('a substitute in the store is not stated as built, and not tried again', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const store = storeOf(home)
  const [task] = (await runOnce(home, store, greet, { signer: alice })).tasks
  const recipe = task?.recipe
  const file = readdirSync(`${home.root}/var/items`).find((name) => name.includes('-greet-1.1.0'))
  const record = `${home.root}/var/items/${file}`
  const item = JSON.parse(readFileSync(record, 'utf8'))
  const origin = {
    kind: 'substituted',
    at: item.origin.at,
    system: item.origin.system,
    from: 'https://x.example',
    decision: sha256Of(''),
  }
  chmodSync(record, 0o600)
  writeFileSync(record, canonicalJson({ ...item, origin }))
  const cache = await cacheFor(t, [alice])
  const again = await runOnce(home, store, { ...greet, caches: [cache.url] }, { signer: alice })
  t.like(again.tasks[0], { recipe, state: 'failed', error: { code: 'ABN_ATTEST_SUBSTITUTED' } })
  t.is((await fetch(`${cache.url}/v1/evidence/${recipe}`)).status, 404)
})

test('what is wanted of a cache is built', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  const elsewhere = homeFor(t)
  const ran = await runOnce(elsewhere, storeOf(elsewhere), greet, { signer: alice })
  const recipe = ran.tasks[0]?.recipe
  t.is((await fetch(`${cache.url}/v1/evidence/${recipe}`)).status, 404)
  const config = { work: [{ kind: 'wanted', cache: cache.url }], caches: [cache.url] }
  const wanted = await runOnce(home, storeOf(home), config, { signer: alice })
  t.deepEqual(
    wanted.tasks.map((task) => [task.name, task.recipe, task.state]),
    [['greet', recipe, 'done']],
  )
  t.is((await fetch(`${cache.url}/v1/evidence/${recipe}`)).status, 200)
})

test('what is revoked counts no more, and is not stated again', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  const store = storeOf(home)
  const keyDirectory = `${home.directory}/keys`
  mkdirSync(keyDirectory)
  const config = { ...greet, caches: [cache.url] }
  const ran = await runOnce(home, store, config, { signer: alice, keyDirectory })
  const recipe = ran.tasks[0]?.recipe ?? ''
  const evidence = await evidenceAt(cache.url, `/v1/evidence/${recipe}`)
  t.is(evidence.filter(({ kind }) => kind === 'revocation-list').length, 1)
  const [attestation] = attestationsIn(evidence)
  if (attestation === undefined) return t.fail('there is no attestation')
  const { statement, statementDigest } = attestation
  const [output] = statement.outputs
  if (output === undefined) return t.fail('there is no output')
  const policy = parsePolicy(
    JSON.stringify({
      format: 1,
      operators: [{ name: 'alice', keys: [encodePublicKey(alice.publicKey)] }],
      default: { kind: 'factors', depth: 'outputs', factors: [{ kind: 'operators', atLeast: 1 }, { kind: 'built' }] },
      packages: {},
    }),
  )
  const inputs = statement.inputs.map(({ path, recipe: input, output: name }) => ({
    path,
    recipe: input,
    output: name,
    accepted: null,
  }))
  const decided = (found: typeof evidence) =>
    evaluateEvidence(
      { ...statement, ...output, inputs, depth: 'outputs' },
      verifyEvidence(found, policy),
      policy,
      now(),
    ).outcome.kind
  t.is(decided(evidence), 'accepted')

  const add = {
    keys: [],
    statements: [{ statement: statementDigest, reason: 'built on a machine that was broken into' }],
  }
  await using client = openCacheClient({ url: cache.url, signer: alice, nowSeconds: now })
  await publishRevocations(client, issueRevocations(keyDirectory, alice, { now: now(), add }))
  t.is(decided(await evidenceAt(cache.url, `/v1/evidence/${recipe}`)), 'refused')
  const second = await cacheFor(t, [alice])
  const again = await runOnce(
    home,
    store,
    { ...greet, caches: [cache.url, second.url] },
    { signer: alice, keyDirectory },
  )
  t.is(again.tasks[0]?.error?.code, 'ABN_ATTEST_REVOKED')
  t.is((await fetch(`${second.url}/v1/evidence/${recipe}`)).status, 404)

  issueRevocations(keyDirectory, alice, {
    now: now(),
    add: { keys: [{ key: alice.publicKey.id, reason: '' }], statements: [] },
  })
  t.throws(() => revokedStatements(keyDirectory, alice.publicKey), { code: 'ABN_KEY_REVOKED' })
})

test('two builders do not work on one store', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const store = storeOf(home)
  const stop = new AbortController()
  let reached = (): void => {}
  const isDone = new Promise<void>((resolve) => {
    reached = resolve
  })
  const first = runOnce(
    home,
    store,
    { work: [{ kind: 'packages', names: ['tool'] }] },
    {
      signer: alice,
      once: false,
      signal: stop.signal,
      onEvent: ({ kind }) => kind === 'task-done' && reached(),
    },
  )
  await isDone
  const { status, stdout } = await abnpkg(home, 'builder', 'status')
  t.is(status, 0)
  t.regex(stdout, /^a builder is running\ndone {4}tool 1/)
  await writeConfigAndKey(home, {}, alice)
  const second = await abnpkg(home, 'builder', 'run', '--once', '--config', `${home.directory}/builder.json`)
  t.is(second.status, 1)
  t.regex(second.stderr, /ABN_BUILDER_BUSY/)
  stop.abort(new Error('enough'))
  t.is((await first).tasks[0]?.state, 'done')
})

test('killed in the middle, a builder goes on where it was', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  const names = ['greet', 'greet@1.0.0', 'noisy', 'tool']
  const config = { caches: [cache.url], work: [{ kind: 'packages', names }], session: { tee: 'simulated' } }
  const file = await writeConfigAndKey(home, config, alice)
  const outputs = new Map<string, string>()
  // Each time it is killed a little later, until it comes to its end.
  for (let kills = 0; ; kills++) {
    const child = spawn(launcher, ['builder', 'run', '--once', '--config', file], {
      env: home.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let lines = 0
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      lines += text.split('\n').length - 1
      if (lines > 2 * kills) child.kill('SIGKILL')
    })
    const [status]: [number | null] = await once(child, 'exit').then(([code]) => [code])
    for (const { outputs: stated, recipe } of await statedAt(cache.url, home)) {
      // What was published stays what it was: nothing is built a second time.
      const digests = stated.map(({ digest }) => digest).join()
      t.is(outputs.get(recipe) ?? digests, digests)
      outputs.set(recipe, digests)
    }
    if (status === 0) break
    t.true(kills < 30)
  }
  const tasks = readTasks(storeOf(home))
  t.deepEqual(
    tasks.map(({ state }) => state),
    ['done', 'done', 'done', 'done'],
  )
  for (const { recipe } of tasks) {
    const found = attestationsIn(await evidenceAt(cache.url, `/v1/evidence/${recipe}`))
    t.is(found.length, 1)
    for (const { digest } of found[0]?.statement.outputs ?? [])
      t.is((await fetch(`${cache.url}/v1/archives/${digest}`)).status, 200)
  }
})

test('the first Ctrl-C ends a build and the service, and nothing is lost', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const config = { listen: '127.0.0.1:0', work: [{ kind: 'packages', names: ['greet', 'endless'] }] }
  const file = await writeConfigAndKey(home, config, alice)
  const child = spawn(launcher, ['builder', 'run', '--config', file], {
    env: home.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  await new Promise<void>((begun) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (/begin endless/.test(said) && /done greet/.test(said)) begun()
    })
  })
  const url = /status: (\S+)/.exec(said)?.[1] ?? ''
  t.is((await fetch(`${url}/healthz`)).status, 200)
  const metrics = await (await fetch(`${url}/metrics`)).text()
  t.regex(metrics, /^abn_builder_tasks\{state="done"\} 1$/m)
  t.regex(metrics, /^abn_builder_builds_total\{result="done"\} 2$/m)
  t.like(await jsonAt(`${url}/status`), { building: ['endless 1'], tasks: { length: 2 } })
  child.kill('SIGINT')
  t.deepEqual(await once(child, 'exit'), [0, null])
  const states = readTasks(storeOf(home)).map(({ name, state, attempts }) => [name, state, attempts])
  t.deepEqual(states.sort(), [
    ['endless', 'waiting', 0],
    ['greet', 'done', 0],
  ])
})

test('the commands, from a key to a cache', async (t) => {
  const home = homeFor(t)
  const made = await abnpkg(home, 'key', 'new', 'alice', '--json')
  t.is(made.status, 0)
  const key: { publicKey: string; path: string } = JSON.parse(made.stdout)
  t.is((await abnpkg(home, 'key', 'show')).stdout, `${key.publicKey}\n`)
  t.false(made.stdout.includes(JSON.parse(readFileSync(key.path, 'utf8')).seed))
  t.regex((await abnpkg(home, 'attest', 'greet')).stderr, /ABN_ATTEST_MISSING/)
  t.is((await abnpkg(home, 'build', 'greet')).status, 0)
  const attested = await abnpkg(home, 'attest', 'greet', '--json')
  t.like(JSON.parse(attested.stdout), {
    attested: { length: 2, 0: { fresh: true }, 1: { name: 'greet' } },
    omitted: [],
  })
  const again = await abnpkg(home, 'attest', 'greet', '--json')
  t.like(JSON.parse(again.stdout), { attested: { length: 2, 0: { fresh: false } } })
  const { bob } = operatorKeys('bob')
  const stranger = await cacheFor(t, [bob])
  const refused = await abnpkg(home, 'publish', 'greet', '--to', stranger.url)
  t.is(refused.status, 1)
  t.regex(refused.stderr, /ABN_CACHE_UNAUTHORISED/)
  const { parsePublicKey } = await import('../../../trust/key.ts')
  const cache = await cacheFor(t, [{ ...bob, publicKey: parsePublicKey(key.publicKey) }])
  const published = await abnpkg(home, 'publish', 'greet', '--to', cache.url, '--json')
  t.is(published.status, 0, published.stderr)
  t.like(JSON.parse(published.stdout), { published: { 0: { accepted: 2, known: 0, sent: 6, present: 0 } } })
})

async function statedAt(url: string, home: { readonly root: string }) {
  const recipes = readTasks(storeOf(home)).map(({ recipe }) => recipe)
  const found = await Promise.all(
    recipes.map(async (recipe) => {
      const { status } = await fetch(`${url}/v1/evidence/${recipe}`)
      return status === 200 ? attestationsIn(await evidenceAt(url, `/v1/evidence/${recipe}`)) : []
    }),
  )
  return found.flat().map(({ statement }) => statement)
}

async function writeConfigAndKey(
  home: { readonly directory: string },
  config: object,
  key: Parameters<typeof writeKey>[1],
): Promise<string> {
  const file = `${home.directory}/builder.json`
  const work = [{ kind: 'packages', names: ['tool'] }]
  mkdirSync(`${home.directory}/.config/abnpkg`, { recursive: true })
  writeKey(`${home.directory}/.config/abnpkg/keys`, key, undefined)
  writeFileSync(file, JSON.stringify({ format: 1, work, ...config }))
  return file
}
