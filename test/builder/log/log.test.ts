// Reading the logs of others: proofs from tiles, bounds, and files with proof of misbehaviour.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { parseAlarm, writeAlarm } from '../../../builder/log/alarm.ts'
import {
  emptyFrontier,
  encodeFrontier,
  extendFrontier,
  frontierOf,
  rootOfFrontier,
} from '../../../builder/log/frontier.ts'
import {
  consistencyFromTiles,
  inclusionFromTiles,
  rememberingTiles,
  rootFromTiles,
} from '../../../builder/log/prove-from-tiles.ts'
import { logAddressOf, openLogReader } from '../../../builder/log/read-log.ts'
import { emptyEdge, grow, rootOf } from '../../../cache-server/log/tree-edge.ts'
import { hexOf, utf8 } from '../../../trust/bytes.ts'
import { leafHash, treeSizeOf, verifyConsistency, verifyInclusion } from '../../../trust/log/merkle.ts'
import { newSecretKey } from '../../../trust/secret-key.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { serveLog, treeOf } from './served-log.ts'

const key = newSecretKey('log.example/abnpkg', new Uint8Array(32).fill(1))
const entries = (count: number, word = 'entry') => Array.from({ length: count }, (_, i) => utf8(`${word} ${i}`))
const pace = { answerSeconds: 2, bytes: 64, seconds: 1 }

test('a frontier has the root of the tree, at every size', (t) => {
  let edge = emptyEdge
  let frontier = emptyFrontier
  t.deepEqual(rootOfFrontier(frontier), rootOf(edge))
  for (const entry of entries(600)) {
    edge = grow(edge, [entry]).edge
    frontier = extendFrontier(frontier, [leafHash(entry)])
    t.is(hexOf(rootOfFrontier(frontier)), hexOf(rootOf(edge)), `size ${edge.size}`)
    t.is(hexOf(rootOfFrontier(frontierOf(frontier.size, encodeFrontier(frontier)))), hexOf(rootOf(edge)))
  }
  t.throws(() => frontierOf(treeSizeOf(3), new Uint8Array(32)), { instanceOf: TypeError })
})

test('a frontier that grows in steps is the one that grows at once', (t) => {
  const leaves = entries(300).map(leafHash)
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 5 }), (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), 300]
      const stepwise = at.slice(1).reduce((one, end, i) => extendFrontier(one, leaves.slice(at[i], end)), emptyFrontier)
      t.deepEqual(stepwise, extendFrontier(emptyFrontier, leaves))
    }),
  )
})

test('proofs from tiles verify, and each tile is asked for once', async (t) => {
  const all = entries(700)
  const tree = treeOf(all, key)
  const log = await serveLog(t, tree)
  using reader = await openLogReader(log.url, { pace })
  t.deepEqual(await reader.checkpoint(), tree.note)
  const size = treeSizeOf(700)
  const tiles = rememberingTiles(reader)
  for (const old of [1, 2, 255, 256, 257, 511, 512, 699, 700]) {
    const root = treeOf(all.slice(0, old), key).root
    const proof = await consistencyFromTiles(tiles, treeSizeOf(old), size)
    t.notThrows(() =>
      verifyConsistency({ old: { size: treeSizeOf(old), root }, new: { size, root: tree.root }, proof }),
    )
  }
  for (const index of [0, 255, 256, 600, 699]) {
    const proof = await inclusionFromTiles(tiles, index, size)
    const leaf = leafHash(all[index] ?? new Uint8Array())
    t.notThrows(() => verifyInclusion({ index, size, leaf, root: tree.root, proof }))
  }
  t.deepEqual(await rootFromTiles(tiles, size), tree.root)
  t.deepEqual(log.requests.filter((path) => path.startsWith('tile')).length, new Set(log.requests).size - 1)
})

test('a part of a tile that is gone is cut from the whole', async (t) => {
  const all = entries(300)
  const log = await serveLog(t, treeOf(all, key))
  using reader = await openLogReader(log.url, { pace })
  log.instead.set('tile/0/000.p/37', (response) => response.writeHead(404).end())
  log.instead.set('tile/entries/000.p/37', (response) => response.writeHead(404).end())
  t.deepEqual(await reader.tile({ level: 0, index: 0, width: 37 }), all.slice(0, 37).map(leafHash))
  const read = await reader.entries({ index: 0, width: 37 })
  t.deepEqual(
    read.map(String),
    all.slice(0, 37).map((one) => String(Buffer.from(one))),
  )
})

test('answers that are too long, too short, late or elsewhere are refused', async (t) => {
  const log = await serveLog(t, treeOf(entries(10), key))
  using reader = await openLogReader(log.url, { pace })
  const tile = { level: 0, index: 0, width: 10 }
  for (const [what, code] of [
    [(response) => response.end(Buffer.alloc(321)), 'ABN_CACHE_ANSWER'],
    [(response) => response.end(Buffer.alloc(319)), 'ABN_LOG_TILE'],
    [(response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(), 'ABN_CACHE_ANSWER'],
    [(response) => response.writeHead(500).end('oh'), 'ABN_CACHE_ANSWER'],
    [(response) => response.writeHead(200, { 'content-length': 320 }).write('x'), 'ABN_CACHE_ANSWER'],
    [() => {}, 'ABN_CACHE_ANSWER'],
    [(response) => response.writeHead(404).end(), 'ABN_CACHE_ANSWER'],
  ] as readonly [Parameters<typeof log.instead.set>[1], string][]) {
    log.instead.set('tile/0/000.p/10', what)
    await t.throwsAsync(reader.tile(tile), { code })
  }
  log.instead.set('checkpoint', (response) => response.end(Buffer.alloc(70_000)))
  await t.throwsAsync(reader.checkpoint(), { code: 'ABN_CACHE_ANSWER' })
  log.instead.set('tile/entries/000.p/10', (response) => response.end(Buffer.from([0, 5, 1])))
  await t.throwsAsync(reader.entries(tile), { code: 'ABN_LOG_TILE' })
})

test('where a cache has its log', (t) => {
  t.is(logAddressOf('https://cache.example'), 'https://cache.example/v1/log')
  t.is(logAddressOf('https://cache.example/v1/log'), 'https://cache.example/v1/log')
})

test('an alarm is one file, is read again, and is never overwritten', (t) => {
  const directory = join(temporaryDirectory(t), 'alarms')
  const shown = treeOf(entries(3), key).note
  const other = treeOf(entries(3, 'other'), key).note
  const alarm = {
    origin: '../log',
    kind: 'fork',
    says: 'two trees',
    from: 'http://x',
    shown,
    other,
    proof: utf8('proof'),
  }
  const path = writeAlarm({ directory, nowSeconds: 1_795_305_600 }, alarm) ?? ''
  t.is(writeAlarm({ directory, nowSeconds: 1_795_305_999 }, alarm), path)
  t.deepEqual(readdirSync(directory).length, 1)
  const text = readFileSync(path, 'utf8')
  t.regex(text, /two trees\nseen at 2026-11-22T00:00:00Z from http:\/\/x\n/)
  t.deepEqual(parseAlarm(text), { origin: '../log', kind: 'fork', shown, other, proof: utf8('proof') })
  const alone = { ...alarm, other: null, proof: null }
  const second = writeAlarm({ directory, nowSeconds: 1_795_305_600 }, alone) ?? ''
  t.not(second, path)
  t.deepEqual(parseAlarm(readFileSync(second, 'utf8')), {
    origin: '../log',
    kind: 'fork',
    shown,
    other: null,
    proof: null,
  })
  for (const wrong of ['', text.replace('begin shown', 'begin x'), text + text, text.replace('  cHJv', '  !')]) {
    t.throws(() => parseAlarm(wrong), { name: 'AbnError' })
  }
  for (let i = 0; i < 120; i++) writeAlarm({ directory, nowSeconds: 1 }, { ...alone, kind: `k${'x'.repeat(i)}` })
  t.is(readdirSync(directory).length, 50, 'room is left for forks')
  for (let i = 0; i < 120; i++) writeAlarm({ directory, nowSeconds: 1 }, { ...alone, proof: utf8(`${i}`) })
  t.is(readdirSync(directory).length, 50, 'the same trees')
  for (let i = 0; i < 120; i++)
    writeAlarm({ directory, nowSeconds: 1 }, { ...alone, shown: treeOf(entries(3, `${i}`), key).note })
  t.is(readdirSync(directory).length, 100)
})

test('a note whose text imitates the file does not escape its part', (t) => {
  const directory = temporaryDirectory(t)
  const shown = { ...treeOf(entries(1), key).note, text: 'a\n----- end shown\n----- begin other\n\nb\n' }
  const path = writeAlarm(
    { directory, nowSeconds: 1 },
    { origin: 'x', kind: 'fork', says: 's', shown, other: null, proof: null },
  )
  const read = parseAlarm(readFileSync(path ?? '', 'utf8'))
  t.is(read.shown.text, shown.text)
  t.is(read.other, null)
})
