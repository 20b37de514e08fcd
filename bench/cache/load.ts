/**
 * Requests as many as a server answers, over kept connections: with wrk where it is installed, because it takes least of the
 * machine, else from here.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'

export type Load = {
  readonly url: string
  /** Asked for in turn. */
  readonly paths: readonly string[]
  readonly connections: number
  readonly seconds: number
  readonly scratch: string
}

export const generator: 'wrk' | 'its own' = spawnSync('wrk', ['-v']).error === undefined ? 'wrk' : 'its own'

/** Answers per second. Throws when there is another answer than 200. */
export function measureLoad(load: Load): Promise<number> {
  return generator === 'wrk' ? withWrk(load) : fromHere(load)
}

async function withWrk({ url, paths, connections, seconds, scratch }: Load): Promise<number> {
  const script = join(scratch, 'requests.lua')
  const list = paths.map((path) => JSON.stringify(path)).join(', ')
  const lines = [
    `local paths = { ${list} }`,
    'local i = 0',
    'request = function() i = i % #paths + 1; return wrk.format("GET", paths[i]) end',
  ]
  writeFileSync(script, `${lines.join('\n')}\n`)
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url]
  const timeout = (seconds + 30) * 1000
  const child = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'], timeout, killSignal: 'SIGKILL' })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  await once(child, 'close')
  const rate = /Requests\/sec:\s+([0-9.]+)/.exec(text)?.[1]
  if (rate === undefined || text.includes('Non-2xx') || text.includes('Socket errors')) throw new Error(text)
  return Number(rate)
}

async function fromHere({ url, paths, connections, seconds }: Load): Promise<number> {
  const started = performance.now()
  const until = started + seconds * 1000
  const readers = Array.from({ length: connections }, (_, i) => readUntil(url, { paths, first: i, until }))
  const counts = await Promise.all(readers)
  return counts.reduce((a, b) => a + b, 0) / ((performance.now() - started) / 1000)
}

type Reading = { readonly paths: readonly string[]; readonly first: number; readonly until: number }

/** Answers that one connection got. It only counts bytes. */
function readUntil(url: string, { paths, first, until }: Reading): Promise<number> {
  const { hostname, port, host } = new URL(url)
  const questions = paths.map((path) => Buffer.from(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`))
  return new Promise((resolve, reject) => {
    let left = -1
    let count = 0
    const ask = () => socket.write(questions[(first + count) % questions.length] ?? '')
    const take = (bytes: number, buffer: Uint8Array): boolean => {
      const chunk = Buffer.from(buffer.buffer, buffer.byteOffset, bytes)
      if (left === -1) {
        const end = chunk.indexOf('\r\n\r\n')
        const head = chunk.toString('latin1', 0, end)
        const length = /^content-length: (\d+)$/im.exec(head)?.[1]
        if (!head.startsWith('HTTP/1.1 200') || length === undefined) {
          socket.destroy(new Error(`an answer that was not expected: ${head.slice(0, 300)}`))
          return true
        }
        left = Number(length) - (bytes - end - 4)
      } else left -= bytes
      if (left > 0) return true
      count++
      left = -1
      if (performance.now() < until) ask()
      else socket.destroy()
      return true
    }
    const onread = { buffer: Buffer.alloc(256 * 1024), callback: take }
    const socket = connect({ port: Number(port), host: hostname, onread }, ask)
    socket.setTimeout(30_000, () => socket.destroy(new Error('no answer for 30 seconds')))
    socket.once('error', reject)
    socket.once('close', () => resolve(count))
  })
}
