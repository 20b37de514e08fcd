// A monitor that stays: a real cache with a log and a witness, webhooks that fail, being stopped and killed; and the command.
import { spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { logAddressOf } from '../../../builder/log/read-log.ts'
import type { Finding } from '../../../builder/monitor/finding.ts'
import { runMonitor } from '../../../builder/monitor/monitor.ts'
import { openMonitorState } from '../../../builder/monitor/state.ts'
import { startWitness } from '../../../cache-server/log/witness-server.ts'
import { sha256Of } from '../../../format/hash.ts'
import { encodePublicKey } from '../../../trust/key.ts'
import { witnessKeyOf } from '../../../trust/log/cosignature.ts'
import { encodeSecretKey } from '../../../trust/secret-key.ts'
import { house } from '../../_support/channel.ts'
import { listening } from '../../_support/listening.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import * as operators from '../../cache-server/support.ts'
import { attestationOf, packageOf, sendEvidence, startTestCache, statementOf } from '../../cache-server/support.ts'
import { alice, attested, bob, hello } from '../../trust/support.ts'
import { serveLog, treeOf } from '../log/served-log.ts'
import { kindsOf, logKey, monitorFor, watchOf, witness1 } from './support.ts'

const lie = sha256Of('a lie')
const divergent = [attested(hello, alice).bytes, attested(hello, bob, { digest: lie }).bytes]

async function cacheWithLog(t: ExecutionContext) {
  const directory = temporaryDirectory(t)
  const witness = await startWitness({
    directory: join(directory, 'witness'),
    signer: witness1,
    logs: [logKey.publicKey],
    listen: '127.0.0.1:0',
    nowSeconds: () => Math.floor(Date.now() / 1000),
    onMisbehaviour: () => {},
    report: () => {},
  })
  t.teardown(() => witness.close())
  const key = join(directory, 'log.key')
  writeFileSync(key, encodeSecretKey(logKey), { mode: 0o600 })
  const witnesses = [{ key: witnessKeyOf(witness1.publicKey), url: witness.url }]
  return startTestCache(t, { log: { key, witnesses, quorum: 1, batchSeconds: 0, refreshSeconds: 3600 } })
}

test('a real cache: what is published while the monitor follows is told, and a restart tells it no more', async (t) => {
  const cache = await cacheWithLog(t)
  const watch = {
    ...watchOf({ witnesses: [witness1] }),
    known: new Map(
      [operators.alice, operators.bob].map(({ name, secret }) => [
        secret.publicKey.id,
        { name, key: secret.publicKey },
      ]),
    ),
  }
  const subject = packageOf('subject')
  const [output] = statementOf(subject, operators.bob).outputs
  if (output === undefined) return t.fail()
  await sendEvidence(cache.url, operators.alice, [attestationOf(subject, operators.alice)])
  const stop = new AbortController()
  const found: Finding[] = []
  const directory = join(temporaryDirectory(t), 'state')
  const { promise, resolve } = Promise.withResolvers<void>()
  const following = runMonitor({
    urls: [logAddressOf(cache.url)],
    watch,
    directory,
    once: false,
    everySeconds: 0.05,
    staleSeconds: 86_400,
    idleSeconds: 86_400,
    signal: stop.signal,
    nowSeconds: () => Math.floor(Date.now() / 1000),
    onFinding(finding) {
      found.push(finding)
      if (finding.what.kind === 'divergence') resolve()
    },
    onProblem: (text) => t.log(text),
  })
  await sendEvidence(cache.url, operators.bob, [
    attestationOf(subject, operators.bob, { outputs: [{ ...output, digest: lie }] }),
  ])
  await promise
  stop.abort()
  const done = await following
  t.deepEqual(
    [
      ...new Set(
        found
          .filter(({ what }) => what.kind !== 'recovered' && what.kind !== 'unreachable')
          .map(({ what }) => what.kind),
      ),
    ],
    ['divergence'],
  )
  t.is(done.logs[0]?.read, 2)
  const again = await monitorAt(directory, t).look([logAddressOf(cache.url)], {
    watch,
    nowSeconds: () => Math.floor(Date.now() / 1000),
  })
  t.deepEqual(again.findings, [])
})

function monitorAt(directory: string, t: ExecutionContext) {
  const { look } = monitorFor(t)
  return {
    look: (urls: readonly string[], changes: Parameters<typeof look>[1]) => look(urls, { ...changes, directory }),
  }
}

type Hook = {
  readonly url: URL
  readonly bodies: string[]
  answer: (request: IncomingMessage, response: ServerResponse) => void
}

async function hookFor(t: ExecutionContext): Promise<Hook> {
  const bodies: string[] = []
  const hook: { answer: Hook['answer'] } = { answer: (_, response) => response.writeHead(204).end() }
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    bodies.push(body)
    hook.answer(request, response)
  })
  const url = new URL(`${await listening(t, server)}/hook?secret=very`)
  return Object.assign(hook, { url, bodies })
}

test('a webhook gets what was found, as JSON', async (t) => {
  const hook = await hookFor(t)
  let type: string | undefined
  hook.answer = (request, response) => {
    type = request.headers['content-type']
    response.end('thank you')
  }
  const log = await serveLog(t, treeOf(divergent, logKey))
  await monitorFor(t).look([log.url], { webhook: hook.url })
  t.is(hook.bodies.length, 1)
  t.is(type, 'application/json')
  const { format, findings } = JSON.parse(hook.bodies[0] ?? '')
  t.is(format, 1)
  t.is(findings.length, 1)
  const [{ kind, severity, entry, log: name, details }] = findings
  t.deepEqual([kind, severity, entry, name], ['divergence', 'alarm', 1, 'log.example/abnpkg'])
  t.deepEqual(details.sides[1], { digest: lie, signers: ['bob'] })
})

test('a webhook that fails stops nothing; what it did not take is sent by the next run, once', async (t) => {
  const hook = await hookFor(t)
  hook.answer = (_, response) => response.writeHead(500).end('no')
  const monitor = monitorFor(t)
  const log = await serveLog(t, treeOf(divergent, logKey))
  const looked = await monitor.look([log.url], { webhook: hook.url })
  t.deepEqual(kindsOf(looked), ['divergence'])
  t.true(looked.problems.length > 0)
  t.false(looked.problems.join().includes('very'), 'its address may be a secret')
  const tried = hook.bodies.length
  t.true(tried > 1 && tried < 5)
  hook.answer = (_, response) => response.writeHead(200).end()
  await monitor.look([log.url], { webhook: hook.url })
  await monitor.look([log.url], { webhook: hook.url })
  t.is(hook.bodies.length, tried + 1)
  t.is(hook.bodies.at(-1), hook.bodies[0])
})

for (const [title, answer] of [
  ['redirects', (_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
  ['answers without end', (_, response) => void response.write('x'.repeat(100_000))],
  ['hangs up', (_, response) => void response.destroy()],
] as readonly [string, Hook['answer']][]) {
  test(`a webhook that ${title} has taken nothing`, async (t) => {
    const hook = await hookFor(t)
    hook.answer = answer
    const monitor = monitorFor(t)
    const log = await serveLog(t, treeOf(divergent, logKey))
    await monitor.look([log.url], { webhook: hook.url })
    using state = openMonitorState(monitor.directory)
    t.is(state.due(Number.MAX_SAFE_INTEGER, 10).length, 1)
  })
}

test('a crash between telling and remembering tells again, and loses nothing', async (t) => {
  const monitor = monitorFor(t)
  const log = await serveLog(t, treeOf(divergent, logKey))
  const crash = new Error('the disk is gone')
  const failing = monitor.look([log.url], {
    onFinding() {
      throw crash
    },
  })
  t.is(await t.throwsAsync(failing), crash)
  t.deepEqual(kindsOf(await monitor.look([log.url])), ['divergence'])
  t.deepEqual(kindsOf(await monitor.look([log.url])), [])
})

const abnpkg = join(house, 'abnpkg')

function environment(t: ExecutionContext): Record<string, string> {
  const home = temporaryDirectory(t)
  return { PATH: process.env.PATH ?? '', HOME: home, XDG_CONFIG_HOME: join(home, 'config') }
}

test('the command: lines, one document, lines of JSON, and the exit status', async (t) => {
  const log = await serveLog(t, treeOf(divergent, logKey))
  const env = environment(t)
  const state = () => ['--state', temporaryDirectory(t)]
  const keys = [
    '--log',
    encodePublicKey(logKey.publicKey),
    ...[alice, bob].flatMap((one) => ['--known', encodePublicKey(one.publicKey)]),
  ]
  const run = (...args: readonly string[]) =>
    new Promise<{ status: number | null; stdout: string; stderr: string }>((resolve) => {
      const child = spawn(abnpkg, ['monitor', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
      let [stdout, stderr] = ['', '']
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text
        // A line of JSON has come: what follows logs is ended as a service would be.
        if (!args.includes('--once') && stdout.endsWith('\n')) child.kill('SIGINT')
      })
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text
      })
      child.on('close', (status) => resolve({ status, stdout, stderr }))
    })
  const text = await run(log.url, ...keys, ...state(), '--once')
  t.is(text.status, 1, text.stderr)
  t.regex(
    text.stdout,
    /^\S+Z ALARM log\.example\/abnpkg #1: divergence: \/abn\/store\/\S+-hello-2\.10 from the same inputs: \w+ by alice\S* \/ \w+ by bob\S*\n$/,
  )
  t.regex(text.stderr, /2 of 2 entries read/)
  const json = await run(log.url, ...keys, ...state(), '--once', '--json')
  t.is(json.status, 1)
  const { findings, told, logs } = JSON.parse(json.stdout)
  t.is(findings.length, 1)
  t.deepEqual(told, { alarm: 1, news: 0, warning: 0 })
  t.is(logs[0].read, 2)
  const lines = await run(log.url, ...keys, ...state(), '--json', '--every', '1')
  t.is(JSON.parse(lines.stdout).kind, 'divergence')
  const honest = await serveLog(t, treeOf(divergent.slice(0, 1), logKey))
  t.is((await run(honest.url, ...keys, ...state(), '--once')).status, 0)
})

test('the command refuses what it cannot do', (t) => {
  const env = environment(t)
  const run = (...args: readonly string[]) => spawnSync(abnpkg, ['monitor', ...args], { env, encoding: 'utf8' })
  for (const [args, says] of [
    [[], /expected the address of a cache/],
    [['http://127.0.0.1:1'], /expected --log/],
    [['ftp://x'], /not the address of a cache/],
    [['http://127.0.0.1:1', '--log', 'x'], /ABN_KEY_INVALID/],
    [['http://127.0.0.1:1', '--log', encodePublicKey(logKey.publicKey), '--webhook', 'file:///x'], /--webhook/],
  ] as const) {
    const { status, stderr } = run(...args, '--once', '--state', join(env.HOME ?? '', 'state'))
    t.not(status, 0)
    t.regex(stderr, says)
  }
})
