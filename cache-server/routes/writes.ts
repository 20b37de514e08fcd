/**
 * What operators bring: evidence, and files that their evidence names, in resumable pieces. docs/cache-api.md, "Writing".
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AbnError } from '../../format/errors.ts'
import { parseSha256 } from '../../format/hash.ts'
import { bytesOfBase64 } from '../../trust/bytes.ts'
import type { Cache } from '../cache.ts'
import type { Metrics } from '../http/metrics.ts'
import { closedObject, countSchema, hashSchema, uploadIdSchema } from '../http/schemas.ts'
import { requireWriters } from '../http/write-access.ts'
import type { Upload } from '../publish/uploads.ts'
import { type BlobKind, blobKinds } from '../storage/blobs.ts'

export async function addWriteRoutes(app: FastifyInstance, cache: Cache, metrics: Metrics): Promise<void> {
  await app.register(async (scope) => {
    const { writerOf } = requireWriters(scope, cache)
    const operatorOf = (request: FastifyRequest) => writerOf(request).operator
    addEvidence(scope, cache, { operatorOf, writerOf, metrics })
    addSessions(scope, cache, { operatorOf, writerOf, metrics })
    addUploads(scope, cache, { operatorOf, writerOf, metrics })
  })
}

type Parts = {
  readonly writerOf: ReturnType<typeof requireWriters>['writerOf']
  readonly operatorOf: (request: FastifyRequest) => string
  readonly metrics: Metrics
}

const config = { isWrite: true }

function addEvidence(scope: FastifyInstance, cache: Cache, { operatorOf, metrics }: Parts): void {
  scope.post<{ Body: Buffer }>(
    '/v1/evidence',
    {
      config,
      schema: {
        summary: 'Attestations and revocation lists of the operator: one envelope a line (application/jsonl).',
      },
    },
    async (request) => {
      if (!Buffer.isBuffer(request.body)) throw malformed('expected a body of type application/jsonl')
      const operator = operatorOf(request)
      const results = await cache.acceptor.accept(linesOf(request.body), operator)
      for (const result of results) metrics.add('abn_cache_evidence_total', { operator, result: result.status })
      return { results }
    },
  )
}

function addSessions(scope: FastifyInstance, cache: Cache, { operatorOf, metrics }: Parts): void {
  scope.post<{ Body: { session: string; collateral: string | null } }>(
    '/v1/sessions',
    {
      config,
      schema: {
        summary:
          'A session of a builder of the operator (docs/formats/session.md), in base 64, with the collateral that its quote needs; again with newer collateral.',
        body: closedObject({
          format: { const: 1 },
          session: { type: 'string', maxLength: 128 * 1024 },
          collateral: { type: ['string', 'null'], maxLength: 8 * 1024 * 1024 },
        }),
        response: { 200: closedObject({ status: { type: 'string' }, digest: hashSchema }) },
      },
    },
    async (request) => {
      const { session, collateral } = request.body
      const document = bytesAt(session, 'session')
      const texts = collateral === null ? [] : [bytesAt(collateral, 'collateral')]
      const operator = operatorOf(request)
      const result = await cache.sessions.accept(document, texts, operator)
      metrics.add('abn_cache_sessions_total', { operator, result: result.status })
      return result
    },
  )
}

function bytesAt(text: string, name: string): Uint8Array {
  const bytes = bytesOfBase64(text)
  if (bytes === undefined) throw malformed(`${name} is not base 64`)
  return bytes
}

function addUploads(scope: FastifyInstance, cache: Cache, { operatorOf, writerOf, metrics }: Parts): void {
  const { uploads, publisher } = cache
  const { limits } = cache.config
  const params = closedObject({ id: uploadIdSchema })
  const find = (request: FastifyRequest<{ Params: { id: string } }>) =>
    uploads.find(request.params.id, operatorOf(request))

  scope.post<{ Body: { kind: BlobKind; digest: string; bytes: number } }>(
    '/v1/uploads',
    {
      config,
      schema: {
        summary: 'Begins or finds again the upload of a file that an attestation of the operator names.',
        body: closedObject({
          kind: { type: 'string', enum: blobKinds },
          digest: hashSchema,
          bytes: { ...countSchema, minimum: 1 },
        }),
      },
    },
    async (request, reply) => {
      const { kind, bytes } = request.body
      const operator = operatorOf(request)
      const key = { kind, digest: parseSha256(request.body.digest) }
      const maximum = { archive: limits.archiveBytes, source: limits.sourceBytes, log: limits.logBytes }[kind]
      if (bytes > maximum) throw new AbnError('ABN_CACHE_LIMIT', `${bytes} bytes, expected at most ${maximum}`)
      await publisher.requireNamed(key, operator)
      if (await publisher.has(key)) return { published: true }
      const upload = await uploads.create({ ...key, operator, bytes, nowSeconds: cache.nowSeconds() })
      return reply.code(201).send({ published: false, ...shown(upload), pieceBytes: limits.pieceBytes })
    },
  )

  scope.get<{ Params: { id: string } }>(
    '/v1/uploads/:id',
    { config, schema: { summary: 'How much of an upload is here.', params } },
    async (request) => shown(await find(request)),
  )

  scope.patch<{ Params: { id: string }; Body: AsyncIterable<Uint8Array> }>(
    '/v1/uploads/:id',
    {
      config,
      schema: {
        summary: 'The next piece (application/octet-stream), from the offset in the header upload-offset.',
        params,
      },
    },
    async (request) => {
      const upload = await find(request)
      const offset = countOfHeader(request.headers['upload-offset'], 'upload-offset')
      const bytes = countOfHeader(request.headers['content-length'], 'content-length')
      if (request.headers['content-type'] !== 'application/octet-stream')
        throw malformed('expected application/octet-stream')
      if (bytes > limits.pieceBytes) {
        throw new AbnError('ABN_CACHE_LIMIT', `a piece of ${bytes} bytes, expected at most ${limits.pieceBytes}`)
      }
      const sha256 = writerOf(request).signature.bodySha256
      const nowSeconds = cache.nowSeconds()
      const grown = await uploads.append(upload, { offset, bytes, sha256, body: request.body, nowSeconds })
      metrics.add('abn_cache_upload_bytes_total', {}, bytes)
      return shown(grown)
    },
  )

  scope.post<{ Params: { id: string } }>(
    '/v1/uploads/:id/finish',
    { config, schema: { summary: 'Verifies a complete upload and makes it visible to everybody.', params } },
    async (request) => {
      const upload = await find(request)
      const { kind } = upload
      try {
        const { fresh } = await uploads.finish(upload, (file) => publisher.publish(upload, file, upload.operator))
        await uploads.remove(upload)
        metrics.add('abn_cache_uploads_total', { kind, result: fresh ? 'published' : 'known' })
        return { published: true, fresh }
      } catch (error) {
        if (isRefusal(error)) {
          metrics.add('abn_cache_uploads_total', { kind, result: 'refused' })
          await uploads.remove(upload)
        }
        throw error
      }
    },
  )

  scope.delete<{ Params: { id: string } }>(
    '/v1/uploads/:id',
    { config, schema: { summary: 'Gives up an upload.', params } },
    async (request, reply) => {
      await uploads.remove(await find(request))
      return reply.code(204).send()
    },
  )
}

function shown({ id, kind, digest, bytes, offset }: Upload) {
  return { id, kind, digest, bytes, offset }
}

/** The file itself is bad: sending the same again cannot help. */
function isRefusal(error: unknown): boolean {
  const codes = ['ABN_CACHE_UPLOAD_REFUSED', 'ABN_ARCHIVE_INVALID', 'ABN_ARCHIVE_LIMIT']
  return error instanceof AbnError && codes.includes(error.code)
}

function* lines(body: Buffer): Generator<Uint8Array> {
  for (let start = 0; start < body.length; ) {
    const end = body.indexOf(NEWLINE, start)
    if (end === -1) throw malformed('the last line does not end in a newline')
    yield body.subarray(start, end)
    start = end + 1
  }
}

function linesOf(body: Buffer): readonly Uint8Array[] {
  const all = [...lines(body)]
  if (all.length === 0 || all.length > MAXIMUM_LINES) throw malformed(`expected 1 to ${MAXIMUM_LINES} lines`)
  return all
}

const NEWLINE = 0x0a
const MAXIMUM_LINES = 1000

function countOfHeader(value: string | string[] | undefined, name: string): number {
  if (typeof value !== 'string' || !/^(?:0|[1-9][0-9]{0,14})$/.test(value)) throw malformed(`expected a header ${name}`)
  return Number(value)
}

function malformed(reason: string): AbnError {
  return new AbnError('ABN_CACHE_REQUEST', reason)
}
