// The witness behind HTTP: what a log sees of it, and what strangers can do to it.
import test from 'ava'
import { emptyEdge, grow, rootOf } from '../../../cache-server/log/tree-edge.ts'
import { startWitness } from '../../../cache-server/log/witness-server.ts'
import { utf8 } from '../../../trust/bytes.ts'
import { signCheckpoint, verifiedCheckpointOf } from '../../../trust/log/checkpoint.ts'
import { verifyCosignature, witnessKeyOf } from '../../../trust/log/cosignature.ts'
import { treeSizeOf } from '../../../trust/log/merkle.ts'
import { parseSignatureLine } from '../../../trust/log/note.ts'
import { encodeAddCheckpoint, maximumRequestBytes } from '../../../trust/log/witness-request.ts'
import { newSecretKey } from '../../../trust/secret-key.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

const log = newSecretKey('log.example/abnpkg', new Uint8Array(32).fill(1))
const secret = newSecretKey('witness.example/w1', new Uint8Array(32).fill(2))

test('a log gets a cosignature that verifies', async (t) => {
  const witness = await startWitness({
    directory: temporaryDirectory(t),
    signer: secret,
    logs: [log.publicKey],
    listen: '127.0.0.1:0',
    nowSeconds: () => 1_795_305_600,
    onMisbehaviour: () => t.fail(),
    report: (what, error) => t.fail(`${what} ${error}`),
  })
  t.teardown(() => witness.close())
  const post = (body: Uint8Array<ArrayBuffer> | string) =>
    fetch(`${witness.url}/add-checkpoint`, { method: 'POST', body })
  const { edge } = grow(emptyEdge, ['a', 'b', 'c'].map(utf8))
  const note = signCheckpoint(
    { origin: 'log.example/abnpkg', size: edge.size, root: rootOf(edge), extensions: [] },
    log,
  )
  const body = Uint8Array.from(encodeAddCheckpoint({ old: treeSizeOf(0), proof: [], checkpoint: note }))
  const answer = await post(body)
  t.is(answer.status, 200)
  const line = await answer.text()
  t.true(line.endsWith('\n'))
  const signatures = [...note.signatures, parseSignatureLine(line.trimEnd())]
  const checkpoint = verifiedCheckpointOf({ ...note, signatures }, log.publicKey)
  t.is(verifyCosignature(checkpoint, witnessKeyOf(secret.publicKey))?.time, 1_795_305_600)
  const again = await post(body)
  t.deepEqual([again.status, again.headers.get('content-type'), await again.text()], [409, 'text/x.tlog.size', '3\n'])
  t.is((await post('')).status, 400)
  t.is((await post('x'.repeat(maximumRequestBytes + 1))).status, 413)
  t.is((await fetch(`${witness.url}/healthz`)).status, 200)
  t.is((await fetch(`${witness.url}/add-checkpoint`)).status, 404)
})
