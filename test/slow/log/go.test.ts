// Go's sumdb packages, written by other people for another log, verify ours: note, inclusion, consistency; and refuse what was
// tampered with. Runs where Go and golang.org/x/mod are installed as Debian has them (golang-go, golang-golang-x-mod-dev).
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { openSequencer, type Sequencer } from '../../../cache-server/log/sequencer.ts'
import { openTreeFiles } from '../../../cache-server/log/tree-files.ts'
import type { Change, Index } from '../../../cache-server/storage/index.ts'
import { openLevelIndex } from '../../../cache-server/storage/level-index.ts'
import { sha256Of } from '../../../format/hash.ts'
import { utf8 } from '../../../trust/bytes.ts'
import { encodePublicKey } from '../../../trust/key.ts'
import { signCheckpoint } from '../../../trust/log/checkpoint.ts'
import { type TreeHash, type TreeSize, treeHashOf } from '../../../trust/log/merkle.ts'
import { encodeNote } from '../../../trust/log/note.ts'
import { newSecretKey } from '../../../trust/secret-key.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { logConfig, logSecret, startTestWitness } from '../../cache-server/log-support.ts'
import { alice, attestationOf, packageOf, send, startTestCache } from '../../cache-server/support.ts'

const packages = '/usr/share/gocode'
const hasGo = spawnSync('go', ['version']).status === 0 && existsSync(join(packages, 'src/golang.org/x/mod/sumdb/tlog'))
const key = newSecretKey('log.example/abnpkg', new Uint8Array(32).fill(1))
const run = hasGo ? test : test.skip

/** The path of the program. */
function buildVerifier(t: ExecutionContext, directory: string): string {
  const verify = join(directory, 'verify')
  const env = {
    PATH: process.env.PATH,
    HOME: directory,
    GOPATH: packages,
    GO111MODULE: 'off',
    GOFLAGS: '-buildvcs=false',
  }
  const built = spawnSync('go', ['build', '-o', verify, join(import.meta.dirname, 'verify.go')], {
    env,
    encoding: 'utf8',
  })
  t.is(built.status, 0, built.stderr)
  return verify
}

run("Go's own log client reads ours", async (t) => {
  const directory = temporaryDirectory(t)
  const verify = buildVerifier(t, directory)
  const place = join(directory, 'log')
  const files = openTreeFiles(place)
  const index = await openLevelIndex(join(directory, 'index'))
  t.teardown(() => index.close())
  const sequencer = await openSequencer({ index, files })
  const ask = (name: string, ...more: string[]) => {
    const said = spawnSync(verify, [encodePublicKey(key.publicKey), place, ...more], { encoding: 'utf8' })
    t.log(name, said.stdout.trim())
    return said
  }
  const checkpoint = (tree: { readonly size: TreeSize; readonly root: TreeHash }, name = 'checkpoint') => {
    const note = signCheckpoint({ origin: key.publicKey.name, ...tree, extensions: [] }, key)
    writeFileSync(join(place, name), encodeNote(note))
    return join(place, name)
  }
  let old: string | undefined
  for (const count of [1, 255, 256, 257, 700]) {
    await fill(index, sequencer, count)
    const tree = await sequencer.sequence()
    t.true(tree.size === count)
    checkpoint(tree)
    const { status, stdout } = ask(`${count} entries`, ...(old === undefined ? [] : [old]))
    t.is(status, 0)
    t.true(stdout.startsWith(`${count} entries\n`))
    if (old !== undefined) t.regex(stdout, /consistent with/)
    old = checkpoint(tree, `checkpoint-${count}`)
  }

  const tree = sequencer.state()
  // A fork: the same size with another root, and an older tree that this one does not begin with.
  const other = treeHashOf(tree.root.with(0, (tree.root[0] ?? 0) ^ 1))
  t.is(ask('a fork', checkpoint({ ...tree, root: other }, 'fork')).status, 1)
  checkpoint({ ...tree, root: other })
  t.is(ask('a checkpoint with another root').status, 1)
  checkpoint(tree)
  t.is(ask('as it was').status, 0)
  const note = readFileSync(join(place, 'checkpoint'))
  writeFileSync(join(place, 'checkpoint'), note.toString().replace('\n700\n', '\n701\n'))
  t.is(ask('a changed note').status, 1)
  writeFileSync(join(place, 'checkpoint'), note)
  const entries = join(place, 'tile/entries/000')
  const bytes = readFileSync(entries)
  writeFileSync(entries, bytes.with(20, (bytes[20] ?? 0) ^ 1))
  t.is(ask('a changed entry').status, 1)
})

run("Go's own log client reads what a cache serves", async (t) => {
  const directory = temporaryDirectory(t)
  const verify = buildVerifier(t, directory)
  const witness = await startTestWitness(t, 'witness.example/1')
  const { url, cache } = await startTestCache(t, { log: logConfig(t, { witnesses: [witness], quorum: 1 }) })
  const ask = async (...more: string[]) => {
    const child = spawn(verify, [encodePublicKey(logSecret.publicKey), `${url}/v1/log`, ...more])
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    const [status] = await once(child, 'close')
    t.log(said.trim())
    return { status, said }
  }
  t.is((await ask()).status, 1)
  const old = join(directory, 'old')
  let number = 0
  for (const count of [3, 256, 600]) {
    const envelopes: Uint8Array[] = []
    for (; number < count; number++) envelopes.push(attestationOf(packageOf(`p${number}`), alice).bytes)
    await cache.acceptor.accept(envelopes, 'alice')
    await cache.log?.publish()
    const { status, said } = await ask(...(count === 3 ? [] : [old]))
    t.is(status, 0)
    t.true(said.startsWith(`${count} entries\n`))
    t.is(said.includes('consistent with'), count !== 3)
    writeFileSync(old, (await send(url, { path: '/v1/log/checkpoint' })).body)
  }
})

async function fill(index: Index, sequencer: Sequencer, count: number): Promise<void> {
  const missing = Array.from({ length: count - sequencer.state().size }, (_, i) => sequencer.state().size + i)
  const changes = missing.flatMap((number): Change[] => {
    const bytes = utf8(`entry ${number} ${'x'.repeat(number % 100)}`)
    const digest = sha256Of(bytes)
    return [
      { kind: 'put', key: `evidence/${digest}`, value: bytes },
      sequencer.pending({ digest, record: `evidence/${digest}` }),
    ]
  })
  await index.write(changes, { durable: false })
}
