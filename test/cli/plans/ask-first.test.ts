// Before a build that operators say takes long, a person is asked; who is no person on a terminal, is not.
import { execFile, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { evaluate, ownChannel } from '../../../builder/evaluate/evaluate.ts'
import { findPackage } from '../../../builder/evaluate/find.ts'
import { attestClosure } from '../../../builder/service/attestations.ts'
import { openStore } from '../../../store/store.ts'
import { attest } from '../../../trust/attestation.ts'
import { encodePublicKey } from '../../../trust/key.ts'
import { newSecretKey } from '../../../trust/secret-key.ts'
import { type Home, launcher, makeHome } from '../../_support/channel.ts'
import { bundled, startHostileCache } from '../../faults/_support/hostile-cache.ts'

type Said = { readonly text: string; readonly status: number }

function run(home: Home, ...args: readonly string[]): Promise<Said> {
  return new Promise((resolve) => {
    execFile(launcher, [...args], { env: home.env, encoding: 'utf8' }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ text: `${stdout}${stderr}`, status })
    })
  })
}

/** On a pseudo-terminal; types the answer when it is asked. */
function runAsPerson(home: Home, args: string, answer: string): Promise<Said> {
  const { CI: _, ...env } = { ...home.env, CI: '', TERM: 'xterm', SHELL: '/bin/sh' }
  const child = spawn('script', ['-qec', `"${launcher}" ${args}`, '/dev/null'], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let text = ''
  let isAnswered = false
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more
    if (isAnswered || !text.includes('[y/N]')) return
    isAnswered = true
    child.stdin.write(answer)
  })
  return new Promise((resolve) => child.once('close', (status) => resolve({ text, status: status ?? -1 })))
}

test('a long build is asked about', async (t) => {
  using builder = makeHome()
  t.is((await run(builder, 'build', 'greet')).status, 0)
  const evaluation = await evaluate([{ ...ownChannel, directory: builder.channel }])
  const greet = await findPackage(evaluation, 'greet')
  const signer = newSecretKey('alice.example/builder', new Uint8Array(32).fill(1))
  const now = Math.floor(Date.now() / 1000)
  await using store = openStore({ root: builder.root })
  const { attested } = attestClosure([greet], {
    store,
    packages: evaluation,
    software: { abnpkg: 'test' },
    now,
    validSeconds: 86_400,
    signer,
  })
  const slow = attested.map(({ attestation: { statement } }) =>
    attest({ ...statement, started: statement.finished - 7200 }, signer),
  )
  await using cache = await startHostileCache({ evidence: bundled(slow) })

  using home = makeHome()
  const silent = newSecretKey('silent.example/builder', new Uint8Array(32).fill(5))
  const operators = [`alice=${encodePublicKey(signer.publicKey)}`, `silent=${encodePublicKey(silent.publicKey)}`]
  await run(home, 'policy', 'init', ...operators.flatMap((one) => ['--operator', one]))
  await run(home, 'cache', 'add', cache.address)

  for (const answer of ['n\n', '\n', 'yesterday\n', '\x04']) {
    const { text, status } = await runAsPerson(home, 'install greet', answer)
    t.is(status, 1, text)
    t.regex(text, /about 240 min .*Go on\? \[y\/N\][\s\S]*ABN_BUILD_DECLINED[\s\S]*--yes goes on/)
    t.false(existsSync(join(home.root, 'store')) && readdirSync(join(home.root, 'store')).length > 0)
  }
  const interrupted = await runAsPerson(home, 'install greet', '\x03')
  t.is(interrupted.status, 130, interrupted.text)

  const limited = await run(home, 'install', '--max-build-time', '1h', 'greet')
  t.regex(limited.text, /ABN_BUILD_TOO_LONG/)
  const unasked = await runAsPerson(home, 'build --yes tool', '')
  t.is(unasked.status, 0, unasked.text)
  t.notRegex(unasked.text, /Go on/)
  const agreed = await runAsPerson(home, 'install greet', 'y\n')
  t.is(agreed.status, 0, agreed.text)
  t.regex(agreed.text, /Go on\? \[y\/N\][\s\S]*built greet/)

  using script = makeHome()
  const alone = await run(script, 'install', '--source-only', 'greet')
  t.is(alone.status, 0, alone.text)
  t.regex((await run(script, 'why', 'greet')).text, /built here .*because of --source-only/)
})
