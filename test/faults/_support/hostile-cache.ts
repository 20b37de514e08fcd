// A cache that does what an attack wants: plain node:http on loopback, with the routes that a client asks.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { zstdCompressSync } from 'node:zlib'
import { encodeBundle } from '../../../trust/bundle.ts'
import type { Evidence } from '../../../trust/evidence.ts'
import { baseOutput, type Output, otherOutput, packed, userOutput } from './world.ts'

export type Behaviour = {
  /** Answers the question about a closure. */
  readonly evidence?: (request: IncomingMessage, response: ServerResponse) => void
  /** Answers for a file of the log, such as `tile/0/000`. */
  readonly log?: (path: string, response: ServerResponse) => void
  /** Answers for an archive. */
  readonly archive?: (digest: string, response: ServerResponse, request: IncomingMessage) => void
}

export type HostileCache = AsyncDisposable & {
  readonly address: string
  readonly requests: readonly string[]
  readonly server: Server
}

export async function startHostileCache({
  evidence = bundled([]),
  archive = archives(),
  log,
}: Behaviour): Promise<HostileCache> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    const { url = '' } = request
    requests.push(`${request.method} ${url}`)
    request.on('error', () => {})
    response.on('error', () => {})
    request.resume()
    const digest = /^\/v1\/archives\/([0-9a-f]{64})$/.exec(url)?.[1]
    if (digest !== undefined) archive(digest, response, request)
    else if (url.startsWith('/v1/closures')) evidence(request, response)
    else if (url.startsWith('/v1/log/') && log !== undefined) log(url.slice('/v1/log/'.length), response)
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const listening = server.address()
  if (listening === null || typeof listening === 'string') throw new TypeError('no port')
  return {
    address: `http://127.0.0.1:${listening.port}`,
    requests,
    server,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export function bundled(
  attestations: readonly { readonly bytes: Uint8Array }[],
  others: readonly Evidence[] = [],
): NonNullable<Behaviour['evidence']> {
  const evidence = [...attestations.map(({ bytes }) => ({ kind: 'attestation', bytes })), ...others]
  return raw(zstdCompressSync(encodeBundle(evidence)))
}

/** Sends these bytes as the answer, whatever was asked. */
export function raw(
  bytes: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
  status = 200,
): (_: unknown, response: ServerResponse) => void {
  return (_, response) => {
    response
      .writeHead(status, { 'content-type': 'application/zstd', 'content-length': bytes.length, ...headers })
      .end(bytes)
  }
}

/** Serves these files of a log. */
export function logFiles(files: () => ReadonlyMap<string, Uint8Array>): NonNullable<Behaviour['log']> {
  return (path, response) => {
    const bytes = files().get(path)
    if (bytes === undefined) response.writeHead(404).end()
    else response.writeHead(200, { 'content-length': bytes.length }).end(bytes)
  }
}

/** Honest archives, with changes by digest. */
export function archives(
  changes: Readonly<Record<string, (response: ServerResponse, request: IncomingMessage) => void>> = {},
): NonNullable<Behaviour['archive']> {
  const known = new Map(
    [baseOutput, userOutput, otherOutput].map((output: Output) => [String(output.digest), packed(output)]),
  )
  return (digest, response, request) => {
    const change = changes[digest]
    const bytes = known.get(digest)
    if (change) change(response, request)
    else if (bytes === undefined) response.writeHead(404).end()
    else send(response, bytes)
  }
}

export function send(response: ServerResponse, bytes: Uint8Array): void {
  response.writeHead(200, { 'content-type': 'application/zstd', 'content-length': bytes.length }).end(bytes)
}
