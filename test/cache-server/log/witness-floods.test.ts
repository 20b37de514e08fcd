// A witness keeps evidence against a log that forks; whoever carries the fork must not fill its disk with it.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { createWitness } from '../../../cache-server/log/witness.ts'
import { sha256Of } from '../../../format/hash.ts'
import { signCheckpoint, verifyCheckpoint } from '../../../trust/log/checkpoint.ts'
import { leafHash, treeSizeOf } from '../../../trust/log/merkle.ts'
import type { Note } from '../../../trust/log/note.ts'
import { encodeAddCheckpoint } from '../../../trust/log/witness-request.ts'
import { newSecretKey } from '../../../trust/secret-key.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

const log = newSecretKey('log.example/abnpkg', new Uint8Array(32).fill(7))

function treeOf(entry: string): Note {
  const checkpoint = { origin: log.publicKey.name, size: treeSizeOf(1), root: leafHash(Buffer.from(entry)) }
  return signCheckpoint({ ...checkpoint, extensions: [] }, log)
}

test('a fork is kept once, without what strangers have signed, and at most a hundred of them', async (t) => {
  const directory = temporaryDirectory(t)
  const told: string[] = []
  const witness = createWitness({
    directory,
    signer: newSecretKey('witness.example', new Uint8Array(32).fill(8)),
    logs: [log.publicKey],
    nowSeconds: () => 1_795_305_600,
    onMisbehaviour: (_, file) => told.push(file),
  })
  const send = (checkpoint: Note, old = 1) =>
    witness.addCheckpoint(encodeAddCheckpoint({ old: treeSizeOf(old), proof: [], checkpoint }))
  t.is((await send(treeOf('first'), 0)).status, 200)
  const place = join(directory, sha256Of(log.publicKey.name))
  const forks = () => readdirSync(place).filter((name) => name.startsWith('fork-'))
  const { text, signatures } = treeOf('other')
  for (let i = 0; i < 5; i++) {
    const stranger = { name: `stranger-${i}`, keyHash: '00000000', bytes: new Uint8Array(64) }
    t.is((await send({ text, signatures: [stranger, ...signatures] })).status, 409)
  }
  t.is(forks().length, 1)
  t.is(verifyCheckpoint(readFileSync(told[0] ?? ''), log.publicKey).note.signatures.length, 1)
  for (let i = 0; i < 110; i++) t.is((await send(treeOf(`fork ${i}`))).status, 409)
  t.is(forks().length, 100)
  t.is(told.length, 115, 'each is told')
})
