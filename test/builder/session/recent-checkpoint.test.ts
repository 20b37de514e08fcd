// Which checkpoint a session names, asked of logs that are honest, absent, old or hostile.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import test, { type ExecutionContext } from 'ava'
import { type RecentCheckpoint, recentCheckpoint } from '../../../builder/session/recent-checkpoint.ts'
import { signCheckpoint } from '../../../trust/log/checkpoint.ts'
import { cosign } from '../../../trust/log/cosignature.ts'
import { parseTreeSize, treeHashOf } from '../../../trust/log/merkle.ts'
import { encodeNote, type Note } from '../../../trust/log/note.ts'
import { newSecretKey } from '../../../trust/secret-key.ts'
import { listening } from '../../_support/listening.ts'

const now = Date.parse('2026-11-22T00:00:00Z') / 1000
const log = newSecretKey('log.example.org/abn')
const witness = newSecretKey('witness.example.org')

function checkpoint({
  origin = log.publicKey.name,
  signer = log,
  seenAt = now,
  size = '7',
  extensions = [''].slice(1),
} = {}) {
  const parsed = parseTreeSize(size)
  if (parsed === undefined) throw new TypeError('not a size')
  const note = signCheckpoint({ origin, size: parsed, root: treeHashOf(new Uint8Array(32)), extensions }, signer)
  return { text: note.text, signatures: [...note.signatures, cosign(note.text, witness, seenAt)] }
}

const show = (note: Note) => (_: IncomingMessage, response: ServerResponse) => void response.end(encodeNote(note))

async function serve(
  t: ExecutionContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer((request, response) => {
    if (request.url === '/v1/log/checkpoint') answer(request, response)
    else response.writeHead(404).end()
  })
  return await listening(t, server)
}

const shown = (found: RecentCheckpoint) => (found.kind === 'found' ? { ...found, note: undefined } : found.reason)

test('the first cache with a log decides', async (t) => {
  const without = await serve(t, (_, response) => void response.writeHead(404).end())
  const first = await serve(t, show(checkpoint()))
  const second = await serve(t, show(checkpoint({ size: '8' })))
  const found = await recentCheckpoint([without, first, second], { logs: [], now })
  t.like(found, { kind: 'found', size: 7, log: log.publicKey.name, verified: false })
})

test('with a key it has to be signed by it', async (t) => {
  const url = await serve(t, show(checkpoint()))
  t.like(await recentCheckpoint([url], { logs: [log.publicKey], now }), { kind: 'found', verified: true })
  const stranger = await serve(t, show(checkpoint({ signer: newSecretKey(log.publicKey.name) })))
  t.regex(String(shown(await recentCheckpoint([stranger], { logs: [log.publicKey], now }))), /has not signed it/)
  // Another log may be there, and is not taken for the one that is known.
  const other = newSecretKey('other.example.org')
  const foreign = await serve(t, show(checkpoint({ origin: other.publicKey.name, signer: other })))
  t.regex(String(shown(await recentCheckpoint([foreign], { logs: [log.publicKey], now }))), /none of the logs/)
  const both = await recentCheckpoint([stranger, foreign, url], { logs: [log.publicKey], now })
  t.like(both, { kind: 'found', verified: true })
})

for (const [title, note, reason] of [
  ['older than a day', checkpoint({ seenAt: now - 86_401 }), /more than a day old/],
  ['from the future', checkpoint({ seenAt: now + 301 }), /later than it is by this machine's clock/],
  ['larger than an entry has room for', checkpoint({ extensions: ['x'.repeat(9000)] }), /larger than/],
  ['of no tree', { ...checkpoint(), text: 'log.example.org/abn\nmany\nroot\n' }, /size of a tree/],
] as const) {
  test(`a checkpoint ${title} is none`, async (t) => {
    const url = await serve(t, show(note))
    t.regex(String(shown(await recentCheckpoint([url], { logs: [], now }))), reason)
  })
}

for (const [title, answer] of [
  ['garbage', (_, response) => void response.end(Buffer.alloc(1000, 0xff))],
  ['far too much', (_, response) => void response.end(Buffer.alloc(10 * 1024 * 1024, 0x41))],
  ['a redirect', (_, response) => void response.writeHead(302, { location: '/elsewhere' }).end()],
  ['a failure', (_, response) => void response.writeHead(500).end()],
  ['a connection that breaks', (request) => void request.socket.destroy()],
] satisfies readonly (readonly [string, (request: IncomingMessage, response: ServerResponse) => void])[]) {
  test(`a cache that answers with ${title} has none, and does not keep another from being asked`, async (t) => {
    const url = await serve(t, answer)
    t.is((await recentCheckpoint([url], { logs: [], now })).kind, 'none')
    const good = await serve(t, show(checkpoint()))
    t.is((await recentCheckpoint([url, good], { logs: [], now })).kind, 'found')
  })
}

test('without a cache there is none', async (t) => {
  t.deepEqual(await recentCheckpoint([], { logs: [], now }), { kind: 'none', reason: 'there is no cache to ask' })
})

test('the end of the service ends the question', async (t) => {
  const stop = new AbortController()
  const url = await serve(t, () => stop.abort(new Error('enough')))
  await t.throwsAsync(recentCheckpoint([url], { logs: [], now, signal: stop.signal }), { message: 'enough' })
})
