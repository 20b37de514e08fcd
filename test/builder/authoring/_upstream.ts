// An upstream on loopback: files by their paths, and what was asked for.
import { createServer } from 'node:http'
import { gzipSync } from 'node:zlib'
import type { ExecutionContext } from 'ava'
import { Upstream } from '../../../builder/authoring/upstream.ts'
import { listening } from '../../_support/listening.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { tarOf } from '../unpack/_archives.ts'

export type Files = Readonly<Record<string, string | Buffer>>

export async function serve(t: ExecutionContext, files: Files) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    asked.push(path)
    const body = files[path]
    if (body === undefined) response.writeHead(404).end()
    else response.end(body)
  })
  const base = await listening(t, server)
  const cache = temporaryDirectory(t)
  const signal = new AbortController().signal
  const upstream = new Upstream({ signal, sourceCache: `${cache}/sources`, debianMirror: `${base}/debian/` })
  t.teardown(() => upstream[Symbol.asyncDispose]())
  const options = {
    upstream,
    cacheDirectory: `${cache}/debian`,
    signal,
    aptDirectory: '/nonexistent',
    has: () => false,
  }
  return { base, asked, cache, options, upstream }
}

/** A .tar.gz with these files below one directory. */
export function archiveOf(top: string, files: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(files).map(([path, text]) => ({ name: `${top}/${path}`, data: Buffer.from(text) }))
  return gzipSync(tarOf(...entries))
}
