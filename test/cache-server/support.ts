/** Caches on loopback, operators who write to them, and packages to write about. */
import { createHash, randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { type CacheConfig, defaultConfig } from '../../cache-server/config.ts'
import { type RunningCache, startCache } from '../../cache-server/server.ts'
import { encodeArchive } from '../../format/archive/encode.ts'
import type { ArchiveEntry } from '../../format/archive/entry.ts'
import { parseRecipeHash, type RecipeHash, type Sha256, sha256Of } from '../../format/hash.ts'
import { type StorePath, storeItemOf, storePathOf } from '../../format/store-path.ts'
import { transferSizesKind } from '../../format/transfer-sizes.ts'
import { encodeWriteAuthorization, encodeWriteRequest, type WriteRequest } from '../../format/write-request.ts'
import { attest, type VerifiedAttestation } from '../../trust/attestation.ts'
import { decodeBundle } from '../../trust/bundle.ts'
import type { Evidence } from '../../trust/evidence.ts'
import { type RevocationList, signRevocationList, type VerifiedRevocationList } from '../../trust/revocation.ts'
import { newSecretKey, type SecretKey } from '../../trust/secret-key.ts'
import type { StatedInput, Statement } from '../../trust/statement.ts'
import { temporaryDirectory } from '../_support/temporary.ts'

export type Operator = { readonly name: string; readonly secret: SecretKey }

export function operatorOf(name: string): Operator {
  return { name, secret: newSecretKey(`${name}.example.org`, createHash('sha256').update(name).digest()) }
}

export const alice = operatorOf('alice')
export const bob = operatorOf('bob')
/** Not registered anywhere. */
export const mallory = operatorOf('mallory')

type Test = { teardown(action: () => unknown): void }
export type TestCache = RunningCache & {
  readonly data: string
  readonly log: string[]
  readonly reports: string[]
}

export function configOf(changes: Partial<CacheConfig> = {}): CacheConfig {
  const operators = [alice, bob].map(({ name, secret }) => ({ name, keys: [secret.publicKey] }))
  return { ...defaultConfig, listen: '127.0.0.1:0', operators, ...changes }
}

export async function startTestCache(
  t: Test,
  changes: Partial<CacheConfig> = {},
  data = temporaryDirectory(t),
): Promise<TestCache> {
  const log: string[] = []
  const reports: string[] = []
  const running = await startCache({
    data,
    config: configOf(changes),
    accessLog: (line) => log.push(line),
    report: (what, error) => reports.push(`${what}${error === undefined ? '' : `: ${error}`}`),
  })
  t.teardown(() => running.close())
  return { ...running, data, log, reports }
}

export type Package = {
  readonly recipe: RecipeHash
  readonly path: StorePath
  readonly archive: Buffer
  readonly digest: Sha256
  readonly compressed: Buffer
  readonly references: readonly StorePath[]
  readonly inputs: readonly Package[]
}

/** One output with one file, whose text is `content` followed by the paths of `inputs`. */
export function packageOf(name: string, content: string | Buffer = name, inputs: readonly Package[] = []): Package {
  const recipe = parseRecipeHash(sha256Of(`recipe ${name}`))
  const path = storePathOf(recipe, name, '1', 'out')
  const file = Buffer.concat([Buffer.from(content), Buffer.from(inputs.map((input) => `\n${input.path}`).join(''))])
  const entries: ArchiveEntry[] = [
    { kind: 'directory', path: '' },
    { kind: 'file', path: 'file', executable: false, size: file.length, content: [file] },
  ]
  const archive = Buffer.concat([...encodeArchive(storeItemOf(path), entries)])
  const references = inputs.map((input) => input.path).sort()
  return { recipe, path, archive, digest: sha256Of(archive), compressed: zstdCompressSync(archive), references, inputs }
}

export function statementOf(
  { recipe, path, archive, digest, references, inputs }: Package,
  { secret }: Operator,
): Statement {
  const now = Math.floor(Date.now() / 1000)
  const [, name = ''] = /^\/abn\/store\/[a-z2-7]{32}-(.*)-1$/.exec(path) ?? []
  const stated = inputs.map(
    (input): StatedInput => ({ path: input.path, recipe: input.recipe, output: 'out', digest: input.digest }),
  )
  return {
    recipe,
    name,
    version: '1',
    system: 'x86_64-linux',
    outputs: [{ output: 'out', path, digest, bytes: archive.length, references }],
    inputs: stated.sort((a, b) => (a.path < b.path ? -1 : 1)),
    sources: [],
    builder: { kind: 'operator', key: secret.publicKey.id, software: { abnpkg: '0.1.0' } },
    origin: 'built',
    invocation: '1',
    started: now - 20,
    finished: now - 10,
    expires: now + 86_400,
    log: null,
    tests: null,
  }
}

export function attestationOf(
  subject: Package,
  operator: Operator,
  changes: Partial<Statement> = {},
): VerifiedAttestation {
  return attest({ ...statementOf(subject, operator), ...changes }, operator.secret)
}

export type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Buffer
  // biome-ignore lint/suspicious/noExplicitAny: tests compare what is in it, they do not rely on its shape
  readonly json: any
}
export type Write = {
  readonly method: string
  readonly path: string
  readonly operator: Operator
  readonly type?: string
  readonly body?: Uint8Array
  readonly headers?: Readonly<Record<string, string>>
  /** What is signed, where it differs from what is sent. */
  readonly signed?: Partial<WriteRequest>
  readonly authorization?: string
}

/** A signed request. */
export function write(
  url: string,
  { method, path, operator, type, body, headers, signed, authorization }: Write,
): Promise<Answer> {
  const sent = body ?? Buffer.alloc(0)
  return send(url, {
    method,
    path,
    ...(body === undefined ? {} : { body }),
    headers: {
      ...(type === undefined ? {} : { 'content-type': type }),
      authorization:
        authorization ??
        authorizationOf(operator, { origin: url, method, path, bodySha256: sha256Of(sent), ...signed }),
      ...headers,
    },
  })
}

export function authorizationOf(
  { secret }: Operator,
  head: Pick<WriteRequest, 'origin' | 'method' | 'path' | 'bodySha256'> & Partial<WriteRequest>,
): string {
  const signed: WriteRequest = { at: Math.floor(Date.now() / 1000), nonce: randomBytes(16).toString('hex'), ...head }
  const signature = Buffer.from(secret.sign(encodeWriteRequest(signed))).toString('base64')
  return encodeWriteAuthorization({ ...signed, keyId: secret.publicKey.id, signature })
}

export type Plain = {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

/** With node:http, so that paths and headers are sent as they are given. */
export function send(url: string, { method = 'GET', path, headers = {}, body }: Plain): Promise<Answer> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(body.length) }
    const outgoing = request(
      { hostname, port, method, path, headers: { ...length, ...headers }, agent: false },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.once('error', reject)
        response.once('end', () => {
          const whole = Buffer.concat(chunks)
          const isJson = `${response.headers['content-type']}`.startsWith('application/json') && whole.length > 0
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: whole,
            json: isJson ? JSON.parse(whole.toString()) : undefined,
          })
        })
      },
    )
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}

export function sendEvidence(
  url: string,
  operator: Operator,
  envelopes: readonly { readonly bytes: Uint8Array }[],
): Promise<Answer> {
  const body = Buffer.concat(envelopes.flatMap(({ bytes }) => [bytes, Buffer.from('\n')]))
  return write(url, { method: 'POST', path: '/v1/evidence', operator, type: 'application/jsonl', body })
}

export type Declared = { readonly kind: 'archive' | 'source' | 'log'; readonly digest: string; readonly bytes: number }

export function createUpload(url: string, operator: Operator, declared: Declared): Promise<Answer> {
  const body = Buffer.from(JSON.stringify(declared))
  return write(url, { method: 'POST', path: '/v1/uploads', operator, type: 'application/json', body })
}

export function sendPiece(
  url: string,
  operator: Operator,
  id: string,
  offset: number,
  body: Uint8Array,
): Promise<Answer> {
  const headers = { 'upload-offset': String(offset) }
  return write(url, {
    method: 'PATCH',
    path: `/v1/uploads/${id}`,
    operator,
    type: 'application/octet-stream',
    body,
    headers,
  })
}

export function finishUpload(url: string, operator: Operator, id: string): Promise<Answer> {
  return write(url, { method: 'POST', path: `/v1/uploads/${id}/finish`, operator })
}

/** All steps; the answer of the last one that was done. */
export async function upload(
  url: string,
  operator: Operator,
  declared: Omit<Declared, 'bytes'>,
  content: Uint8Array,
): Promise<Answer> {
  const created = await createUpload(url, operator, { ...declared, bytes: content.length })
  if (created.status !== 201) return created
  const { id } = created.json
  const sent = await sendPiece(url, operator, id, 0, content)
  return sent.status === 200 ? finishUpload(url, operator, id) : sent
}

/** Attests and uploads. */
export async function publish(url: string, operator: Operator, subject: Package): Promise<void> {
  const { json } = await sendEvidence(url, operator, [attestationOf(subject, operator)])
  if (json?.results?.[0]?.status !== 'accepted') throw new Error(`evidence: ${JSON.stringify(json)}`)
  const answer = await upload(url, operator, { kind: 'archive', digest: subject.digest }, subject.compressed)
  if (answer.json?.published !== true) throw new Error(`upload: ${answer.status} ${JSON.stringify(answer.json)}`)
}

export function evidenceIn({ body }: Answer): readonly Evidence[] {
  return decodeBundle(zstdDecompressSync(body))
}

/** Digests of the envelopes in an answer. */
export function envelopesIn(answer: Answer): readonly string[] {
  return evidenceIn(answer).flatMap(({ kind, bytes }) => (kind === transferSizesKind ? [] : [sha256Of(bytes)]))
}

/** With nothing in it but what is given. */
export function revocationsOf({ secret }: Operator, changes: Partial<RevocationList>): VerifiedRevocationList {
  const issued = Math.floor(Date.now() / 1000)
  const nothing = { keys: [], statements: [], version: 1, issued, expires: issued + 86_400 }
  return signRevocationList({ format: 1, signer: secret.publicKey.id, ...nothing, ...changes }, secret)
}
