// Sigstore's verifier (@sigstore/verify), written by other people for another log, reads ours: an entry of the form that Rekor v2
// logs, inclusion proof, checkpoint, all made by our code, with our log's key in its trusted root. What was tampered with it refuses;
// what it does not look at is here too, so that nobody relies on it. docs/formats/log.md says where its model does not fit.
import { createPublicKey } from 'node:crypto'
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify'
import test from 'ava'
import { emptyEdge, grow, rootOf } from '../../../cache-server/log/tree-edge.ts'
import { canonicalJson } from '../../../format/canonical-json.ts'
import { base64Of, utf8 } from '../../../trust/bytes.ts'
import { parseEnvelope } from '../../../trust/dsse.ts'
import { signCheckpoint } from '../../../trust/log/checkpoint.ts'
import { cosign } from '../../../trust/log/cosignature.ts'
import { proveInclusion, type TreeHash, treeHashOf, treeSizeOf } from '../../../trust/log/merkle.ts'
import { encodeNote, type Note } from '../../../trust/log/note.ts'
import { parseTile, subtreesFrom, tilePath } from '../../../trust/log/tile.ts'
import { newSecretKey, type SecretKey } from '../../../trust/secret-key.ts'
import { alice, attested, bob, hello, now } from '../../trust/support.ts'

const logKey = newSecretKey('log.example/abnpkg', new Uint8Array(32).fill(1))
const otherLog = newSecretKey('log.example/abnpkg', new Uint8Array(32).fill(9))
const witness = newSecretKey('witness.example/w1', new Uint8Array(32).fill(2))
const attestation = attested(hello, alice)
const envelope = parseEnvelope(attestation.bytes)
const ed25519 = 7

/** SubjectPublicKeyInfo, as Sigstore keeps keys. */
function spki({ publicKey }: SecretKey): Buffer {
  const x = Buffer.from(publicKey.bytes).toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }).export({
    format: 'der',
    type: 'spki',
  })
}

/** The body of a `dsse` 0.0.2 entry of Rekor v2: digests and signature only, where our own entries are whole envelopes. */
function rekorBody(
  signature: Uint8Array = envelope.signature,
  digest: string = attestation.statementDigest,
): Uint8Array {
  const verifier = { publicKey: { rawBytes: spki(alice).toString('base64') }, keyDetails: 'PKIX_ED25519' }
  const dsseV002 = {
    payloadHash: { algorithm: 'SHA2_256', digest: Buffer.from(digest, 'hex').toString('base64') },
    signatures: [{ content: base64Of(signature), verifier }],
  }
  return utf8(canonicalJson({ apiVersion: '0.0.2', kind: 'dsse', spec: { dsseV002 } }))
}

const SIZE = 700
const PLACE = 517

function treeWith(body: Uint8Array, place = PLACE) {
  const entries = Array.from({ length: SIZE }, (_, i) => (i === place ? body : utf8(`entry ${i}`)))
  const { edge, files } = grow(emptyEdge, entries)
  const size = treeSizeOf(SIZE)
  const read = subtreesFrom(size, (tile) => parseTile(files.get(tilePath(tile)) ?? new Uint8Array(), tile))
  return { checkpoint: { origin: 'log.example/abnpkg', size, root: rootOf(edge), extensions: [] }, read }
}

type Shown = {
  readonly body: Uint8Array
  readonly index: number
  readonly proof: readonly TreeHash[]
  readonly checkpoint: string
  readonly envelope: typeof envelope
  readonly trusted: SecretKey
  readonly origin: string
  readonly kind: string
  readonly version: string
}

function honest(body: Uint8Array = rekorBody(), place = PLACE): Shown {
  const { checkpoint, read } = treeWith(body, place)
  const note = signCheckpoint(checkpoint, logKey)
  return {
    body,
    index: place,
    proof: proveInclusion(place, checkpoint.size, read),
    checkpoint: textOf({ ...note, signatures: [...note.signatures, cosign(note.text, witness, now)] }),
    envelope,
    trusted: logKey,
    origin: 'log.example/abnpkg',
    kind: 'dsse',
    version: '0.0.2',
  }
}

function textOf(note: Note): string {
  return Buffer.from(encodeNote(note)).toString('utf8')
}

/** Throws when Sigstore refuses. */
function verifyBySigstore({ body, index, proof, checkpoint, trusted, origin, ...rest }: Shown): void {
  const key = { rawBytes: spki(trusted), keyDetails: ed25519, validFor: undefined }
  const logId = { keyId: Buffer.from(trusted.publicKey.id, 'hex') }
  const root = {
    mediaType: 'application/vnd.dev.sigstore.trustedroot.v0.2+json',
    certificateAuthorities: [],
    timestampAuthorities: [],
    tlogs: [
      { baseUrl: `https://${origin}`, hashAlgorithm: 1, publicKey: key, logId, checkpointKeyId: logId, operator: '' },
    ],
    ctlogs: [],
  }
  const { payload, payloadType, signature, keyId } = rest.envelope
  const dsseEnvelope = {
    payload: Buffer.from(payload),
    payloadType,
    signatures: [{ keyid: keyId, sig: Buffer.from(signature) }],
  }
  const entry = {
    logIndex: String(index),
    logId,
    kindVersion: { kind: rest.kind, version: rest.version },
    integratedTime: '0',
    inclusionPromise: undefined,
    inclusionProof: {
      logIndex: String(index),
      rootHash: Buffer.alloc(32),
      treeSize: '0',
      hashes: proof.map((hash) => Buffer.from(hash)),
      checkpoint: { envelope: checkpoint },
    },
    canonicalizedBody: Buffer.from(body),
  }
  const bundle: unknown = {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    content: { $case: 'dsseEnvelope', dsseEnvelope },
    verificationMaterial: {
      content: { $case: 'publicKey', publicKey: { hint: 'alice' } },
      tlogEntries: [entry],
      timestampVerificationData: undefined,
    },
  }
  const signer = { rawBytes: spki(alice), keyDetails: ed25519, validFor: undefined }
  const trust = toTrustMaterial(root as unknown as Parameters<typeof toTrustMaterial>[0], { alice: signer })
  const thresholds = { tlogThreshold: 1, ctlogThreshold: 0, timestampThreshold: 0 }
  new Verifier(trust, thresholds).verify(toSignedEntity(bundle as Parameters<typeof toSignedEntity>[0]))
}

test('Sigstore verifies an entry of Rekor v2 in our tree, under our checkpoint', (t) => {
  for (const place of [0, 255, 256, PLACE, 698, SIZE - 1]) {
    t.notThrows(() => verifyBySigstore(honest(rekorBody(), place)), `entry ${place}`)
  }
})

const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.with(at, (bytes[at] ?? 0) ^ 1)
const resigned = (change: object, by: SecretKey = logKey): string =>
  textOf(signCheckpoint({ ...treeWith(rekorBody()).checkpoint, ...change }, by))

for (const [title, change, code] of [
  ['another entry', (one) => ({ ...one, body: utf8('entry 1') }), 'TLOG_INCLUSION_PROOF_ERROR'],
  [
    'a changed entry',
    (one) => ({ ...one, body: flipped(one.body, one.body.length - 2) }),
    'TLOG_INCLUSION_PROOF_ERROR',
  ],
  ['the proof of another entry', ({ index, ...one }) => ({ ...one, index: index - 1 }), 'TLOG_INCLUSION_PROOF_ERROR'],
  ['an entry beyond the tree', (one) => ({ ...one, index: SIZE }), 'TLOG_INCLUSION_PROOF_ERROR'],
  ['a hash too few', (one) => ({ ...one, proof: one.proof.slice(1) }), 'TLOG_INCLUSION_PROOF_ERROR'],
  [
    'a hash too many',
    (one) => ({ ...one, proof: [...one.proof, ...one.proof.slice(0, 1)] }),
    'TLOG_INCLUSION_PROOF_ERROR',
  ],
  [
    'a changed hash',
    (one) => ({ ...one, proof: one.proof.map((hash, i) => (i === 3 ? treeHashOf(flipped(hash, 5)) : hash)) }),
    'TLOG_INCLUSION_PROOF_ERROR',
  ],
  [
    'another size',
    (one) => ({ ...one, checkpoint: one.checkpoint.replace('\n700\n', '\n701\n') }),
    'TLOG_INCLUSION_PROOF_ERROR',
  ],
  [
    'another size, signed',
    (one) => ({ ...one, checkpoint: resigned({ size: treeSizeOf(2000) }) }),
    'TLOG_INCLUSION_PROOF_ERROR',
  ],
  [
    'another root, signed',
    (one) => ({ ...one, checkpoint: resigned({ root: treeHashOf(new Uint8Array(32)) }) }),
    'TLOG_INCLUSION_PROOF_ERROR',
  ],
  [
    'a checkpoint by another key',
    (one) => ({ ...one, checkpoint: resigned({}, otherLog) }),
    'TLOG_INCLUSION_PROOF_ERROR',
  ],
  ['a log that it does not trust', (one) => ({ ...one, trusted: otherLog }), 'TLOG_INCLUSION_PROOF_ERROR'],
  ['a log of another name', (one) => ({ ...one, origin: 'elsewhere.example' }), 'TLOG_INCLUSION_PROOF_ERROR'],
  [
    'a checkpoint that only a witness has signed',
    (one) => ({ ...one, checkpoint: one.checkpoint.replace(/— log.example.*\n/, '') }),
    'TLOG_INCLUSION_PROOF_ERROR',
  ],
  [
    'an envelope by somebody else',
    (one) => ({ ...one, envelope: parseEnvelope(attested(hello, bob).bytes) }),
    'TLOG_BODY_ERROR',
  ],
  [
    'another payload',
    (one) => ({ ...one, envelope: { ...one.envelope, payload: flipped(one.envelope.payload, 9) } }),
    'TLOG_BODY_ERROR',
  ],
  [
    'another signature',
    (one) => ({ ...one, envelope: { ...one.envelope, signature: flipped(one.envelope.signature, 9) } }),
    'TLOG_BODY_ERROR',
  ],
  ['another kind', (one) => ({ ...one, kind: 'hashedrekord' }), 'TLOG_BODY_ERROR'],
] as readonly (readonly [string, (one: Shown) => Shown, string])[]) {
  test(`Sigstore refuses: ${title}`, (t) => {
    const error = t.throws(() => verifyBySigstore(change(honest())))
    t.is(Reflect.get(error, 'code'), code)
  })
}

test('an entry with another digest is in the tree, but is not one of this envelope', (t) => {
  const other = attested(hello, bob).statementDigest
  t.is(
    Reflect.get(
      t.throws(() => verifyBySigstore(honest(rekorBody(envelope.signature, other)))),
      'code',
    ),
    'TLOG_BODY_ERROR',
  )
})

// Inclusion is checked before the body is read: that our own entry is in the tree Sigstore sees, but not what it is.
test('an entry as a cache logs it, the envelope itself, is none that Sigstore knows', (t) => {
  const own = honest(attestation.bytes)
  t.is(
    Reflect.get(
      t.throws(() => verifyBySigstore(own)),
      'code',
    ),
    'TLOG_BODY_ERROR',
  )
  const misplaced = { ...own, index: own.index + 1 }
  t.is(
    Reflect.get(
      t.throws(() => verifyBySigstore(misplaced)),
      'code',
    ),
    'TLOG_INCLUSION_PROOF_ERROR',
  )
})

test('what Sigstore does not look at: witnesses, and the line with the origin', (t) => {
  const one = honest()
  t.notThrows(() => verifyBySigstore({ ...one, checkpoint: one.checkpoint.replace(/— witness.*\n/, '') }))
  t.notThrows(() => verifyBySigstore({ ...one, checkpoint: one.checkpoint.replace(/(— witness\S* )..../, '$1AAAA') }))
  t.notThrows(() => verifyBySigstore({ ...one, checkpoint: resigned({ origin: 'another.example/log' }) }))
})
