// The log of a cache: growing, crashing at every step, witnesses that check, and logs that cheat.
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Log, openLog } from '../../../cache-server/log/log.ts'
import { inclusionsOf } from '../../../cache-server/log/prove.ts'
import { entryIndices, openSequencer } from '../../../cache-server/log/sequencer.ts'
import { emptyEdge, grow, readEdge, rootOf } from '../../../cache-server/log/tree-edge.ts'
import { openTreeFiles } from '../../../cache-server/log/tree-files.ts'
import { createWitness, type Witness } from '../../../cache-server/log/witness.ts'
import type { Change, Index } from '../../../cache-server/storage/index.ts'
import { openLevelIndex } from '../../../cache-server/storage/level-index.ts'
import { type Sha256, sha256Of } from '../../../format/hash.ts'
import { hexOf, isEqualBytes, utf8 } from '../../../trust/bytes.ts'
import { signCheckpoint, verifyCheckpoint } from '../../../trust/log/checkpoint.ts'
import { verifyCosignature, witnessKeyOf } from '../../../trust/log/cosignature.ts'
import { parseInclusions, verifyInclusions } from '../../../trust/log/inclusions.ts'
import {
  leafHash,
  proveConsistency,
  proveInclusion,
  rootHash,
  type TreeHash,
  treeHashOf,
  treeSizeOf,
  verifyInclusion,
} from '../../../trust/log/merkle.ts'
import { parseEntries, parseTile, subtreesFrom, tilePath } from '../../../trust/log/tile.ts'
import { encodeAddCheckpoint } from '../../../trust/log/witness-request.ts'
import { newSecretKey, type SecretKey } from '../../../trust/secret-key.ts'
import { listening } from '../../_support/listening.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

const logKey = newSecretKey('log.example/abnpkg', new Uint8Array(32).fill(1))
const witnessSecret = newSecretKey('witness.example/w1', new Uint8Array(32).fill(2))
const quiet = () => {}

async function indexIn(t: ExecutionContext, directory: string): Promise<Index> {
  const index = await openLevelIndex(join(directory, 'index'))
  t.teardown(() => index.close())
  return index
}

const entryIndex = async (index: Index, digest: Sha256) => (await entryIndices(index, [digest]))[0]
const entryText = (number: number): Uint8Array => utf8(`entry ${number} ${'x'.repeat(number % 50)}`)

/** Writes entries as evidence would be, with what makes them pending. */
async function put(index: Index, log: Pick<Log, 'pending'>, numbers: readonly number[]): Promise<void> {
  const changes = numbers.flatMap((number): Change[] => {
    const bytes = entryText(number)
    const digest = sha256Of(bytes)
    const record = `evidence/${digest}`
    return [{ kind: 'put', key: record, value: bytes }, log.pending({ digest, record })]
  })
  await index.write(changes, { durable: false })
}

const range = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i)

async function logIn(directory: string, index: Index, witnesses: Parameters<typeof openLog>[0]['witnesses'] = []) {
  return openLog({
    files: openTreeFiles(join(directory, 'log')),
    index,
    signer: logKey,
    witnesses,
    quorum: witnesses.length,
    batchSeconds: 0.01,
    refreshSeconds: 0,
    report: quiet,
  })
}

test('a tree that grows in steps is the tree that is made at once, and can be read again at every size', async (t) => {
  let edge = emptyEdge
  const files = new Map<string, Uint8Array>()
  let count = 0
  for (const step of [1, 1, 253, 1, 1, 300, 512, 1, 65_000, 700]) {
    const grown = grow(edge, range(count, count + step).map(entryText))
    for (const [path, bytes] of grown.files) files.set(path, bytes)
    count += step
    edge = grown.edge
    const read = async (path: string) => {
      const bytes = files.get(path)
      if (bytes === undefined) throw new Error(`no ${path}`)
      return bytes
    }
    const again = await readEdge(edge.size, read)
    t.true(isEqualBytes(rootOf(again), rootOf(edge)), `${count}`)
    t.is(again.entries.length, count % 256)
  }
  const once = grow(emptyEdge, range(0, count).map(entryText))
  t.true(isEqualBytes(rootOf(once.edge), rootOf(edge)))
  for (const [path, bytes] of once.files) t.deepEqual(files.get(path)?.length, bytes.length, path)
})

test('what is pending is logged once, in order, and every entry can be proved', async (t) => {
  const directory = temporaryDirectory(t)
  const index = await indexIn(t, directory)
  const log = await logIn(directory, index)
  await put(index, log, range(0, 300))
  await put(index, log, [5, 7, 301])
  const checkpoint = await log.publish()
  t.true(checkpoint?.size === 301)
  if (checkpoint === undefined) return
  const { size, root } = checkpoint
  const files = openTreeFiles(join(directory, 'log'))
  const served = await files.read('checkpoint')
  t.notThrows(() => verifyCheckpoint(served, logKey.publicKey))
  const tiles = new Map<string, Uint8Array>()
  for (const path of ['tile/0/000', 'tile/0/001.p/45', 'tile/1/000.p/1']) tiles.set(path, await files.read(path))
  const read = subtreesFrom(size, (tile) => parseTile(tiles.get(tilePath(tile)) ?? new Uint8Array(), tile))
  const bundle = [
    ...parseEntries(await files.read('tile/entries/000'), 256),
    ...parseEntries(await files.read('tile/entries/001.p/45'), 45),
  ]
  for (const number of [0, 1, 255, 256, 299, 301]) {
    const entry = entryText(number)
    const at = await entryIndex(index, sha256Of(entry))
    t.is(at, number === 301 ? 300 : number)
    if (at === undefined) continue
    t.is(hexOf(bundle[at] ?? new Uint8Array()), hexOf(entry))
    verifyInclusion({ index: at, size, leaf: leafHash(entry), root, proof: proveInclusion(at, size, read) })
  }
  const wanted = [0, 1, 255, 299, 301].map((number) => sha256Of(entryText(number)))
  const proofs = await inclusionsOf([...wanted, sha256Of('nothing')], checkpoint, { index, files })
  const { leaves } = verifyInclusions(parseInclusions(proofs ?? new Uint8Array()), logKey.publicKey)
  t.deepEqual([...leaves.values()], [0, 1, 255, 299, 300])
  t.is(await inclusionsOf([sha256Of('nothing')], checkpoint, { index, files }), undefined)
  // Again, also as a new process: nothing is added.
  await put(index, log, [3])
  t.true((await log.publish())?.size === 301)
  await log.close()
  const later = await logIn(directory, index)
  t.true(later.published()?.size === 301)
  await put(index, later, [400])
  t.true((await later.publish())?.size === 302)
  await later.close()
})

for (const [title, fail] of [
  ['before the files are written', 'files'],
  ['after the files, before the state', 'before'],
  ['after the state was written, without anybody knowing', 'after'],
] as const) {
  test(`a crash ${title} leaves a log that goes on with the same tree`, async (t) => {
    const directory = temporaryDirectory(t)
    const index = await indexIn(t, directory)
    const files = openTreeFiles(join(directory, 'log'))
    const good = await openSequencer({ index, files })
    await put(index, good, range(0, 250))
    await good.sequence()

    const failing: Index = {
      ...index,
      write: async (changes, options) => {
        const isState = changes.some(({ key }) => key === 'log/state')
        if (isState && fail === 'before') throw new Error('no power')
        await index.write(changes, options)
        if (isState && fail === 'after') throw new Error('no power')
      },
    }
    const failingFiles = fail === 'files' ? { ...files, write: () => Promise.reject(new Error('no power')) } : files
    const broken = await openSequencer({ index: failing, files: failingFiles })
    await put(index, broken, range(250, 600))
    await t.throwsAsync(() => broken.sequence(), { message: 'no power' })

    const next = await openSequencer({ index, files })
    await put(index, next, range(600, 610))
    const { size, root } = await next.sequence()
    const whole = grow(emptyEdge, range(0, 610).map(entryText)).edge
    t.true(size === 610)
    t.true(isEqualBytes(root, rootOf(whole)))
    t.is(await entryIndex(index, sha256Of(entryText(609))), 609)
  })
}

test('an index that is older than what was published is refused', async (t) => {
  const directory = temporaryDirectory(t)
  const first = await openLevelIndex(join(directory, 'index'))
  const log = await logIn(directory, first)
  await put(first, log, range(0, 10))
  await log.publish()
  await log.close()
  await first.close()
  cpSync(join(directory, 'index'), join(directory, 'backup'), { recursive: true })
  const second = await openLevelIndex(join(directory, 'index'))
  const grown = await logIn(directory, second)
  await put(second, grown, range(10, 20))
  await grown.publish()
  await grown.close()
  await second.close()
  rmSync(join(directory, 'index'), { recursive: true })
  cpSync(join(directory, 'backup'), join(directory, 'index'), { recursive: true })
  const restored = await indexIn(t, directory)
  await t.throwsAsync(() => logIn(directory, restored), { code: 'ABN_CACHE_DATA' })
})

test('files that are not those of the state are refused', async (t) => {
  const directory = temporaryDirectory(t)
  const index = await indexIn(t, directory)
  const files = openTreeFiles(join(directory, 'log'))
  const sequencer = await openSequencer({ index, files })
  await put(index, sequencer, range(0, 10))
  await sequencer.sequence()
  const tile = await files.read('tile/0/000.p/10')
  await files.write(new Map([['tile/0/000.p/10', tile.with(40, (tile[40] ?? 0) ^ 1)]]))
  await t.throwsAsync(() => openSequencer({ index, files }), { code: 'ABN_CACHE_DATA' })
  await files.remove('tile/0/000.p/10')
  await t.throwsAsync(() => openSequencer({ index, files }), { code: 'ABN_CACHE_DATA' })
})

test('an entry that is too long for a log, or gone, is left out', async (t) => {
  const directory = temporaryDirectory(t)
  const index = await indexIn(t, directory)
  const files = openTreeFiles(join(directory, 'log'))
  const sequencer = await openSequencer({ index, files })
  const digest: Sha256 = sha256Of('long')
  const changes: Change[] = [
    { kind: 'put', key: 'evidence/long', value: new Uint8Array(70_000) },
    sequencer.pending({ digest, record: 'evidence/long' }),
    sequencer.pending({ digest: sha256Of('gone'), record: 'evidence/gone' }),
  ]
  await index.write(changes, { durable: false })
  await put(index, sequencer, [1])
  t.true((await sequencer.sequence()).size === 1)
  t.is(await entryIndex(index, digest), undefined)
})

// A witness, asked without HTTP.

const tree = (count: number) => {
  const { edge, files } = grow(emptyEdge, range(0, count).map(entryText))
  const read = subtreesFrom(edge.size, (tile) => parseTile(files.get(tilePath(tile)) ?? new Uint8Array(), tile))
  return { size: edge.size, root: rootHash(edge.size, read), read }
}

type Changes = { readonly signer?: SecretKey; readonly root?: TreeHash }

function request(old: number, count: number, { signer = logKey, root = tree(count).root }: Changes = {}) {
  const { size, read } = tree(count)
  const proof = old <= count ? proveConsistency(treeSizeOf(old), size, read) : []
  const checkpoint = signCheckpoint({ origin: signer.publicKey.name, size, root, extensions: [] }, signer)
  return encodeAddCheckpoint({ old: treeSizeOf(old), proof, checkpoint })
}

function witnessIn(t: ExecutionContext, directory = temporaryDirectory(t)) {
  const forks: string[] = []
  const witness: Witness = createWitness({
    directory,
    signer: witnessSecret,
    logs: [logKey.publicKey],
    nowSeconds: () => 1_795_305_600,
    onMisbehaviour: (_, file) => forks.push(file),
  })
  return { witness, directory, forks }
}

test('a witness signs a tree that grows, and remembers it', async (t) => {
  const { witness, directory } = witnessIn(t)
  t.is((await witness.addCheckpoint(request(0, 5))).status, 200)
  t.is((await witness.addCheckpoint(request(5, 5))).status, 200)
  t.is((await witness.addCheckpoint(request(5, 300))).status, 200)
  const stale = await witness.addCheckpoint(request(5, 400))
  t.deepEqual([stale.status, stale.type, stale.body], [409, 'text/x.tlog.size', '300\n'])
  // Another process of the same witness.
  const later = witnessIn(t, directory)
  t.is((await later.witness.addCheckpoint(request(0, 300))).body, '300\n')
  t.is((await later.witness.addCheckpoint(request(300, 301))).status, 200)
})

const flip = (hash: Uint8Array) => treeHashOf(hash.with(3, (hash[3] ?? 0) ^ 1))

const refusals: readonly (readonly [string, number, () => Uint8Array])[] = [
  ['nonsense', 400, () => utf8('hello')],
  [
    'a log that it does not know',
    404,
    () => request(5, 9, { signer: newSecretKey('other.example/log', new Uint8Array(32).fill(7)) }),
  ],
  [
    'another key under the name of a log',
    403,
    () => request(5, 9, { signer: newSecretKey('log.example/abnpkg', new Uint8Array(32).fill(7)) }),
  ],
  ['an old size above the new one', 400, () => request(9, 8)],
  ['a smaller tree', 400, () => request(5, 4)],
  ['a smaller tree, with the size it has', 409, () => request(3, 4)],
  ['a proof of another tree', 422, () => request(5, 9, { root: flip(tree(9).root) })],
]
for (const [title, status, body] of refusals) {
  test(`a witness refuses ${title}`, async (t) => {
    const { witness } = witnessIn(t)
    await witness.addCheckpoint(request(0, 5))
    t.is((await witness.addCheckpoint(body())).status, status)
    t.is((await witness.addCheckpoint(request(5, 6))).status, 200)
  })
}

test('a witness keeps the proof of a fork', async (t) => {
  const { witness, forks, directory } = witnessIn(t)
  await witness.addCheckpoint(request(0, 5))
  const fork = await witness.addCheckpoint(request(5, 5, { root: flip(tree(5).root) }))
  t.is(fork.status, 409)
  t.is(forks.length, 1)
  const place = join(directory, readdirSync(directory)[0] ?? '')
  const notes = readdirSync(place).map((name) => verifyCheckpoint(readFileSync(join(place, name)), logKey.publicKey))
  t.deepEqual(
    notes.map(({ size }) => Number(size)),
    [5, 5],
  )
  t.not(hexOf(notes[0]?.root ?? new Uint8Array()), hexOf(notes[1]?.root ?? new Uint8Array()))
})

test('of many requests at once a witness signs one line of growth', async (t) => {
  const { witness } = witnessIn(t)
  await witness.addCheckpoint(request(0, 5))
  const answers = await Promise.all([6, 7, 8, 9].map((count) => witness.addCheckpoint(request(5, count))))
  t.is(answers.filter(({ status }) => status === 200).length, 1)
})

test('a log publishes what its witnesses have cosigned, and nothing without them', async (t) => {
  const directory = temporaryDirectory(t)
  const index = await indexIn(t, directory)
  const { witness } = witnessIn(t)
  let isUp = true
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    const { status, type, body } = isUp
      ? await witness.addCheckpoint(Buffer.concat(chunks))
      : { status: 503, type: 'text/plain', body: 'down' }
    outgoing.writeHead(status, { 'content-type': type }).end(body)
  })
  const url = await listening(t, server)
  const key = witnessKeyOf(witnessSecret.publicKey)
  const log = await logIn(directory, index, [{ key, url }])
  await put(index, log, range(0, 10))
  const first = await log.publish()
  t.true(first?.size === 10)
  t.is(first && verifyCosignature(first, key)?.time, 1_795_305_600)
  isUp = false
  await put(index, log, range(10, 20))
  t.true((await log.publish())?.size === 10)
  isUp = true
  t.true((await log.publish())?.size === 20)
  await log.close()
  // A new process does not know what the witness has seen, and asks.
  const later = await logIn(directory, index, [{ key, url }])
  await put(index, later, range(20, 21))
  t.true((await later.publish())?.size === 21)
  await later.close()
})
