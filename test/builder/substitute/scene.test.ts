// The scene: two caches, three honest builders of three operators and one that lies, and clients who run the real command.
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import test from 'ava'
import { evaluate, ownChannel } from '../../../builder/evaluate/evaluate.ts'
import { findPackage } from '../../../builder/evaluate/find.ts'
import { type Attested, attestClosure } from '../../../builder/service/attestations.ts'
import { publish } from '../../../builder/service/publish.ts'
import { openCacheClient } from '../../../builder/service/remote.ts'
import { defaultConfig } from '../../../cache-server/config.ts'
import { type RunningCache, startCache } from '../../../cache-server/server.ts'
import { sha256Of } from '../../../format/hash.ts'
import { openStore } from '../../../store/store.ts'
import { type Attestation, attest, parseAttestation, verifyAttestation } from '../../../trust/attestation.ts'
import { encodePublicKey } from '../../../trust/key.ts'
import { newSecretKey } from '../../../trust/secret-key.ts'
import { type Home, launcher, makeHome } from '../../_support/channel.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { archives, bundled, send as sendBytes, startHostileCache } from '../../faults/_support/hostile-cache.ts'
import { fileOf, outputOf, packed, statedOf } from '../../faults/_support/world.ts'

const keyOf = (name: string, seed: number) => newSecretKey(`${name}.example/builder`, new Uint8Array(32).fill(seed))
const keys = {
  alice: keyOf('alice', 1),
  bob: keyOf('bob', 2),
  carol: keyOf('carol', 3),
  liar: keyOf('liar', 4),
  silent: keyOf('silent', 5),
}
const nowSeconds = () => Math.floor(Date.now() / 1000)

type Said = { readonly text: string; readonly status: number }

/** Runs abnpkg in a home, without holding up the caches of this process. */
function run(home: Home, ...args: readonly string[]): Promise<Said> {
  return new Promise((resolve) => {
    execFile(launcher, [...args], { env: home.env, encoding: 'utf8' }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ text: `${stdout}${stderr}`, status })
    })
  })
}

async function believe(
  home: Home,
  names: readonly (keyof typeof keys)[],
  caches: readonly { readonly url: string }[],
): Promise<string> {
  const operators = names.flatMap((name) => ['--operator', `${name}=${encodePublicKey(keys[name].publicKey)}`])
  const said = [(await run(home, 'policy', 'init', ...operators)).text]
  for (const { url } of caches) said.push((await run(home, 'cache', 'add', url)).text)
  return said.join('')
}

/** Whose signature it is, verified. */
function verifiedBy(attestation: Attestation): string {
  const [name, key] = Object.entries(keys).find(([, one]) => one.publicKey.id === attestation.envelope.keyId) ?? []
  if (key) verifyAttestation(attestation, key.publicKey)
  return name ?? 'a stranger'
}

/** Serves the files of a directory, as any web server can. */
async function serveFiles(directory: string) {
  const server = createServer((request, response) => {
    request.resume()
    const file = join(directory, request.url ?? '')
    if (request.method !== 'GET') response.writeHead(405).end()
    else if (existsSync(file)) response.end(readFileSync(file))
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const listening = server.address()
  const port = typeof listening === 'object' ? listening?.port : undefined
  return { url: `http://127.0.0.1:${port}`, [Symbol.dispose]: () => void server.close() }
}

test('builders attest, caches carry, the policy decides', async (t) => {
  using builder = makeHome()
  t.is((await run(builder, 'build', 'greet')).status, 0)
  const evaluation = await evaluate([{ ...ownChannel, directory: builder.channel }])
  const greet = await findPackage(evaluation, 'greet')
  await using store = openStore({ root: builder.root })

  const operators = Object.entries(keys).map(([name, { publicKey }]) => ({ name, keys: [publicKey] }))
  const data = temporaryDirectory(t)
  const start = (at: string) => startCache({ data: at, config: { ...defaultConfig, listen: '127.0.0.1:0', operators } })
  const [first, second] = [await start(data), await start(temporaryDirectory(t))]
  t.teardown(() => Promise.all([first.close(), second.close()]))

  const send = async (name: keyof typeof keys, to: RunningCache, change = (one: Attested): Attested => one) => {
    const signer = keys[name]
    const options = {
      store,
      packages: evaluation,
      software: { abnpkg: 'test' },
      now: nowSeconds(),
      validSeconds: 86_400,
    }
    const { attested } = attestClosure([greet], { ...options, signer })
    await using cache = openCacheClient({ url: to.url, signer, nowSeconds })
    await publish(attested.map(change), { store, cache })
  }
  await send('alice', first)
  await send('bob', second)
  await send('carol', first)
  // The liar says the same of the tool, and something else of greet. Nobody can publish an archive for it.
  const { attested } = attestClosure([greet], {
    store,
    packages: evaluation,
    software: { abnpkg: 'test' },
    now: nowSeconds(),
    validSeconds: 86_400,
    signer: keys.liar,
  })
  const lies = attested.map(({ package: one, attestation: { statement, bytes } }) => {
    const outputs = statement.outputs.map((output) => ({ ...output, digest: sha256Of('a lie') }))
    return one === greet ? attest({ ...statement, outputs }, keys.liar).bytes : bytes
  })
  await using liar = openCacheClient({ url: second.url, signer: keys.liar, nowSeconds })
  const body = Buffer.from(lies.map((bytes) => `${Buffer.from(bytes).toString('utf8')}\n`).join(''))
  await liar.write({ method: 'POST', path: '/v1/evidence', body, type: 'application/jsonl' })

  using trusting = makeHome()
  const said = await believe(trusting, ['alice', 'bob', 'carol'], [first, second])
  t.regex(said, /two-independent, 3 operators/)
  const dry = await run(trusting, 'install', '--dry-run', 'greet')
  t.regex(dry.text, /to fetch: 1 package, .*\n {2}greet 1\.1\.0\n {4}on the word of alice, bob, carol/)
  const installed = await run(trusting, 'install', '--no-build', 'greet')
  t.is(installed.status, 0, installed.text)
  t.regex(installed.text, /fetched greet 1\.1\.0/)
  t.notRegex(installed.text, /built/)
  t.regex((await run(trusting, 'run', 'greet', '--', 'hello')).text, /greet hello/)
  const why = await run(trusting, 'why', 'greet')
  t.regex(why.text, /fetched on .* from http:/)
  for (const name of ['alice', 'bob', 'carol']) t.true(why.text.includes(`${name} agrees`))
  const [summary] = JSON.parse((await run(trusting, 'why', 'greet', '--vsa', '--json')).text)
  t.like(summary.predicate, { verificationResult: 'PASSED', verifiedLevels: ['ABNPKG_OPERATORS_3'] })
  t.regex((await run(trusting, 'provenance', 'greet')).text, /on the word of alice, bob, carol[\s\S]*not in the store/)
  const bom = JSON.parse((await run(trusting, 'provenance', 'greet', '--format', 'cyclonedx')).text)
  t.deepEqual(
    bom.components.map(({ name }: { name: string }) => name),
    ['tool'],
  )
  const slsa = JSON.parse((await run(trusting, 'provenance', 'greet', '--format', 'slsa', '--json')).text)
  const signed = slsa.filter((one: object) => 'signatures' in one)
  const signers = signed.map((one: object) => parseAttestation(Buffer.from(JSON.stringify(one)))).map(verifiedBy)
  t.deepEqual(signers.sort(), ['alice', 'bob', 'carol'])
  const chain = JSON.parse((await run(trusting, 'provenance', 'greet', '--format', 'json')).text)
  t.deepEqual(chain.entries.map(({ name }: { name: string }) => name).sort(), ['greet', 'tool'])
  t.is((await run(trusting, 'key', 'new', 'verifier')).status, 0)
  const [sealed] = JSON.parse((await run(trusting, 'why', 'greet', '--vsa', '--key', 'verifier', '--json')).text)
  t.deepEqual(JSON.parse(Buffer.from(sealed.payload, 'base64').toString()).predicate.verificationResult, 'PASSED')

  t.is((await run(trusting, 'cache', 'list')).text, `${first.url}\n${second.url}\n`)
  const tried = async (least: number) => {
    const rule = { kind: 'factors', depth: 'outputs', factors: [{ kind: 'operators', atLeast: least }] }
    const own = readFileSync(join(trusting.directory, '.config/abnpkg/policy.json'), 'utf8')
    const file = join(trusting.directory, 'other.json')
    writeFileSync(file, JSON.stringify({ ...JSON.parse(own), default: rule }))
    return run(trusting, 'policy', 'test', file)
  }
  t.like(await tried(3), { status: 0, text: '1 of 1 fetched item would be accepted\n' })
  const stricter = await tried(4)
  t.is(stricter.status, 1)
  t.regex(stricter.text, /not accepted any more: .*greet-1\.1\.0\n0 of 1/)

  const challenged = await run(trusting, 'challenge', 'greet')
  t.is(challenged.status, 0, challenged.text)
  t.regex(challenged.text, /as attested by alice, bob, carol/)

  using deceived = makeHome()
  await believe(deceived, ['alice', 'bob', 'liar'], [first, second])
  const refused = await run(deceived, 'install', '--no-build', 'greet')
  t.is(refused.status, 1)
  t.regex(
    refused.text,
    /contradict each other: greet 1\.1\.0[\s\S]*DIVERGENCE: operators .*greet[\s\S]*ABN_BUILD_NEEDED/,
  )
  t.is(readdirSync(join(deceived.root, 'var/divergences')).length, 1, 'kept although nothing was built')
  const built = await run(deceived, 'install', 'greet')
  t.is(built.status, 0, built.text)
  t.regex(built.text, /fetched tool 1[\s\S]*built greet 1\.1\.0[\s\S]*DIVERGENCE/)
  t.is(readdirSync(join(deceived.root, 'var/divergences')).length, 1)
  const explained = await run(deceived, 'why', 'greet')
  t.regex(explained.text, /built here .*did not accept[\s\S]*DIVERGENCE[\s\S]*DIVERGENCE[\s\S]*by liar/)
  t.regex((await run(deceived, 'challenge', 'greet')).text, /is what liar attest; no cache has it/)

  // One who lies and has an archive to show for it.
  const ofGreet = attested.flatMap((one) => (one.package === greet ? one.attestation.statement : []))
  const forged = ofGreet
    .flatMap(({ outputs }) => outputs)
    .map(({ path }) => outputOf(path, [], [{ kind: 'directory', path: '' }, fileOf('forged', 'x')]))
  const forgery = ofGreet.map((statement) =>
    attest({ ...statement, outputs: forged.map((output) => statedOf(output)) }, keys.liar),
  )
  const shown = forged.map((output) => [
    output.digest,
    (response: ServerResponse) => sendBytes(response, packed(output)),
  ])
  const archive = archives(Object.fromEntries(shown))
  await using forger = await startHostileCache({ evidence: bundled(forgery), archive })
  using curious = makeHome()
  await believe(curious, ['alice', 'liar'], [second, { url: forger.address }])
  t.regex((await run(curious, 'challenge', 'greet')).text, /is what liar attest:\n[\s\S]*forged/)

  using alone = makeHome()
  await believe(alone, ['alice', 'silent'], [first, second])
  const lonely = await run(alone, 'install', '--dry-run', 'greet')
  t.regex(lonely.text, /to build: 2 packages[\s\S]*1 of the 2 operators agree/)
  t.regex((await run(alone, 'policy', 'explain', 'greet')).text, /alice agrees[\s\S]*silent says nothing/)
  t.regex(
    (await run(alone, 'install', '--dry-run', '--source-only', 'greet')).text,
    /^to build: 2 packages\n {2}tool 1, greet 1\.1\.0$/m,
  )
  t.regex((await run(alone, 'install', '--max-build-time', '1h', '--dry-run', 'greet')).text, /to build/)

  // Everything is accepted, but the cache has no archive.
  const said2 = (['alice', 'bob'] as const).flatMap((name) =>
    attestClosure([greet], {
      store,
      packages: evaluation,
      software: { abnpkg: 'test' },
      now: nowSeconds(),
      validSeconds: 86_400,
      signer: keys[name],
    }).attested.map(({ attestation }) => attestation),
  )
  await using empty = await startHostileCache({ evidence: bundled(said2) })
  using unlucky = makeHome()
  await believe(unlucky, ['alice', 'bob'], [{ url: empty.address }])
  const again = await run(unlucky, 'install', 'greet')
  t.is(again.status, 0, again.text)
  t.regex(again.text, /no cache has greet[\s\S]*planning again[\s\S]*no cache has what was accepted[\s\S]*built greet/)
  t.regex((await run(unlucky, 'why', 'greet')).text, /no cache had what the policy accepted/)
  t.is((await run(unlucky, 'cache', 'remove', empty.address)).status, 0)
  t.is((await run(unlucky, 'cache', 'add', 'file:///etc')).status, 1)

  // A cache that is only files.
  await first.close()
  const files = temporaryDirectory(t)
  const exported = await run(trusting, 'cache', 'export', '--data', data, files)
  t.is(exported.status, 0, exported.text)
  using server = await serveFiles(files)
  using distant = makeHome()
  await believe(distant, ['alice', 'carol'], [server])
  const fetched = await run(distant, 'install', '--no-build', 'greet')
  t.is(fetched.status, 0, fetched.text)
  t.regex(fetched.text, /fetched greet/)
})
