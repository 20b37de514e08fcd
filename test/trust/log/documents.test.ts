// Notes, checkpoints, cosignatures, proof files and requests: the page's examples, and what must be refused.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { hexOf, utf8 } from '../../../trust/bytes.ts'
import { encodePublicKey } from '../../../trust/key.ts'
import {
  encodeCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  verifiedCheckpointOf,
  verifyCheckpoint,
} from '../../../trust/log/checkpoint.ts'
import {
  cosign,
  encodeWitnessKey,
  parseWitnessKey,
  verifyCosignature,
  witnessKeyOf,
} from '../../../trust/log/cosignature.ts'
import { leafHash, treeHashOf, treeSizeOf, verifyConsistency } from '../../../trust/log/merkle.ts'
import { encodeNote, parseNote, signNote } from '../../../trust/log/note.ts'
import { encodeLogProof, parseLogProof, verifyLogProof } from '../../../trust/log/proof-file.ts'
import { encodeEntries, entriesPath, parseEntries, parseTile, tilePath } from '../../../trust/log/tile.ts'
import { encodeAddCheckpoint, parseAddCheckpoint } from '../../../trust/log/witness-request.ts'
import { newSecretKey } from '../../../trust/secret-key.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/formats/log.md'), 'utf8')

function example(name: string): string {
  const match = new RegExp(`^\`\`\`\\w+ example=${name}\\n(.*?)\\n\`\`\`$`, 'ms').exec(page)
  if (match?.[1] === undefined) throw new Error(`log.md has no example ${name}`)
  return match[1]
}

const seed = (byte: number) => new Uint8Array(32).fill(byte)
const log = newSecretKey('log.example/abnpkg', seed(1))
const witness = newSecretKey('witness.example/w1', seed(2))
const mallory = newSecretKey('log.example/abnpkg', seed(3))
const witnessKey = witnessKeyOf(witness.publicKey)
const noteBytes = utf8(`${example('checkpoint')}\n`)
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString()

test('log.md: keys', (t) => {
  t.is(encodePublicKey(log.publicKey), example('log-key'))
  t.is(encodeWitnessKey(witnessKey), example('witness-key'))
  t.deepEqual(parseWitnessKey(example('witness-key')), witnessKey)
  t.throws(() => parseWitnessKey(example('log-key')), { code: 'ABN_KEY_INVALID' })
  t.throws(() => parseWitnessKey(example('witness-key').replace('+df1c0a35+', '+df1c0a36+')), {
    code: 'ABN_KEY_INVALID',
  })
})

test('log.md: checkpoint, cosignature and proof', (t) => {
  const checkpoint = verifyCheckpoint(noteBytes, log.publicKey)
  t.true(checkpoint.size === 3)
  t.is(verifyCosignature(checkpoint, witnessKey)?.time, 1_795_305_600)
  t.is(textOf(encodeNote(checkpoint.note)), textOf(noteBytes))
  const { note } = checkpoint
  const [own, cosignature] = note.signatures
  t.deepEqual(signCheckpoint(checkpoint, log).signatures, own === undefined ? [] : [own])
  t.deepEqual(cosign(note.text, witness, 1_795_305_600), cosignature)
  const proof = parseLogProof(utf8(`${example('proof')}\n`))
  t.is(verifyLogProof(proof, utf8('second'), log.publicKey).index, 1)
  t.throws(() => verifyLogProof(proof, utf8('third'), log.publicKey), { code: 'ABN_LOG_PROOF' })
  t.throws(() => verifyLogProof({ ...proof, index: 0 }, utf8('second'), log.publicKey), { code: 'ABN_LOG_PROOF' })
  t.throws(() => verifyLogProof(proof, utf8('second'), mallory.publicKey), { code: 'ABN_NOTE_UNSIGNED' })
})

test('log.md: tiles, entries and the request to a witness', (t) => {
  const entries = ['first', 'second', 'third'].map(utf8)
  t.is(hexOf(encodeEntries(entries)), example('entries'))
  t.deepEqual(parseEntries(Uint8Array.fromHex(example('entries')), 3), entries)
  const tile = Uint8Array.fromHex(example('tile').replaceAll('\n', ''))
  t.deepEqual(parseTile(tile, { level: 0, index: 0, width: 3 }).map(hexOf), entries.map(leafHash).map(hexOf))
  t.is(tilePath({ level: 0, index: 1_234_067, width: 256 }), 'tile/0/x001/x234/067')
  t.is(tilePath({ level: 1, index: 0, width: 8 }), 'tile/1/000.p/8')
  t.is(entriesPath({ index: 1000, width: 256 }), 'tile/entries/x001/000')
  const request = parseAddCheckpoint(utf8(`${example('add-checkpoint')}\n`))
  const { size, root } = verifiedCheckpointOf(request.checkpoint, log.publicKey)
  t.notThrows(() =>
    verifyConsistency({
      old: { size: request.old, root: rootOfTwo() },
      new: { size, root },
      proof: request.proof,
    }),
  )
})

function rootOfTwo() {
  const proof = parseLogProof(utf8(`${example('proof')}\n`))
  // Of the proof of entry 1 the first hash is its neighbour.
  const [neighbour] = proof.hashes
  if (neighbour === undefined) throw new Error('no hash')
  return treeHashOf(
    createHash('sha256')
      .update(Buffer.of(1))
      .update(neighbour)
      .update(leafHash(utf8('second')))
      .digest(),
  )
}

test('what was signed by somebody else, or for another log, is refused', (t) => {
  const fields = {
    origin: 'log.example/abnpkg',
    size: treeSizeOf(3),
    root: treeHashOf(new Uint8Array(32)),
    extensions: [],
  }
  const forged = signCheckpoint(fields, mallory)
  t.throws(() => verifiedCheckpointOf(forged, log.publicKey), { code: 'ABN_NOTE_UNSIGNED' })
  // With the other key's hash in front, so that it claims to be that key's.
  const claimed = {
    ...forged,
    signatures: forged.signatures.map((one) => ({ ...one, keyHash: log.publicKey.id.slice(0, 8) })),
  }
  t.throws(() => verifiedCheckpointOf(claimed, log.publicKey), { code: 'ABN_SIGNATURE_INVALID' })
  const other = signCheckpoint({ ...fields, origin: 'log.example/other' }, log)
  t.throws(() => verifiedCheckpointOf(other, log.publicKey), { code: 'ABN_CHECKPOINT_ORIGIN' })
  const good = signCheckpoint(fields, log)
  const twice = { ...good, signatures: [...good.signatures, ...good.signatures] }
  t.throws(() => verifiedCheckpointOf(twice, log.publicKey), { code: 'ABN_NOTE_INVALID' })
  // A signature of the same key under the other type is none.
  const asWitness = { ...good, signatures: [cosign(good.text, log, 1)] }
  t.throws(() => verifiedCheckpointOf(asWitness, log.publicKey), { code: 'ABN_NOTE_UNSIGNED' })
  const checkpoint = verifiedCheckpointOf(good, log.publicKey)
  t.is(verifyCosignature(checkpoint, witnessKeyOf(log.publicKey)), undefined)
  // Nor is a cosignature one for another time, another text or with its parts moved.
  const cosigned = cosign(good.text, witness, 1000)
  for (const bytes of [
    cosigned.bytes.with(7, 1),
    cosigned.bytes.slice(8),
    Uint8Array.of(...cosigned.bytes, 0),
    cosign(other.text, witness, 1000).bytes,
    cosigned.bytes.with(0, 0xff),
  ]) {
    const note = { ...good, signatures: [...good.signatures, { ...cosigned, bytes }] }
    t.throws(() => verifyCosignature({ note }, witnessKey), { code: 'ABN_SIGNATURE_INVALID' }, hexOf(bytes))
  }
})

const badNotes: readonly (readonly [string, string | Uint8Array])[] = [
  ['no empty line', 'text\n\u2014 a AAAAAAAA\n'],
  ['no signature', 'text\n\n'],
  ['no end of the last line', 'text\n\n\u2014 a AAAAAAAA'],
  ['a hyphen for the dash', 'text\n\n- a AAAAAAAA\n'],
  ['two spaces', 'text\n\n\u2014 a  AAAAAAAA\n'],
  ['a space at the end', 'text\n\n\u2014 a AAAAAAAA \n'],
  ['a plus in the name', 'text\n\n\u2014 a+b AAAAAAAA\n'],
  ['no name', 'text\n\n\u2014 AAAAAAAA\n'],
  ['base 64 without padding', 'text\n\n\u2014 a AAAAAAA\n'],
  ['base 64 with unused bits', 'text\n\n\u2014 a AAAAAAB=\n'],
  ['a signature without bytes', 'text\n\n\u2014 a AAAAAA==\n'],
  ['a carriage return', 'text\r\n\n\u2014 a AAAAAAAA\n'],
  ['a NUL', 'te\0xt\n\n\u2014 a AAAAAAAA\n'],
  ['not UTF-8', Uint8Array.of(0xff, 0x0a, 0x0a, 0x0a)],
  ['an overlong encoding', Uint8Array.of(0xc0, 0x80, 0x0a, 0x0a)],
  ['too large', `${'x'.repeat(70_000)}\n\n\u2014 a AAAAAAAA\n`],
  ['too many signatures', `text\n\n${'\u2014 a AAAAAAAA\n'.repeat(65)}`],
]
for (const [title, note] of badNotes) {
  test(`a note is refused: ${title}`, (t) => {
    t.throws(() => parseNote(typeof note === 'string' ? utf8(note) : note), { code: 'ABN_NOTE_INVALID' })
  })
}

const root = 'w2UeVBcUxT1kjsx7rsp/4sNu9PplvM4ksdcShkN95WY='
const badCheckpoints: readonly (readonly [string, string])[] = [
  ['no lines', ''],
  ['two lines', 'o\n1\n'],
  ['no end', `o\n1\n${root}`],
  ['an empty origin', `\n1\n${root}\n`],
  ['a leading zero', `o\n01\n${root}\n`],
  ['a sign', `o\n-1\n${root}\n`],
  ['a huge size', `o\n99999999999999999999\n${root}\n`],
  ['a short root', 'o\n1\nAAAA\n'],
  ['a root in base 64 for URLs', `o\n1\n${root.replace('/', '_')}\n`],
  ['an empty line', `o\n1\n${root}\n\nx\n`],
]
for (const [title, text] of badCheckpoints) {
  test(`a checkpoint is refused: ${title}`, (t) => {
    t.throws(() => parseCheckpoint(text), { code: 'ABN_CHECKPOINT_INVALID' })
  })
}

const proofText = () => `${example('proof')}\n`
const badProofs: readonly (readonly [string, (text: string) => string])[] = [
  ['another version', (text) => text.replace('@v1', '@v2')],
  ['no index', (text) => text.replace('index 1\n', '')],
  ['a leading zero', (text) => text.replace('index 1', 'index 01')],
  ['a negative index', (text) => text.replace('index 1', 'index -1')],
  ['a short hash', (text) => text.replace('index 1\n', 'index 1\nAAAA\n')],
  ['extra twice', (text) => text.replace('index 1', 'extra AAAA\nextra AAAA\nindex 1')],
  ['extra that is not base 64', (text) => text.replace('index 1', 'extra !\nindex 1')],
  ['carriage returns', (text) => text.replaceAll('\n', '\r\n')],
  ['too many hashes', (text) => text.replace('index 1\n', `index 1\n${`${root}\n`.repeat(64)}`)],
  ['something after the note', (text) => `${text}x`],
]
for (const [title, change] of badProofs) {
  test(`a proof file is refused: ${title}`, (t) => {
    const error = t.throws(() => parseLogProof(utf8(change(proofText()))))
    t.regex(String(error && 'code' in error ? error.code : error), /^ABN_(LOG_PROOF_FILE|NOTE_INVALID)$/)
  })
}

test('what is parsed is written to the same bytes', (t) => {
  const name = fc.stringMatching(/^[a-z0-9][a-z0-9./-]{0,30}$/)
  const line = fc.stringMatching(/^[ -~]{1,40}$/)
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  fc.assert(
    fc.property(name, fc.nat(), bytes(32), fc.array(line, { maxLength: 3 }), (origin, count, hash, extensions) => {
      const size = treeSizeOf(count)
      const text = encodeCheckpoint({ origin, size, root: treeHashOf(hash), extensions })
      t.is(encodeCheckpoint(parseCheckpoint(text)), text)
      const signed = encodeNote(signNote(text, log))
      t.deepEqual(encodeNote(parseNote(signed)), signed)
    }),
    { numRuns: 50 },
  )
  fc.assert(
    fc.property(
      fc.nat(),
      fc.array(bytes(32), { maxLength: 60 }),
      fc.option(fc.uint8Array(), { nil: undefined }),
      (index, hashes, extra) => {
        const checkpoint = parseNote(noteBytes)
        const file = encodeLogProof({ index, hashes: hashes.map(treeHashOf), checkpoint, extra })
        t.deepEqual(encodeLogProof(parseLogProof(file)), file)
        const request = encodeAddCheckpoint({ old: treeSizeOf(index), proof: hashes.map(treeHashOf), checkpoint })
        t.deepEqual(encodeAddCheckpoint(parseAddCheckpoint(request)), request)
      },
    ),
    { numRuns: 50 },
  )
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), (entries) => {
      t.deepEqual(parseEntries(encodeEntries(entries), entries.length), entries)
      t.throws(() => parseEntries(encodeEntries(entries), entries.length + 1), { code: 'ABN_LOG_TILE' })
    }),
  )
})

test('a bundle that ends early, and an entry that is too long, are refused', (t) => {
  const bundle = encodeEntries(['first', 'second'].map(utf8))
  for (let length = 1; length < bundle.length; length++) {
    t.throws(() => parseEntries(bundle.slice(0, length), 2), { code: 'ABN_LOG_TILE' }, `${length}`)
  }
  t.throws(() => encodeEntries([new Uint8Array(65_536)]), { code: 'ABN_LOG_ENTRY' })
  t.notThrows(() => encodeEntries([new Uint8Array(65_535)]))
})

test('one bit of a checkpoint cannot be changed without its signature showing it', (t) => {
  fc.assert(
    fc.property(fc.nat(noteBytes.length - 1), fc.nat(7), (at, bit) => {
      const changed = noteBytes.map((byte, i) => (i === at ? byte ^ (1 << bit) : byte))
      let found: ReturnType<typeof verifyCheckpoint>
      try {
        found = verifyCheckpoint(changed, log.publicKey)
      } catch {
        return
      }
      // What may differ is only who else has signed, and that is checked for each witness.
      t.is(found.note.text, `log.example/abnpkg\n3\n${root}\n`)
    }),
    { numRuns: 400 },
  )
})
