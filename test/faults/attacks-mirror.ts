// Attacks by mirrors of sources, and by caches that are asked for sources: what was meant is taken from the next one, or nothing is.
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { fetchSources } from '../../builder/fetch/sources.ts'
import { AbnError } from '../../format/errors.ts'
import { sha256Of } from '../../format/hash.ts'
import { listening } from '../_support/listening.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import { type LoneAttack, unless, withEnding } from './_support/lone.ts'

const content = Buffer.from('what upstream has released\n'.repeat(1000))
const sha256 = sha256Of(content)
const SECRET = 'a secret of this machine'

type Answer = (response: ServerResponse, request: IncomingMessage) => void

/** `says`: what the client says when there is no other mirror. */
function byMirror(name: string, does: string, says: RegExp, answer: Answer): LoneAttack {
  const make = (): Promise<string | undefined> =>
    withEnding(async (ending) => {
      const serve = async (action: Answer): Promise<string> => {
        const server = createServer((request, response) => {
          response.on('error', () => {})
          action(response, request)
        })
        return `${await listening(ending, server)}/source`
      }
      const hostile = await serve(answer)
      const honest = await serve((response) => response.end(content))
      const directory = temporaryDirectory(ending)
      writeFileSync(join(directory, 'secret'), SECRET)
      const fetchFrom = (urls: readonly string[], cacheDirectory: string) =>
        fetchSources([{ sha256, hint: { kind: 'urls', urls } }], {
          cacheDirectory,
          channelRoot: directory,
          limits: {
            maxBytes: 4 * 1024 * 1024,
            headersSeconds: 2,
            minRate: { bytes: 10_000, seconds: 1 },
            maxRedirects: 4,
          },
        })
      const alone = await fetchFrom([hostile], join(directory, 'alone')).then(
        () => 'it was taken',
        (error: unknown) => (error instanceof AbnError ? `${error.code} ${error.message}` : `${error}`),
      )
      if (!says.test(alone)) return `it did not say ${says}, but: ${alone}`
      if (alone.includes(SECRET)) return 'it told a secret'
      const found = await fetchFrom([hostile, honest], join(directory, 'cache'))
      const file = found.get(sha256)
      return file === undefined ? 'nothing came' : unless(sha256, sha256Of(readFileSync(file)))
    })
  return { name: `mirror: ${name}`, does, result: 'taken from another mirror', make }
}

function endlessly(response: ServerResponse): void {
  const chunk = Buffer.alloc(256 * 1024, 'x')
  const more = (): void => {
    while (!response.destroyed) if (!response.write(chunk)) return
  }
  response.on('drain', more)
  more()
}

export const attacksByMirrors: readonly LoneAttack[] = [
  byMirror('another file', 'the release before this one', /ABN_SOURCE_WRONG_HASH/, (response) =>
    response.end('what upstream has released before\n'),
  ),
  byMirror('something added', 'the right file, and a line behind it', /ABN_SOURCE_WRONG_HASH/, (response) =>
    response.end(Buffer.concat([content, Buffer.from('rm -rf ~\n')])),
  ),
  byMirror('truncated', 'half of it, with the length of the half', /ABN_SOURCE_WRONG_HASH/, (response) =>
    response.end(content.subarray(0, content.length >> 1)),
  ),
  byMirror('compressed on the way', 'gzip over it, as if it had been asked for', /ABN_SOURCE_/, (response) =>
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.from('something else'))),
  ),
  byMirror('endless', 'a stream that does not end', /ABN_SOURCE_/, (response) => endlessly(response)),
  byMirror('a lie about the length', 'an announced length of a petabyte', /ABN_SOURCE_/, (response) => {
    response.writeHead(200, { 'content-length': 10 ** 15 }).write('x')
  }),
  byMirror('a redirect to a file', 'a redirect to file:///etc/passwd', /ABN_SOURCE_/, (response) => {
    response.writeHead(302, { location: 'file:///etc/passwd' }).end()
  }),
  byMirror('redirects without end', 'each leads to the next', /ABN_SOURCE_/, (response, { url }) => {
    response.writeHead(302, { location: `${url}x` }).end()
  }),
  byMirror('slow drip', 'a byte now and then', /ABN_SOURCE_/, (response) => {
    const timer = setInterval(() => response.write('x'), 100)
    response.on('close', () => clearInterval(timer))
  }),
  byMirror('a header flood', 'headers without end', /ABN_SOURCE_/, ({ socket }) => {
    socket?.write('HTTP/1.1 200 OK\r\n')
    for (let i = 0; i < 4000; i++) socket?.write(`x-${i}: ${'y'.repeat(100)}\r\n`)
  }),
  byMirror('hanging up', 'the connection is closed at once', /ABN_SOURCE_/, (response) => response.destroy()),
  byMirror('not HTTP', 'bytes that are not HTTP', /ABN_SOURCE_/, ({ socket }) => {
    socket?.end('SSH-2.0-OpenSSH\r\n')
  }),
]
