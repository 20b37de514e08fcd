/** What surrounds a service in tests: a model of a TDX guest, servers that stand before a cache, policies, and files to search. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer, request as httpRequest } from 'node:http'
import type { ExecutionContext } from 'ava'
import { familyOf } from '../../../../builder/tee/collateral.ts'
import { keepCollateral, teeCacheOf } from '../../../../builder/tee/collateral-store.ts'
import type { Store } from '../../../../store/store.ts'
import { encodePublicKey } from '../../../../trust/key.ts'
import { parsePolicy } from '../../../../trust/policy/policy.ts'
import type { SecretKey } from '../../../../trust/secret-key.ts'
import { qeVendorIds } from '../../../../trust/tee/chain.ts'
import { type Collateral, parseCollateral } from '../../../../trust/tee/collateral.ts'
import { parseQuote, type Quote } from '../../../../trust/tee/quote.ts'
import { mintSimulated, simulatedRoot } from '../../../../trust/tee/simulated.ts'
import { verifyQuote } from '../../../../trust/tee/verify.ts'
import { listening } from '../../../_support/listening.ts'
import { teeConditions } from '../../../trust/world.ts'
import { now } from '../../service/_support/world.ts'
import { fakeKernel } from '../../tee/fake-kernel.ts'

export function teePolicy({ publicKey }: SecretKey, rtmr3: string) {
  const { mrTd } = teeConditions.measurements[0] ?? {}
  const measurements = [{ name: 'builder', mrTd, rtmr0: null, rtmr1: null, rtmr2: null, rtmr3 }]
  const factors = [
    { kind: 'operators', atLeast: 1 },
    { kind: 'tee', atLeast: 1 },
  ]
  const json = {
    format: 1,
    operators: [{ name: 'alice', keys: [encodePublicKey(publicKey)] }],
    tee: { ...teeConditions, measurements },
    default: { kind: 'factors', depth: 'outputs', factors },
    packages: {},
  }
  return parsePolicy(JSON.stringify(json))
}

/** A kernel that hands out quotes in the form of Intel's, with collateral that is kept; no root has signed them. */
export function guest(t: ExecutionContext, store: Store) {
  const mint = (reportData: Uint8Array) =>
    mintSimulated({ now: now(), reportData, changes: { header: { qeVendorId: qeVendorIds.intel } } })
  const files = fakeKernel({
    quote: (data) => mint(data).quote,
    extend: (register, digest) => createHash('sha384').update(register).update(digest).digest(),
  })
  files.rtmr3 = new Uint8Array(48)
  const { quote, collateral } = mint(new Uint8Array(64))
  const kept = { collateral: parseCollateral(collateral), fetched: now() }
  keepCollateral(teeCacheOf(store.layout), familyOf(parseQuote(quote)), kept)
  t.is(files.entries.size, 0)
  const verify = ({ body: { reportData } }: Quote, _: Collateral, at: number) => {
    const same = mintSimulated({ now: at, reportData })
    return verifyQuote(parseQuote(same.quote), parseCollateral(same.collateral), { now: at, root: simulatedRoot() })
  }
  return { files, verify }
}

/** A server before a cache, which answers some requests itself; signed for its own address. */
export async function proxyFor(
  t: ExecutionContext,
  upstream: string,
  answer: (path: string) => readonly [status: number, body: string] | undefined,
): Promise<string> {
  const server = createServer((request, response) => {
    const own = answer(request.url ?? '')
    if (own !== undefined) {
      request.resume().on('end', () => response.writeHead(own[0]).end(own[1]))
      return
    }
    const { method, headers, url = '' } = request
    const passed = httpRequest(upstream + url, { method, headers }, (from) => {
      response.writeHead(from.statusCode ?? 500, from.headers)
      from.pipe(response)
    })
    passed.on('error', () => response.destroy())
    request.pipe(passed)
  })
  return await listening(t, server)
}

export function filesBelow(directory: string): ReadonlyMap<string, Buffer> {
  const paths = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => `${parentPath}/${name}`)
  return new Map(paths.sort().flatMap((path) => (statSync(path).size < 2 ** 26 ? [[path, readFileSync(path)]] : [])))
}

/** A seed may stand anywhere in what was encoded, so that each of three shifts gives other text. */
export function base64Forms(seed: Uint8Array): readonly string[] {
  return [0, 1, 2].flatMap((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), seed]).toString('base64')
    const inner = text.slice(4, 40)
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')]
  })
}
