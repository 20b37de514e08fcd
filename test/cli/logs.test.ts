// Logs in daily use: real caches with logs, real witnesses, and a person who runs the real commands.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { evaluate, ownChannel } from '../../builder/evaluate/evaluate.ts'
import { findPackage } from '../../builder/evaluate/find.ts'
import { attestClosure } from '../../builder/service/attestations.ts'
import { publish } from '../../builder/service/publish.ts'
import { openCacheClient } from '../../builder/service/remote.ts'
import { openCache } from '../../cache-server/cache.ts'
import { type CacheConfig, defaultConfig } from '../../cache-server/config.ts'
import { startCache } from '../../cache-server/server.ts'
import { exportCache } from '../../cache-server/static-files.ts'
import { removeDirectory } from '../../store/remove-directory.ts'
import { openStore } from '../../store/store.ts'
import { attest } from '../../trust/attestation.ts'
import { encodePublicKey } from '../../trust/key.ts'
import { encodeWitnessKey, type WitnessKey } from '../../trust/log/cosignature.ts'
import { parseLogProof } from '../../trust/log/proof-file.ts'
import { type Home, launcher, makeHome } from '../_support/channel.ts'
import { listening } from '../_support/listening.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import { operatorKeys } from '../builder/service/_support/world.ts'
import { logConfig, logSecret, sendSession, sessionOf, startTestWitness } from '../cache-server/log-support.ts'
import { simulatedTee } from '../trust/scene.ts'

const keys = operatorKeys('alice', 'bob')
const seconds = () => Math.floor(Date.now() / 1000)
const day = 86_400

type Said = { readonly text: string; readonly stdout: string; readonly status: number }

function run(home: Home, args: readonly string[], cwd = home.directory): Promise<Said> {
  return new Promise((resolve) => {
    const { CI: _, ...env } = home.env
    execFile(launcher, [...args], { env, cwd, encoding: 'utf8' }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ text: `${stdout}${stderr}`, stdout, status })
    })
  })
}

type Witnesses = readonly { readonly key: WitnessKey; readonly url: string }[]

/** What `builder` has built, said by alice and bob, in the log. */
async function world(t: ExecutionContext) {
  const builder = makeHome()
  t.teardown(() => builder[Symbol.dispose]())
  t.is((await run(builder, ['build', 'greet'])).status, 0)
  const packages = await evaluate([{ ...ownChannel, directory: builder.channel }])
  const greet = await findPackage(packages, 'greet')
  const witnesses = [await startTestWitness(t, 'witness.example/w1'), await startTestWitness(t, 'witness.example/w2')]
  const operators = Object.entries(keys).map(([name, { publicKey }]) => ({ name, keys: [publicKey] }))
  const start = async (quorum: Witnesses, data = temporaryDirectory(t)) => {
    const log = logConfig(t, { witnesses: quorum, quorum: quorum.length })
    const config: CacheConfig = { ...defaultConfig, listen: '127.0.0.1:0', operators, log }
    const running = await startCache({ data, config })
    t.teardown(() => running.close())
    return { ...running, data, config }
  }
  const say = async (url: string, names: readonly (keyof typeof keys)[], validSeconds = day) => {
    await using store = openStore({ root: builder.root, durable: false })
    for (const name of names) {
      const signer = keys[name]
      const options = { store, packages, software: { abnpkg: 'test' }, now: seconds(), validSeconds, signer }
      const { attested } = attestClosure([greet], options)
      await using cache = openCacheClient({ url, signer, nowSeconds: seconds })
      await publish(attested, { store, cache })
      if (validSeconds === day) continue
      // Said anew, as what was said is not said twice.
      const again = attested.map(({ attestation: { statement } }) => {
        const expires = statement.expires + validSeconds
        return Buffer.from(attest({ ...statement, expires }, signer).bytes).toString('utf8')
      })
      const body = Buffer.from(again.map((line) => `${line}\n`).join(''))
      await cache.write({ method: 'POST', path: '/v1/evidence', body, type: 'application/jsonl' })
    }
  }
  /** Alice, in a session in a simulated TEE. */
  const sayInSession = async (url: string) => {
    await using store = openStore({ root: builder.root, durable: false })
    const alice = { name: 'alice', secret: keys.alice }
    const session = sessionOf(alice)
    t.is((await sendSession(url, alice, session)).status, 200)
    const options = {
      store,
      packages,
      software: { abnpkg: 'test' },
      now: seconds(),
      validSeconds: day,
      signer: keys.alice,
    }
    const stated = { kind: 'session', key: session.key.publicKey.id, session: session.digest, software: {} } as const
    const attested = attestClosure([greet], options).attested.map((one) => {
      const attestation = attest({ ...one.attestation.statement, builder: stated }, session.key)
      return { ...one, attestation }
    })
    await using cache = openCacheClient({ url, signer: keys.alice, nowSeconds: seconds })
    await publish(attested, { store, cache })
    return session
  }
  return { witnesses, start, say, sayInSession }
}

const factors = [
  { kind: 'operators', atLeast: 2 },
  { kind: 'built' },
  { kind: 'logged' },
  { kind: 'witnessed', atLeast: 2, within: day },
]

function believe(
  home: Home,
  caches: readonly string[],
  witnesses: Witnesses,
  rule: object = {},
  more: object = {},
): void {
  const directory = join(home.directory, '.config/abnpkg')
  mkdirSync(directory, { recursive: true })
  const policy = {
    format: 1,
    operators: Object.entries(keys).map(([name, { publicKey }]) => ({ name, keys: [encodePublicKey(publicKey)] })),
    default: { kind: 'factors', depth: 'outputs', factors, ...rule },
    packages: {},
    logs: [encodePublicKey(logSecret.publicKey)],
    witnesses: witnesses.map(({ key }) => encodeWitnessKey(key)),
    ...more,
  }
  writeFileSync(join(directory, 'policy.json'), JSON.stringify(policy))
  writeFileSync(join(directory, 'caches.json'), JSON.stringify({ format: 1, caches }))
}

/** Serves files as any web server can, and remembers what was asked for. */
async function serveFiles(t: ExecutionContext, directory: string) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    request.resume()
    asked.push(`${request.method} ${request.url}`)
    const file = join(directory, request.url ?? '')
    if (request.method !== 'GET') response.writeHead(405).end()
    else if (existsSync(file)) response.end(readFileSync(file))
    else response.writeHead(404).end()
  })
  return { url: await listening(t, server), asked }
}

test('logged and witnessed: installed, explained, proved, checked, locked; a fork is found out', async (t) => {
  const { witnesses, start, say } = await world(t)
  const cache = await start(witnesses)
  await say(cache.url, ['alice', 'bob'])
  using home = makeHome()
  believe(home, [cache.url], witnesses)

  // Nothing is published yet.
  const early = await run(home, ['install', '--dry-run', 'greet'])
  t.regex(early.text, /to build: 2 packages[\s\S]*0 of the 2 operators agree .*not shown to be in a log/)
  t.is((await run(home, ['log', 'status'])).text, `${logSecret.publicKey.name}\n  not seen yet\n`)
  await cache.cache.log?.publish()

  const installed = await run(home, ['install', '--no-build', 'greet'])
  t.is(installed.status, 0, installed.text)
  const why = await run(home, ['why', 'greet'])
  t.is(why.status, 0)
  t.regex(why.text, /in a log; seen there by 2 witnesses[\s\S]*(alice|bob) agrees[\s\S]*(alice|bob) agrees/)
  const status = await run(home, ['log', 'status'])
  t.is(status.status, 0)
  t.regex(
    status.text,
    /4 entries, last looked at .* ago, root .{44}\n {2}seen by witness\.example\/w1 \(.* ago\), witness\.example\/w2 \(/,
  )
  const [seen] = JSON.parse((await run(home, ['log', 'status', '--json'])).stdout).logs
  t.like(seen, { log: logSecret.publicKey.name, size: 4 })
  t.is(seen.witnesses.length, 2)

  // Proofs in files.
  const proofs = join(home.directory, 'proofs')
  const file = join(home.directory, 'greet.evidence')
  const proved = await run(home, ['log', 'prove', 'greet', '-o', file, '--tlog-proof', proofs])
  t.is(proved.status, 0, proved.text)
  t.regex(proved.text, /statement of alice .*: entry [0-9] of 4 of log\.example\/abnpkg, seen by/)
  const written = readdirSync(proofs).filter((name) => name.endsWith('.tlog-proof'))
  t.is(written.length, 2)
  for (const name of written) {
    t.notThrows(() => parseLogProof(readFileSync(join(proofs, name))))
    const checked = await run(home, ['log', 'check', join(proofs, name)])
    t.regex(checked.text, /is entry [0-9] of 4 of log\.example\/abnpkg\nseen by witness/)
    t.is(checked.status, 0)
  }
  const [one = '', other = ''] = written.map((name) => join(proofs, name))
  const swapped = await run(home, ['log', 'check', one, '--entry', other.replace('.tlog-proof', '.json')])
  t.like(swapped, { status: 1 })
  t.regex(swapped.text, /ABN_LOG_PROOF/)
  t.regex((await run(home, ['log', 'check', file])).text, /1 statement of alice[\s\S]*not shown to be in a log: 0 of 2/)
  t.is((await run(home, ['log', 'check', file])).status, 0)
  t.regex((await run(home, ['log', 'prove', 'greet', '--offline'])).text, /statement of bob .*: entry/)
  t.regex((await run(home, ['log', 'prove', 'greet', '-o', one])).text, /ABN_EVIDENCE_FILE.*already/)

  // Elsewhere, without a network: by the file alone.
  using offline = makeHome()
  believe(offline, [], witnesses)
  const decided = await run(offline, ['verify', '--bundle', file, 'greet'])
  t.is(decided.status, 0, decided.text)
  t.regex(decided.text, /greet 1\.1\.0: accepted[\s\S]*1 of 1 package accepted by this file alone/)
  t.is((await run(offline, ['verify', '--bundle', file, 'tool'])).status, 1, 'of which there is nothing in it')
  const late = new Date((seconds() + 3 * 3600) * 1000).toISOString().replace(/\.[0-9]+Z/, 'Z')
  believe(offline, [], witnesses, { factors: [...factors.slice(0, 3), { ...factors[3], within: 3600 }] })
  t.is((await run(offline, ['verify', '--bundle', file, 'greet'])).status, 0)
  const refused = await run(offline, ['verify', '--bundle', file, 'greet', '--at', late])
  t.is(refused.status, 1)
  t.regex(refused.text, /too few witnesses[\s\S]*0 of 1 package/)
  t.false(existsSync(offline.root), 'looking makes no store')

  // A project records what was satisfied.
  const project = join(home.directory, 'project')
  mkdirSync(project)
  t.is((await run(home, ['add', 'greet', '--no-build'], project)).status, 0)
  t.regex(
    readFileSync(join(project, 'abnpkg.lock'), 'utf8'),
    /with built depth:outputs logged operators:2 witnessed:2:86400\n/,
  )
  t.regex((await run(home, ['verify', '--bundle', file], project)).text, /1 of 1 package accepted/)
  t.is((await run(home, ['log', 'prove', '-o', 'all.evidence'], project)).status, 0)
  believe(home, [cache.url], witnesses, { factors: factors.slice(0, 3) })
  removeDirectory(home.root)
  const weaker = await run(home, ['sync', '--no-build'], project)
  t.is(weaker.status, 1)
  t.regex(weaker.text, /ABN_LOCKFILE_WEAKER.*the factor witnessed:2:86400 is not among those/)
  believe(home, [cache.url], witnesses)
  t.is((await run(home, ['sync', '--no-build'], project)).status, 0)
  t.is((await run(home, ['verify', '--bundle', file], project)).status, 0)
  const lockFile = join(project, 'abnpkg.lock')
  const text = readFileSync(lockFile, 'utf8')
  writeFileSync(lockFile, text.replace(/( {2}output out )[0-9a-f]{8}/, '$100000000'))
  const differing = await run(home, ['verify', '--bundle', file], project)
  t.is(differing.status, 1)
  t.regex(differing.text, /locked is 00000000/)

  // The same log, grown, as files: what lies between is proved from its tiles.
  await say(cache.url, ['alice', 'bob'], 2 * day)
  await cache.cache.log?.publish()
  await cache.close()
  const opened = await openCache({ data: cache.data, config: cache.config })
  const directory = temporaryDirectory(t)
  await exportCache(opened, directory)
  await opened.close()
  const files = await serveFiles(t, directory)
  believe(home, [files.url], witnesses)
  const explained = await run(home, ['policy', 'explain', 'greet'])
  t.regex(explained.text, /greet 1\.1\.0: accepted/)
  t.true(
    files.asked.some((line) => line.includes('/v1/log/tile/')),
    files.asked.join('\n'),
  )

  // The same key over another tree, of which there are no witnesses who would have found out.
  const forked = await start([])
  await say(forked.url, ['bob', 'alice'])
  await forked.cache.log?.publish()
  believe(home, [forked.url], witnesses, { factors: factors.slice(0, 3) })
  removeDirectory(join(home.root, 'store'))
  removeDirectory(join(home.root, 'var/items'))
  for (const name of ['store', 'var/items']) mkdirSync(join(home.root, name))
  const dry = await run(home, ['install', '--dry-run', 'greet'])
  t.regex(
    dry.text,
    /LOG ALARM: log\.example\/abnpkg: it has signed two trees that contradict each other: .*nothing of it counts/,
  )
  t.regex(dry.text, /to build: 2 packages[\s\S]*LOG log\.example\/abnpkg: it has shown two trees/)
  t.is((await run(home, ['log', 'status'])).status, 0, 'nothing is written by looking')
  const built = await run(home, ['install', 'greet'])
  t.is(built.status, 0, built.text)
  t.regex(built.text, /the proof against log\.example\/abnpkg is in .*alarms[\s\S]*built greet 1\.1\.0/)
  const alarmed = await run(home, ['log', 'status'])
  t.is(alarmed.status, 1)
  const [, alarm = ''] = /ALARM log\.example\/abnpkg: fork: (\S+)/.exec(alarmed.text) ?? []
  const checked = await run(home, ['log', 'check', alarm])
  t.is(checked.status, 0)
  t.regex(checked.text, /FORK: two trees of one size, both signed by the log/)
  t.regex((await run(home, ['doctor', '--offline'])).text, /logs .*1 alarm in .*alarms/)
  const tampered = join(home.directory, 'tampered.txt')
  writeFileSync(tampered, readFileSync(alarm, 'utf8').replace(/^ {2}4$/m, '  5'))
  t.regex((await run(home, ['log', 'check', tampered])).text, /ABN_SIGNATURE_INVALID/)
  t.regex((await run(home, ['why', 'greet'])).text, /built here .*did not accept[\s\S]*so nothing of it counts/)
})

test('a session in a simulated TEE is logged, proved, and told of as what it is', async (t) => {
  const { start, say, sayInSession } = await world(t)
  const cache = await start([])
  const { digest } = await sayInSession(cache.url)
  await say(cache.url, ['bob'])
  await cache.cache.log?.publish()
  using home = makeHome()
  const inTee = { factors: [...factors.slice(0, 3), { kind: 'tee', atLeast: 1 }] }
  believe(home, [cache.url], [], inTee, { tee: simulatedTee })
  const installed = await run(home, ['install', '--no-build', 'greet'])
  t.is(installed.status, 0, installed.text)
  const session = `session ${digest.slice(0, 12)}… of alice`
  const told = await run(home, ['provenance', 'greet'])
  t.true(told.text.includes(session), told.text)
  t.regex(told.text, /in a SIMULATED TEE, which proves nothing: UpToDate by evaluation [0-9]+, running simulated/)
  const [entry] = JSON.parse((await run(home, ['provenance', 'greet', '--json'])).stdout).entries
  t.like(entry.outputs[0].sessions[0], { operator: 'alice', session: digest, simulated: true })
  const file = join(home.directory, 'evidence')
  const proved = await run(home, ['log', 'prove', 'greet', '-o', file])
  t.regex(proved.text, /session of alice .*: entry [0-9] of 5 of log/)
  t.is((await run(home, ['verify', '--bundle', file, 'greet'])).status, 0)
  believe(home, [], [], inTee)
  const unnamed = await run(home, ['verify', '--bundle', file, 'greet'])
  t.is(unnamed.status, 1, 'a simulated root counts only where it is named')
  t.regex(unnamed.text, /the policy does not say which/)
})

test('what does not go together is refused, and says what does', async (t) => {
  using home = makeHome()
  const error = async (...args: string[]) => {
    const { status, text } = await run(home, args)
    t.not(status, 0, text)
    return text
  }
  t.regex(await error('log', 'prove', 'greet'), /ABN_POLICY_MISSING/)
  t.regex(await error('log', 'status'), /ABN_POLICY_MISSING/)
  t.regex(await error('log', 'prove'), /ABN_USAGE.*expected the name of a package/)
  t.regex(await error('log', 'check', 'nothing-here'), /ABN_EVIDENCE_FILE.*nothing-here/)
  t.regex(await error('log', 'check'), /ABN_LOG_MISSING|ABN_PACKAGE_UNKNOWN/)
  t.regex(await error('log', 'status', '-o', 'x'), /ABN_USAGE.*--output does not go with status/)
  t.regex(await error('log', 'greet', '--offline'), /ABN_USAGE.*--offline does not go with greet/)
  t.regex(await error('verify', '--at', '2026-01-01T00:00:00Z'), /ABN_USAGE.*--at goes with --bundle/)
  t.regex(await error('verify', '--bundle', 'x', '--repair'), /ABN_USAGE.*exclude/)
  const garbage = join(home.directory, 'garbage')
  writeFileSync(garbage, 'nothing that anybody knows')
  t.regex(await error('log', 'check', garbage), /ABN_NOTE_INVALID/)
  believe(home, [], [])
  t.regex(await error('verify', '--bundle', garbage, 'greet'), /ABN_BUNDLE_INVALID/)
  writeFileSync(garbage, Buffer.from('28b52ffd00', 'hex'))
  t.regex(await error('log', 'check', garbage), /ABN_BUNDLE_INVALID/)
})
