/** Statements accepted per second: signed requests of 100 and of 1, sixteen at a time. The client shares the machine. */
import { randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { sha256Of } from '../../format/hash.ts'
import { encodeWriteAuthorization, encodeWriteRequest } from '../../format/write-request.ts'
import type { VerifiedAttestation } from '../../trust/attestation.ts'
import { judge } from './judge.ts'
import { startCacheServer } from './processes.ts'
import { attestationAbout, operator } from './statements.ts'

/** Without a log, and with one. */
export async function writes(scratch: string): Promise<void> {
  await writesTo(scratch, false)
  await writesTo(scratch, true)
}

async function writesTo(scratch: string, hasLog: boolean): Promise<void> {
  await using server = await startCacheServer(scratch, join(scratch, `writes ${hasLog}`), hasLog)
  const batches = Array.from({ length: 100 }, (_, i) =>
    Array.from({ length: 100 }, (_, k) => attestationAbout(`batch ${i} ${k}`)),
  )
  const singles = Array.from({ length: 2000 }, (_, i) => [attestationAbout(`single ${i}`)])
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  for (const [name, work] of [
    ['requests of 100', batches],
    ['requests of 1', singles],
  ] as const) {
    // Signed before, so that the client takes little of the machine.
    const requests = work.map((batch) => signedRequest(server.url, batch))
    const started = performance.now()
    let next = 0
    const worker = async () => {
      for (let one = requests[next++]; one !== undefined; one = requests[next++]) await post(server.url, one, agent)
    }
    await Promise.all(Array.from({ length: 16 }, worker))
    const rate = work.flat().length / ((performance.now() - started) / 1000)
    const what = `statements accepted per second, ${name}${hasLog ? ', with a log' : ''}`
    if (name === 'requests of 100') judge(what, rate, '>=', 2000)
    else console.log(`${what}: ${rate.toFixed(2)}`)
  }
  agent.destroy()
}

type Signed = { readonly body: Buffer; readonly authorization: string }

function signedRequest(origin: string, attestations: readonly VerifiedAttestation[]): Signed {
  const body = Buffer.concat(attestations.flatMap(({ bytes }) => [bytes, Buffer.from('\n')]))
  const head = { at: Math.floor(Date.now() / 1000), nonce: randomBytes(16).toString('hex'), bodySha256: sha256Of(body) }
  const message = encodeWriteRequest({ origin, method: 'POST', path: '/v1/evidence', ...head })
  const signature = Buffer.from(operator.sign(message)).toString('base64')
  return { body, authorization: encodeWriteAuthorization({ ...head, keyId: operator.publicKey.id, signature }) }
}

function post(url: string, { body, authorization }: Signed, agent: Agent): Promise<void> {
  const headers = { authorization, 'content-type': 'application/jsonl', 'content-length': body.length }
  return new Promise((resolve, reject) => {
    const outgoing = request(`${url}/v1/evidence`, { method: 'POST', agent, headers, timeout: 60_000 }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.once('error', reject)
      response.once('end', () => {
        const isTaken = response.statusCode === 200 && !/"status":"(?:known|refused)"/.test(text)
        if (isTaken) resolve()
        else reject(new Error(`not accepted: ${response.statusCode} ${text.slice(0, 300)}`))
      })
    })
    outgoing.once('timeout', () => outgoing.destroy(new Error('no answer for 60 seconds')))
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}
