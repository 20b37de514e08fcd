// Attacks with how it is said: HTTP, compression, packing. What the honest cache says next is taken instead.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { canonicalJson } from '../../format/canonical-json.ts'
import { encodeBundle } from '../../trust/bundle.ts'
import { type Attack, honestLater } from './_support/attack.ts'
import { archives, type Behaviour, bundled, raw, send } from './_support/hostile-cache.ts'
import { alice, baseOutput, bob, carol, honest, packed, userOutput } from './_support/world.ts'

const evidence = honest(alice, bob, carol).map(({ bytes }) => ({ kind: 'attestation', bytes }))
const bundle = zstdCompressSync(encodeBundle(evidence))
const MIB = 1024 * 1024

type Answer = (response: ServerResponse, request: IncomingMessage) => void

/** Hostile when asked for evidence. */
function saying(name: string, does: string, says: RegExp, answer: NonNullable<Behaviour['evidence']>): Attack {
  return { name: `evidence: ${name}`, does, says, must: 'fetch', caches: [{ evidence: answer }, honestLater()] }
}

/** Honest evidence, and hostile when asked for the archive. */
function sending(name: string, does: string, says: RegExp, answer: Answer): Attack {
  const archive = archives({ [userOutput.digest]: answer })
  return {
    name: `archive: ${name}`,
    does,
    says,
    must: 'elsewhere',
    caches: [{ evidence: bundled(honest(alice, bob, carol)), archive }, honestLater()],
  }
}

function bundleWith(changes: object) {
  const json = { format: 1, hashes: '', keys: [], others: [], payloads: [], signatures: '', signers: [] }
  return raw(zstdCompressSync(canonicalJson({ ...json, ...changes })))
}

/** Writes as long as somebody reads. */
function endlessly(response: ServerResponse, chunk: Uint8Array): void {
  const more = (): void => {
    while (!response.destroyed) if (!response.write(chunk)) return
  }
  response.on('drain', more)
  more()
}

function drip(response: ServerResponse, bytes: Uint8Array): void {
  let at = 0
  const timer = setInterval(() => {
    response.write(bytes.subarray(at, ++at))
  }, 100)
  response.on('close', () => clearInterval(timer))
}

const key = 'a'.repeat(64)

export const attacksInTransport: readonly Attack[] = [
  saying('nonsense', 'a page of HTML', /not a bundle/, raw(Buffer.from('<html>It works!</html>'))),
  saying('nothing', 'an empty answer', /not a bundle/, raw(Buffer.alloc(0))),
  saying(
    'truncated',
    'half of a frame, with the length of the half',
    /not a bundle/,
    raw(bundle.subarray(0, bundle.length >> 1)),
  ),
  saying('cut off', 'half of what was announced, then the connection ends', /aborted|bytes came/, (_, response) => {
    response.writeHead(200, { 'content-length': bundle.length })
    response.write(bundle.subarray(0, bundle.length >> 1), () => response.destroy())
  }),
  saying('a lie about the length', 'an announced length of a petabyte', /more than/, (_, response) => {
    response.writeHead(200, { 'content-length': 10 ** 15 }).write('x')
  }),
  saying('endless', 'a stream that does not end', /more than/, (_, response) => {
    response.writeHead(200)
    endlessly(response, Buffer.alloc(MIB, 'x'))
  }),
  saying('a compression bomb', 'a small frame that holds a gigabyte', /not a bundle/, raw(bomb(1024 * MIB))),
  saying(
    'expansion of the packing',
    'a bundle whose statements repeat one hash millions of times',
    /bytes of statements/,
    bundleWith({
      hashes: Buffer.alloc(32).toString('base64'),
      keys: [key],
      payloads: [`^;${'^0;'.repeat(1_100_000)}`],
      signatures: Buffer.alloc(64).toString('base64'),
      signers: [0],
    }),
  ),
  saying(
    'columns that do not fit',
    'more signers than signatures',
    /columns/,
    bundleWith({ keys: [key], payloads: ['{}'], signers: [0] }),
  ),
  saying(
    'a hash that is not there',
    'an index beyond the table',
    /no hash/,
    bundleWith({ keys: [key], payloads: ['^7;'], signatures: Buffer.alloc(64).toString('base64'), signers: [0] }),
  ),
  saying('deep nesting', 'a million brackets', /JSON|nested|bundle/, raw(zstdCompressSync('['.repeat(1_000_000)))),
  saying(
    'duplicate keys in the packing',
    'the member keys twice',
    /canonical|JSON/,
    raw(
      zstdCompressSync(
        `{"format":1,"format":1,"hashes":"","keys":[],"others":[],"payloads":[],"signatures":"","signers":[]}`,
      ),
    ),
  ),
  saying(
    'an encoding that nobody asked for',
    'gzip over the frame',
    /content encoding/,
    raw(gzipSync(bundle), { 'content-encoding': 'gzip' }),
  ),
  saying('a redirect to another host', 'a redirect into the local network', /redirects/, (_, response) => {
    response.writeHead(307, { location: 'http://127.0.0.1:9/' }).end()
  }),
  saying('a redirect to a file', 'a redirect to file:///etc/passwd', /redirects/, (_, response) => {
    response.writeHead(302, { location: 'file:///etc/passwd' }).end()
  }),
  saying('a header flood', 'headers without end', /header|Parse Error|overflow/i, (_, response) => {
    const { socket } = response
    socket?.write('HTTP/1.1 200 OK\r\n')
    for (let i = 0; i < 4000; i++) socket?.write(`x-${i}: ${'y'.repeat(100)}\r\n`)
  }),
  saying('slow drip', 'a byte now and then', /fewer than|another cache/, (_, response) => {
    response.writeHead(200)
    drip(response, bundle)
  }),
  saying('silence', 'no answer at all', /no answer/, () => {}),
  saying('hanging up', 'the connection is closed at once', /hang up|ECONNRESET/, (_, response) => {
    response.destroy()
  }),
  saying('an error', 'status 500', /status 500/, raw(Buffer.from('{}'), {}, 500)),
  saying('not HTTP', 'bytes that are not HTTP', /Parse Error|Expected HTTP/, (_, response) => {
    response.socket?.end('SSH-2.0-OpenSSH\r\n')
  }),
  sending('missing', 'the archive is not there', /does not have/, (response) => {
    response.writeHead(404).end()
  }),
  sending('another archive', 'the archive of another package', /not a name within/, (response) =>
    send(response, packed(baseOutput)),
  ),
  sending('one bit', 'one bit of the content is another', /output digest/, (response) => {
    const changed = Buffer.from(userOutput.archive)
    const at = changed.indexOf('made with')
    changed[at] = (changed[at] ?? 0) ^ 1
    send(response, zstdCompressSync(changed))
  }),
  sending('truncated', 'half of the archive', /ends early|frame/, (response) =>
    send(response, zstdCompressSync(userOutput.archive.subarray(0, 1024))),
  ),
  sending('a truncated frame', 'half of the compressed bytes', /frame/, (response) =>
    send(response, packed(userOutput).subarray(0, 60)),
  ),
  sending('cut off', 'half of what was announced, then the connection ends', /aborted|bytes came/, (response) => {
    const bytes = packed(userOutput)
    response.writeHead(200, { 'content-length': bytes.length })
    response.write(bytes.subarray(0, 60), () => response.destroy())
  }),
  sending(
    'wrong on resuming',
    'the rest of a broken download is something else',
    /output digest|frame|canonical/,
    resumedWith(Buffer.alloc(4096, 7)),
  ),
  sending(
    'another file on resuming',
    'the rest of a broken download has another tag',
    /aborted|bytes came/,
    resumedWith(Buffer.alloc(4096, 7), '"other"'),
  ),
  sending(
    'more on resuming',
    'the rest of a broken download is longer than it was to be',
    /than the .* announced/,
    resumedWith(Buffer.alloc(4096, 7), '"one"', 4096),
  ),
  sending('data behind the archive', 'a block after the end', /larger|after its end/, (response) =>
    send(response, zstdCompressSync(Buffer.concat([userOutput.archive, Buffer.alloc(512)]))),
  ),
  sending('a compression bomb', 'a small frame that holds a gigabyte', /larger/, (response) =>
    send(response, bomb(1024 * MIB)),
  ),
  sending('endless', 'a stream that does not end', /more than/, (response) => {
    response.writeHead(200)
    endlessly(response, Buffer.alloc(MIB, 'x'))
  }),
  sending('endless empty frames', 'frames that hold nothing, without end', /more than/, (response) => {
    response.writeHead(200)
    endlessly(response, Buffer.concat(Array.from({ length: 4096 }, () => zstdCompressSync(''))))
  }),
  sending('a lie about the length', 'an announced length of a petabyte', /bytes for an archive/, (response) => {
    response.writeHead(200, { 'content-length': 10 ** 15 }).write('x')
  }),
  sending('not compressed', 'the plain archive', /frame/, (response) => send(response, userOutput.archive)),
  sending('gzip', 'another compression', /frame/, (response) => send(response, gzipSync(userOutput.archive))),
  sending('a huge window', 'a frame that wants 2 GiB of memory', /frame/, (response) =>
    send(response, Buffer.from('28b52ffd04a8', 'hex')),
  ),
  sending('slow drip', 'a byte now and then', /fewer than/, (response) => {
    response.writeHead(200)
    drip(response, packed(userOutput))
  }),
  sending('silence', 'no answer at all', /no answer/, () => {}),
  sending('a redirect', 'a redirect to another host', /redirects/, (response) => {
    response.writeHead(301, { location: 'http://127.0.0.1:9/' }).end()
  }),
  sending('an error', 'status 503', /status 503/, (response) => {
    response.writeHead(503).end()
  }),
]

/** Breaks off, and has other bytes for the rest. */
function resumedWith(rest: Buffer, tag = '"one"', more = 0): Answer {
  const bytes = packed(userOutput)
  return (response, request) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    if (from === 0) {
      response.writeHead(200, { 'content-length': bytes.length, etag: '"one"' })
      response.write(bytes.subarray(0, 60), () => setTimeout(() => response.destroy(), 20))
    } else {
      const part = rest.subarray(0, more || bytes.length - from)
      response
        .writeHead(206, {
          'content-length': part.length,
          etag: tag,
          'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
        })
        .end(part)
    }
  }
}

/** A frame of so many zero bytes, made of many small frames so that it costs nothing to make. */
function bomb(bytes: number): Buffer {
  const one = zstdCompressSync(Buffer.alloc(16 * MIB))
  return Buffer.concat(Array.from({ length: Math.ceil(bytes / (16 * MIB)) }, () => one))
}
