// One of several processes that learn at once: evaluations, revocation lists and trees, each some of its own. Arguments: root, number.
import { keepKnownEvaluations } from '../../../../builder/substitute/known-evaluations.ts'
import { keepKnownLogs, readKnownLogs, treeOf } from '../../../../builder/substitute/known-logs.ts'
import { rememberRevocations } from '../../../../builder/substitute/revocations.ts'
import { sha256Of } from '../../../../format/hash.ts'
import { openStore } from '../../../../store/store.ts'
import { verifyEvidence } from '../../../../trust/evidence.ts'
import { verifiedCheckpointOf } from '../../../../trust/log/checkpoint.ts'
import { signRevocationList } from '../../../../trust/revocation.ts'
import { smallLog } from '../../../_support/small-log.ts'
import { alice, NOW, operatorKey, policyOf } from '../../../faults/_support/world.ts'

const [root = '', number = ''] = process.argv.slice(2)
const store = openStore({ root, durable: false })
const policy = policyOf({ kind: 'two-independent' })
const entries = Array.from({ length: 64 }, (_, i) => Buffer.from(`entry ${i}`))
const log = smallLog(operatorKey('log', 41), entries)

for (let i = 1; i <= 12; i++) {
  keepKnownEvaluations(
    store,
    new Map([
      [sha256Of(`root ${number}`), i],
      [sha256Of('shared'), Number(number) + 4 * i],
    ]),
  )
  const { bytes } = signRevocationList(
    {
      format: 1,
      signer: alice.publicKey.id,
      version: 1000 * Number(number) + i,
      issued: NOW,
      expires: NOW + 1,
      keys: [],
      statements: [],
    },
    alice,
  )
  rememberRevocations(store, verifyEvidence([{ kind: 'revocation-list', bytes }], policy))
  // Who has seen what is kept meanwhile knows that it is one tree with what it wants to keep.
  const size = Number(number) + 4 * i
  const note = log.note(size)
  const newest = new Map([[log.key.name, { tree: verifiedCheckpointOf(note, log.key), note }]])
  for (;;) {
    const given = new Map([...readKnownLogs(store).values()].map((one) => [log.key.name, treeOf(one)]))
    if (keepKnownLogs(store, { logs: [log.key], given, newest, now: NOW }).length === 0) break
  }
}
