// Attacks with what a transparency log shows: trees that contradict each other, proofs of something else, witnesses that are missing, silent or
// made up. The client is one under `paranoid`; alice and bob are honest, so that only the log is between the client and the binary.

import type { Evidence } from '../../trust/evidence.ts'
import { cosign } from '../../trust/log/cosignature.ts'
import { encodeInclusions, parseInclusions } from '../../trust/log/inclusions.ts'
import { treeHashOf } from '../../trust/log/merkle.ts'
import { encodeNote, parseNote } from '../../trust/log/note.ts'
import { encodeAddCheckpoint, parseAddCheckpoint } from '../../trust/log/witness-request.ts'
import type { SmallLog } from '../_support/small-log.ts'
import type { Attack } from './_support/attack.ts'
import { type Behaviour, bundled, logFiles } from './_support/hostile-cache.ts'
import {
  ann,
  answer,
  ben,
  byKey,
  bySession,
  cyd,
  DAY,
  honestScene,
  honestSession,
  lists,
  logKey,
  logOf,
  otherLogKey,
  paranoid,
  proofOf,
  seen,
} from './_support/paranoid.ts'
import { alice, bob, mallory, NOW, operatorKey } from './_support/world.ts'

const { entries } = honestScene
const honest = logOf(entries)
/** The same entries behind another first one: another tree under the same key. */
const forked = logOf(entries, logKey, 'an entry that others do not see')
/** What was in the log before the scene: enough to be seen, not enough to accept anything. */
const earlier = byKey(alice, { invocation: 'earlier' })
const grown = logOf([...earlier, ...entries])
const padding = Array.from({ length: 40 }, (_, i) => ({ bytes: Buffer.from(`padding ${i}`) }))

/** What the client has seen: a tree of this log with what alice alone has said. */
function shownBefore(log: SmallLog, size: number): Behaviour {
  return { evidence: bundled(earlier, [...lists, proofOf(log, earlier, seen, size)]) }
}

function consistency(log: SmallLog, old: number): Evidence {
  return { kind: 'log-consistency', bytes: log.consistency(old) }
}

/** Changes the checkpoint that is shown, signatures and all. */
function withNote(proof: Evidence, change: (note: string) => string): Evidence {
  const inclusions = parseInclusions(proof.bytes)
  const note = Buffer.from(encodeNote(inclusions.checkpoint)).toString('utf8')
  return { ...proof, bytes: encodeInclusions({ ...inclusions, checkpoint: parseNote(Buffer.from(change(note))) }) }
}

const honestProof = proofOf(honest, entries)
const [statement = honestScene.session.document] = honestScene.attestations
const stale = { by: [ann, ben], at: NOW - 2 * DAY }

type Row = Pick<Attack, 'name' | 'does' | 'says' | 'caches'> & Partial<Attack>

function row(one: Row): Attack {
  return { must: 'build', policy: paranoid, patient: true, ...one, name: `log: ${one.name}` }
}

export const attacksOnLogs: readonly Attack[] = [
  row({
    name: 'nothing is wrong',
    does: 'under paranoid, all as it should be',
    must: 'fetch',
    caches: [answer(honestScene)],
  }),
  row({
    name: 'no log',
    does: 'statements come without any proof',
    says: /not-logged/,
    caches: [answer(honestScene, [])],
  }),
  row({
    name: 'a statement that is not logged',
    does: "the proof leaves out one of alice's statements",
    says: /not-logged/,
    caches: [answer(honestScene, [proofOf(honest, entries.slice(1))])],
  }),
  row({
    name: 'a session that is not logged',
    does: 'the statements are logged, the session that signed them is not',
    says: /not-logged/,
    caches: [answer(honestScene, [proofOf(honest, honestScene.attestations)])],
  }),
  row({
    name: 'a proof of other entries',
    does: 'the proof is right, but for what others have logged',
    says: /not-logged/,
    caches: [answer(honestScene, [proofOf(logOf([...entries, ...padding]), padding)])],
  }),
  row({
    name: 'logged, but altered',
    does: 'alice has logged other statements than she is said to have made',
    says: /not-logged/,
    caches: [
      answer(
        { ...honestScene, attestations: [...bySession(honestSession, { invocation: 'altered' }), ...byKey(bob)] },
        [honestProof],
      ),
    ],
  }),
  row({
    name: 'an index of another entry',
    does: 'the entries change places in the proof',
    says: /not-logged/,
    caches: [
      answer(honestScene, [
        (() => {
          const inclusions = parseInclusions(honestProof.bytes)
          const leaves = inclusions.leaves.map(({ index }, i) => ({
            index,
            leaf: inclusions.leaves.at(-1 - i)?.leaf ?? treeHashOf(new Uint8Array(32)),
          }))
          return { ...honestProof, bytes: encodeInclusions({ ...inclusions, leaves }) }
        })(),
      ]),
    ],
  }),
  row({
    name: 'a checkpoint of another key',
    does: 'a tree of its own, under the name of the log, signed by another key',
    says: /not-logged/,
    caches: [answer(honestScene, [proofOf(logOf(entries, operatorKey('log', 199)), entries)])],
  }),
  row({
    name: 'a log that nobody names',
    does: 'everything is in a log that the policy does not know',
    says: /not-logged/,
    caches: [answer(honestScene, [proofOf(logOf(entries, operatorKey('hidden-log', 198)), entries)])],
  }),
  row({
    name: 'another size',
    does: 'the size in the checkpoint is changed',
    says: /not-logged/,
    caches: [answer(honestScene, [withNote(honestProof, (note) => note.replace(/\n6\n/, '\n7\n'))])],
  }),

  row({
    name: 'a witness missing',
    does: 'one witness has cosigned where the policy wants two',
    says: /not-witnessed/,
    caches: [answer(honestScene, [proofOf(honest, entries, { by: [ann], at: NOW - 60 })])],
  }),
  row({
    name: 'one witness twice',
    does: 'two cosignatures of one witness, at two times',
    says: /not-witnessed/,
    caches: [60, 70].map((age) => answer(honestScene, [proofOf(honest, entries, { by: [cyd], at: NOW - age })])),
  }),
  row({
    name: 'a witness twice in one note',
    does: 'the note has two signatures of one witness, and one of the other',
    says: /not-witnessed|not-logged/,
    caches: [
      answer(honestScene, [
        (() => {
          const inclusions = parseInclusions(proofOf(honest, entries, { by: [ann], at: NOW - 60 }).bytes)
          const { text, signatures } = inclusions.checkpoint
          const checkpoint = { text, signatures: [...signatures, cosign(text, ann, NOW - 61)] }
          return { kind: 'log-inclusions', bytes: encodeInclusions({ ...inclusions, checkpoint }) }
        })(),
      ]),
    ],
  }),
  row({
    name: 'a cosignature by a stranger',
    does: 'the second witness is nobody whom the policy names',
    says: /not-witnessed/,
    caches: [answer(honestScene, [proofOf(honest, entries, { by: [ann, mallory], at: NOW - 60 })])],
  }),
  row({
    name: "a cosignature in a witness's name",
    does: "the second witness's signature is made with another key",
    says: /not-witnessed/,
    caches: [answer(honestScene, [proofOf(honest, entries, { by: [ann, operatorKey('ben', 197)], at: NOW - 60 })])],
  }),
  row({
    name: 'a cosignature of another tree',
    does: 'signatures of both witnesses, for a tree that was shown before',
    says: /not-witnessed/,
    caches: [
      answer(honestScene, [
        (() => {
          const inclusions = parseInclusions(proofOf(honest, entries, { by: [], at: 0 }).bytes)
          const { text, signatures } = inclusions.checkpoint
          const old = honest.note(2).text
          const cosigned = [ann, ben].map((witness) => cosign(old, witness, NOW - 60))
          return {
            kind: 'log-inclusions',
            bytes: encodeInclusions({ ...inclusions, checkpoint: { text, signatures: [...signatures, ...cosigned] } }),
          }
        })(),
      ]),
    ],
  }),
  row({
    name: 'freeze',
    does: 'the cosignatures are two days old: what came since is held back',
    says: /not-witnessed/,
    caches: [answer(honestScene, [proofOf(honest, entries, stale)])],
  }),
  row({
    name: 'cosignatures from the future',
    does: 'both witnesses say tomorrow, which would be fresh for long',
    says: /not-witnessed/,
    caches: [answer(honestScene, [proofOf(honest, entries, { by: [ann, ben], at: NOW + DAY })])],
  }),
  row({
    name: 'one fresh, one stale',
    does: 'one of the two cosignatures is two days old',
    says: /not-witnessed/,
    caches: [
      answer(honestScene, [
        (() => {
          const inclusions = parseInclusions(proofOf(honest, entries, { by: [ann], at: NOW - 60 }).bytes)
          const { text, signatures } = inclusions.checkpoint
          const checkpoint = { text, signatures: [...signatures, cosign(text, ben, NOW - 2 * DAY)] }
          return { kind: 'log-inclusions', bytes: encodeInclusions({ ...inclusions, checkpoint }) }
        })(),
      ]),
    ],
  }),

  row({
    name: 'a fork of the same size',
    does: 'a tree as large as the one seen before, with other entries',
    says: /alarm fork: .*kept: true[\s\S]*"log-trouble".*"fork"/,
    before: shownBefore(logOf([...earlier, ...padding.slice(0, 3)]), 6),
    caches: [answer(honestScene, [honestProof])],
  }),
  row({
    name: 'a fork that has grown',
    does: 'a larger tree that does not begin with the one seen before',
    says: /"log-trouble".*"(unproved|proof)"/,
    before: shownBefore(grown, 3),
    caches: [{ ...answer(honestScene, [proofOf(forked, entries)]), log: logFiles(() => forked.files()) }],
  }),
  row({
    name: 'a split view',
    does: 'two caches show two trees of one log, each with all that is asked for',
    says: /alarm fork: .*kept: true[\s\S]*"log-trouble"/,
    caches: [answer(honestScene, [honestProof]), answer(honestScene, [proofOf(forked, entries)])],
  }),
  row({
    name: 'a wrong proof of consistency',
    does: 'the proof that the tree has grown is one of another tree',
    says: /"log-trouble".*"proof"/,
    before: shownBefore(grown, 3),
    caches: [answer(honestScene, [proofOf(forked, entries), consistency(forked, 3)])],
  }),
  row({
    name: 'a changed proof of consistency',
    does: 'the tree has grown as it should, a hash in the proof is changed, and there are no tiles',
    says: /"log-trouble".*"(proof|unproved)"/,
    before: shownBefore(grown, 3),
    caches: [
      answer(honestScene, [
        proofOf(grown, entries),
        (() => {
          const request = parseAddCheckpoint(grown.consistency(3))
          const proof = request.proof.map((hash) => treeHashOf(hash.with(0, (hash[0] ?? 0) ^ 1)))
          return { kind: 'log-consistency', bytes: encodeAddCheckpoint({ ...request, proof }) }
        })(),
      ]),
    ],
  }),
  row({
    name: 'no proof of consistency',
    does: 'a larger tree, and neither a proof nor tiles',
    says: /"log-trouble".*"unproved"/,
    before: shownBefore(grown, 3),
    caches: [answer(honestScene, [proofOf(grown, entries)])],
  }),
  row({
    name: 'tiles without end',
    does: 'a larger tree without a proof, and tiles that never end',
    says: /"log-trouble".*"unproved"/,
    before: shownBefore(grown, 3),
    caches: [
      {
        ...answer(honestScene, [proofOf(grown, entries)]),
        log: (_, response) => {
          const more = (): void => {
            while (!response.destroyed && response.write(Buffer.alloc(65_536))) {}
          }
          response.writeHead(200).on('drain', more)
          more()
        },
      },
    ],
  }),
  row({
    name: 'no proof, but tiles',
    does: 'a cache of plain files: the client proves the growth itself',
    must: 'fetch',
    before: shownBefore(grown, 3),
    caches: [{ ...answer(honestScene, [proofOf(grown, entries)]), log: logFiles(() => grown.files()) }],
  }),
  row({
    name: 'a smaller tree',
    does: 'after a tree of forty entries, one that has only the first few',
    says: /"log-trouble".*"smaller"/,
    before: shownBefore(logOf([...earlier, ...entries, ...padding]), 48),
    caches: [answer(honestScene, [proofOf(logOf([...earlier, ...entries]), entries)])],
  }),
  row({
    name: 'a fork of a log that nobody names',
    does: 'a log that the policy does not know contradicts itself',
    must: 'fetch',
    caches: [
      answer(honestScene, [
        honestProof,
        proofOf(logOf(padding, operatorKey('hidden-log', 198)), padding),
        proofOf(logOf(padding, operatorKey('hidden-log', 198), 'x'), padding),
      ]),
    ],
  }),
  row({
    name: 'a fork of another log',
    does: 'one of the two logs has forked, all is in the other one too',
    must: 'fetch',
    caches: [
      answer(honestScene, [
        honestProof,
        proofOf(logOf(padding, otherLogKey), padding),
        proofOf(logOf(padding, otherLogKey, 'x'), padding),
      ]),
    ],
  }),
  row({
    name: 'garbage in place of a proof',
    does: 'the honest proof, and a hundred that are none',
    must: 'fetch',
    caches: [
      answer(honestScene, [
        honestProof,
        ...Array.from({ length: 100 }, (_, i) => ({
          kind: ['log-inclusions', 'log-consistency', 'session-proof', 'session'][i % 4] ?? '',
          bytes: Buffer.from(`garbage ${i}`),
        })),
      ]),
    ],
  }),
  row({
    name: 'an entry twice',
    does: 'the same statements logged again under a second checkpoint of the same tree',
    must: 'fetch',
    caches: [answer(honestScene, [honestProof, proofOf(honest, [statement], { by: [ben, cyd], at: NOW - 30 })])],
  }),
]
