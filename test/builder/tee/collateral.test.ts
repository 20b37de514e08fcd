// Collateral from services on loopback that answer as Intel's does, from hostile ones, from dead ones, and from what was kept.
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { collateralFor, familyOf } from '../../../builder/tee/collateral.ts'
import type { CollateralService } from '../../../builder/tee/collateral-service.ts'
import { collateralByDigest, keepCollateral, keptCollateral } from '../../../builder/tee/collateral-store.ts'
import { type Collateral, parseCollateral } from '../../../trust/tee/collateral.ts'
import { parseQuote } from '../../../trust/tee/quote.ts'
import { mintSimulated, simulatedRoot } from '../../../trust/tee/simulated.ts'
import { verifyQuote } from '../../../trust/tee/verify.ts'
import { listening } from '../../_support/listening.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

const now = Date.parse('2026-11-22T00:00:00Z') / 1000
const day = 86_400
const minted = mintSimulated({ now })
const quote = parseQuote(minted.quote)
const right = parseCollateral(minted.collateral)
const family = familyOf(quote)
const verifyAt = (at: number) => (collateral: Collateral) =>
  void verifyQuote(quote, collateral, { now: at, root: simulatedRoot() })

type Reply = {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}
type Routes = (path: string) => Reply | 'hang' | undefined

/** As the service answers: JSON whose members come without white space, chains in headers. */
function answers(collateral: Collateral, form: 'der' | 'hex' = 'der'): Routes {
  const { tcbInfo, qeIdentity, pckCrl, pckCrlChain, rootCrl } = collateral
  const json = (member: string, { text, signature }: Collateral['tcbInfo']) =>
    `{"${member}":${text},"signature":"${Buffer.from(signature).toString('hex')}"}`
  const crl = (der: Uint8Array) => (form === 'der' ? der : `${Buffer.from(der).toString('hex').toUpperCase()}\n`)
  const chain = (pem: string) => encodeURIComponent(pem.replace(/\n$/, ''))
  const replies: Readonly<Record<string, Reply>> = {
    [`/tdx/certification/v4/tcb?fmspc=${family.fmspc}`]: {
      headers: { 'TCB-Info-Issuer-Chain': chain(tcbInfo.chain) },
      body: json('tcbInfo', tcbInfo),
    },
    '/tdx/certification/v4/qe/identity': {
      headers: { 'SGX-Enclave-Identity-Issuer-Chain': chain(qeIdentity.chain) },
      body: json('enclaveIdentity', qeIdentity),
    },
    '/sgx/certification/v4/pckcrl?ca=platform&encoding=der': {
      headers: { 'SGX-PCK-CRL-Issuer-Chain': chain(pckCrlChain) },
      body: crl(pckCrl),
    },
    '/sgx/certification/v4/rootcacrl': { body: crl(rootCrl) },
    '/root.der': { body: rootCrl },
  }
  return (path) => replies[path]
}

async function serve(t: ExecutionContext, routes: Routes): Promise<CollateralService & { readonly asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? ''
    asked.push(path)
    const reply = routes(path)
    if (reply === 'hang') return
    response.writeHead(reply === undefined ? 404 : (reply.status ?? 200), reply?.headers)
    response.end(reply?.body)
  })
  return { address: await listening(t, server), asked }
}

/** Nobody listens there any more. */
async function deadService(): Promise<CollateralService> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new TypeError('not listening')
  server.close()
  await once(server, 'close')
  return { address: `http://127.0.0.1:${bound.port}` }
}

function get(
  t: ExecutionContext,
  services: readonly CollateralService[],
  more: { at?: number; directory?: string } = {},
) {
  const { at = now, directory = temporaryDirectory(t) } = more
  return collateralFor(quote, { directory, services, now: at, accept: verifyAt(at) })
}

test('which collateral a quote needs', (t) => {
  t.regex(family.fmspc, /^[0-9a-f]{12}$/)
  t.is(family.authority, 'platform')
})

for (const form of ['der', 'hex'] as const) {
  test(`fetched, lists of revoked certificates as ${form}; to the byte what was signed`, async (t) => {
    const service = await serve(t, answers(right, form))
    t.deepEqual(await get(t, [service]), right)
    t.is(service.asked.length, 4)
  })
}

test('the root’s list may come from another host', async (t) => {
  const main = await serve(t, (path) => (path.endsWith('rootcacrl') ? undefined : answers(right)(path)))
  const other = await serve(t, answers(right))
  t.deepEqual(await get(t, [{ ...main, rootCrl: { address: other.address, path: '/root.der' } }]), right)
  t.deepEqual(other.asked, ['/root.der'])
})

test('a dead service and one that has nothing are passed over', async (t) => {
  const empty = await serve(t, () => undefined)
  t.deepEqual(await get(t, [await deadService(), empty, await serve(t, answers(right))]), right)
})

test('one that never answers is given up', async (t) => {
  const silent = await serve(t, () => 'hang')
  const pace = { answerSeconds: 0.2, bytes: 1, seconds: 1 }
  t.deepEqual(await get(t, [{ ...silent, pace }, await serve(t, answers(right))]), right)
})

test('what was kept is used without asking while it is fresh, and when nobody answers', async (t) => {
  const directory = temporaryDirectory(t)
  const service = await serve(t, answers(right))
  await get(t, [service], { directory })
  t.is(service.asked.length, 4)
  t.deepEqual(await get(t, [service], { directory, at: now + day }), right)
  t.is(service.asked.length, 4)
  t.deepEqual(await get(t, [service], { directory, at: now + day + 1 }), right)
  t.is(service.asked.length, 8)
  t.deepEqual(await get(t, [await deadService()], { directory, at: now + 20 * day }), right)
  t.deepEqual(await get(t, [], { directory, at: now + 20 * day }), right)
  // The clock went back: what was fetched in the future is no fresher than anything else.
  t.deepEqual(await get(t, [service], { directory, at: now - day / 2 }), right)
  t.is(service.asked.length, 12)
})

test('what was kept and has expired is of no use', async (t) => {
  const directory = temporaryDirectory(t)
  await get(t, [await serve(t, answers(right))], { directory })
  const error = await t.throwsAsync(get(t, [await deadService()], { directory, at: now + 40 * day }))
  t.like(error, { code: 'ABN_TEE_FETCH' })
  t.regex(error?.message ?? '', /what is kept: .*expired.*ECONNREFUSED/s)
  t.is(collateralByDigest(directory, right.digest)?.digest, right.digest)
})

test('nothing configured and nothing kept', async (t) => {
  await t.throwsAsync(get(t, []), { code: 'ABN_TEE_FETCH', message: /no service is configured, and nothing is kept/ })
})

test('a hostile service is refused, does not displace what is kept, and the next one is asked', async (t) => {
  const directory = temporaryDirectory(t)
  const attacker = parseCollateral(mintSimulated({ now, seed: 'attacker' }).collateral)
  const hostile = await serve(t, answers(attacker))
  await t.throwsAsync(get(t, [hostile], { directory }), { code: 'ABN_TEE_FETCH' })
  t.deepEqual(readdirSync(directory), [])
  t.deepEqual(await get(t, [hostile, await serve(t, answers(right))], { directory }), right)
  t.deepEqual(await get(t, [hostile], { directory, at: now + 2 * day }), right)
  t.is(keptCollateral(directory, family)?.collateral.digest, right.digest)
})

const withReply = (part: string, change: (reply: Reply) => Reply): Routes => {
  const usual = answers(right)
  return (path) => {
    const reply = usual(path)
    return reply !== undefined && reply !== 'hang' && path.includes(part) ? change(reply) : reply
  }
}

for (const [title, routes, message] of [
  ['an error', withReply('tcb', () => ({ status: 500 })), /status 500/],
  ['a redirect', withReply('tcb', () => ({ status: 302, headers: { location: 'http://127.0.0.1:1/' } })), /redirects/],
  ['no JSON', withReply('tcb', (reply) => ({ ...reply, body: 'hello' })), /expected tcbInfo/],
  [
    'another document',
    withReply('tcb', (reply) => ({ ...reply, body: String(reply.body).replace('tcbInfo', 'x') })),
    /tcbInfo/,
  ],
  [
    'a short signature',
    withReply('qe/', (reply) => ({ ...reply, body: String(reply.body).replace(/..."\}$/, '"}') })),
    /enclaveIdentity/,
  ],
  [
    'a changed byte',
    withReply('tcb', (reply) => ({ ...reply, body: String(reply.body).replace('"issueDate"', '"issueData"') })),
    /tcb-info/,
  ],
  ['no chain', withReply('tcb', ({ body = '' }) => ({ body })), /no header tcb-info-issuer-chain/],
  [
    'a chain that is not encoded',
    withReply('pckcrl', (reply) => ({ ...reply, headers: { 'SGX-PCK-CRL-Issuer-Chain': '%zz' } })),
    /damaged/,
  ],
  ['a list of another kind', withReply('rootcacrl', () => ({ body: '<html>' })), /expected DER/],
  ['an empty list', withReply('pckcrl', (reply) => ({ ...reply, body: '' })), /expected DER/],
  [
    'a document that is too large',
    withReply('tcb', (reply) => ({ ...reply, body: new Uint8Array(2 ** 20 + 1) })),
    /more than/,
  ],
  ['text that is not UTF-8', withReply('tcb', (reply) => ({ ...reply, body: Uint8Array.of(0x7b, 0xff) })), /not UTF-8/],
] as const) {
  test(`a service is passed over that sends ${title}`, async (t) => {
    const service = await serve(t, routes)
    await t.throwsAsync(get(t, [service]), { code: 'ABN_TEE_FETCH', message })
  })
}

test('interrupted', async (t) => {
  const reason = new Error('stopped')
  const stop = new AbortController()
  const silent = await serve(t, () => {
    setImmediate(() => stop.abort(reason))
    return 'hang'
  })
  const options = {
    directory: temporaryDirectory(t),
    services: [silent],
    now,
    accept: verifyAt(now),
    signal: stop.signal,
  }
  t.is(await t.throwsAsync(collateralFor(quote, options)), reason)
})

test('what is damaged on disk counts as not there', (t) => {
  const directory = join(temporaryDirectory(t), 'var/cache/tee')
  t.is(keptCollateral(directory, family), undefined)
  keepCollateral(directory, family, { collateral: right, fetched: now })
  t.deepEqual(keptCollateral(directory, family), { collateral: right, fetched: now })
  const document = join(directory, `${right.digest}.json`)
  const other = parseCollateral(mintSimulated({ now, seed: 'other' }).collateral)
  keepCollateral(directory, { ...family, authority: 'processor' }, { collateral: other, fetched: now })
  for (const content of ['', '{}', Buffer.from(mintSimulated({ now, seed: 'other' }).collateral)]) {
    writeFileSync(document, content)
    t.is(collateralByDigest(directory, right.digest), undefined)
    t.is(keptCollateral(directory, family), undefined)
  }
  for (const content of ['', '{"collateral":"x","fetched":1}', '{"fetched":1}', 'x'.repeat(2000)]) {
    writeFileSync(join(directory, `latest-${family.fmspc}-${family.authority}.json`), content)
    t.is(keptCollateral(directory, family), undefined)
  }
})

test('no path comes from a quote', (t) => {
  const outside = { fmspc: '../../../etc', authority: 'platform' } as const
  t.throws(() => keptCollateral(temporaryDirectory(t), outside), { instanceOf: TypeError })
})
