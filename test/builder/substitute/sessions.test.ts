// Sessions in TEEs, as a client keeps and tells them: decisions are made again offline with all that they rest on, the chain of custody shows
// sessions and quotes, evidence files decide elsewhere.

import test from 'ava'
import fc from 'fast-check'
import { singleProofs } from '../../../builder/log/single-proofs.ts'
import { readDecisionRecord, replayRecord } from '../../../builder/substitute/decision-records.ts'
import { readKnownEvaluations } from '../../../builder/substitute/known-evaluations.ts'
import { decideOffline, encodeEvidenceFile, parseEvidenceFile } from '../../../builder/substitute/offline.ts'
import { cyclonedxOf, provenanceOf, slsaOf } from '../../../builder/substitute/provenance.ts'
import { acceptedUnder } from '../../../builder/substitute/try-policy.ts'
import { verificationSummaryOf, whyOf } from '../../../builder/substitute/why.ts'
import { reasonText } from '../../../cli/plans/plan-reasons.ts'
import { acceptanceOf } from '../../../cli/project/acceptance.ts'
import { sha256Of } from '../../../format/hash.ts'
import { type Evidence, verifyEvidence } from '../../../trust/evidence.ts'
import { parseInclusions, verifyInclusions } from '../../../trust/log/inclusions.ts'
import { encodeLogProof, parseLogProof, verifyLogProof } from '../../../trust/log/proof-file.ts'
import type { Policy } from '../../../trust/policy/policy.ts'
import { parseSession } from '../../../trust/session.ts'
import { smallLog } from '../../_support/small-log.ts'
import { archives, startHostileCache } from '../../faults/_support/hostile-cache.ts'
import {
  answer,
  honestScene,
  lists,
  logKey,
  logOf,
  paranoid,
  paranoidWith,
  proofOf,
  sceneOf,
  sessionAt,
} from '../../faults/_support/paranoid.ts'
import { type Attempt, alice, attempt, base, NOW, policyOf, user, userPath } from '../../faults/_support/world.ts'

const packages = new Map([base, user].map((one) => [one.recipeHash, one]))
const index = { byHash: (hash: (typeof user)['recipeHash']) => packages.get(hash) }
const nothing = { remembered: [], knownLogs: new Map(), knownEvaluations: new Map() }

async function fetched<T>(
  policy: Policy,
  scene: typeof honestScene,
  look: (attempt: Attempt) => T | Promise<T>,
): Promise<T> {
  await using cache = await startHostileCache({ ...answer(scene), archive: archives() })
  return await attempt({ caches: [cache.address], policy }, look)
}

/** The evidence of a scene, as a cache brings it. */
function piecesOf({ session, attestations, entries }: typeof honestScene): readonly Evidence[] {
  const statements = attestations.map(({ bytes }) => ({ kind: 'attestation', bytes }))
  return [...statements, ...lists, ...session.evidence, proofOf(logOf(entries), entries)]
}

test('paranoid is satisfied, and everything can be told and decided again afterwards', async (t) => {
  await fetched(paranoid, honestScene, ({ store, said }) => {
    t.true(store.has(userPath), said)
    const why = whyOf(store, userPath)
    t.is(why.decision?.outcome.kind, 'accepted')
    t.deepEqual(verificationSummaryOf(why)?.predicate.verifiedLevels, [
      'ABNPKG_OPERATORS_2',
      'ABNPKG_LOGGED',
      'ABNPKG_WITNESSED_2',
    ])
    const acceptance = why.decision && acceptanceOf(why.decision)
    t.true(acceptance?.kind === 'accepted' && acceptance.factors.includes('witnessed:2:86400'))
    t.true(
      acceptance?.kind === 'accepted' &&
        acceptance.factors.includes('tee:1:simulated') &&
        acceptance.factors.includes('logged'),
    )

    const chain = provenanceOf(user, { store, packages: index })
    const [output] = chain.entries[0]?.outputs ?? []
    const [session, ...others] = output?.kind === 'substituted' ? output.sessions : []
    t.deepEqual(others, [])
    t.like(session, {
      operator: 'alice',
      session: honestScene.session.signed.digest,
      tee: 'simulated',
      simulated: true,
      quote: { kind: 'accepted', status: 'UpToDate' },
    })
    const signed = slsaOf(chain).flatMap((one) => sessionIn(one) ?? [])
    t.deepEqual(
      signed.map(({ digest }) => digest),
      [honestScene.session.signed.digest],
    )
    const properties = cyclonedxOf(chain).components.concat(cyclonedxOf(chain).metadata.component)[0]?.properties ?? []
    t.true(properties.some(({ name, value }) => name === 'abnpkg:tee' && value === 'alice SIMULATED UpToDate'))

    const roots = [...readKnownEvaluations(store)]
    t.deepEqual(
      roots.map(([root]) => root),
      paranoid.tee?.roots.map(({ digest }) => digest),
    )
    t.true((roots[0]?.[1] ?? 0) > 0)

    t.deepEqual(
      acceptedUnder(store, paranoid, NOW).map(({ accepted }) => accepted),
      [true, true],
    )
    const later = NOW + 2 * 86_400
    t.deepEqual(
      acceptedUnder(store, paranoid, later).map(({ accepted }) => accepted),
      [false, false],
    )
    t.deepEqual(
      acceptedUnder(store, paranoid, 'then').map(({ accepted }) => accepted),
      [true, true],
    )

    // Without any one of its pieces a decision cannot be made again.
    const { origin } = store.readItem(userPath)
    const record = readDecisionRecord(store, origin.kind === 'substituted' ? origin.decision : sha256Of(''))
    t.is(replayRecord(record, userPath).outcome.kind, 'accepted')
    const kinds = new Set(record.evidence.map(({ kind }) => kind))
    t.deepEqual([...kinds].sort(), ['attestation', 'collateral', 'log-inclusions', 'revocation-list', 'session'])
    for (const kind of kinds) {
      const evidence = record.evidence.filter((piece) => piece.kind !== kind)
      t.throws(() => replayRecord({ ...record, evidence }, userPath), { code: 'ABN_DECISION_DIFFERS' }, kind)
    }
  })
})

test('a session is told of where the policy does not ask for it, and why its quote is not accepted where it does', async (t) => {
  const plain = policyOf({ kind: 'two-independent' })
  await fetched(plain, honestScene, ({ store, said }) => {
    t.true(store.has(userPath), said)
    const [output] = provenanceOf(user, { store, packages: index }).entries[0]?.outputs ?? []
    t.like(output?.kind === 'substituted' ? output.sessions[0] : {}, { simulated: true, quote: { kind: 'not-judged' } })
    t.is(whyOf(store, userPath).decision?.outcome.kind, 'accepted')
    t.is(readKnownEvaluations(store).size, 0)
  })
  const none = sceneOf(sessionAt(alice, 'without', { session: { tee: 'none' } }))
  await fetched(plain, none, ({ store }) => {
    const [output] = provenanceOf(user, { store, packages: index }).entries[0]?.outputs ?? []
    t.like(output?.kind === 'substituted' ? output.sessions[0] : {}, {
      simulated: false,
      tee: 'none',
      quote: { kind: 'none' },
    })
  })
  const demanding = paranoidWith({ minimumEvaluationNumber: 1000 })
  await fetched(demanding, honestScene, ({ planned, substitution }) => {
    t.is(planned.user, 'build')
    t.is(reasonText(user, substitution), 'its inputs are not accepted')
    t.regex(
      reasonText(base, substitution),
      /^1 of those who agree have to be in a TEE .*; the TEE of alice is not accepted .*evaluation-number/,
    )
  })
})

function sessionIn(value: unknown) {
  try {
    return parseSession(Buffer.from(JSON.stringify(value)))
  } catch {
    return undefined
  }
}

test('an evidence file decides as the caches did, and nothing in it is believed', (t) => {
  const verified = verifyEvidence(piecesOf(honestScene), paranoid)
  const options = { packages: index, policy: paranoid, memory: nothing, now: NOW }
  const first = decideOffline([user], { ...options, evidence: piecesOf(honestScene) })
  t.deepEqual(
    first.decisionsAbout(user).map(({ outcome }) => outcome.kind),
    ['accepted'],
  )
  const bytes = encodeEvidenceFile(verified, first.decisionsFor([user]))
  const evidence = parseEvidenceFile(bytes)
  t.deepEqual(encodeEvidenceFile(verifyEvidence(evidence, paranoid), first.decisionsFor([user])), bytes)
  const outcome = (given: Partial<Parameters<typeof decideOffline>[1]>) =>
    decideOffline([user], { ...options, evidence, ...given })
      .decisionsAbout(user)
      .map((one) => one.outcome.kind)
  t.deepEqual(outcome({}), ['accepted'])
  t.deepEqual(outcome({ now: NOW + 2 * 86_400 }), ['refused'], 'nobody has seen it lately')
  t.deepEqual(
    outcome({ policy: policyOf({ kind: 'paranoid' }) }),
    ['refused'],
    'whose log and whose TEE is for the policy to say',
  )
  for (const kind of new Set(evidence.map((piece) => piece.kind))) {
    t.deepEqual(outcome({ evidence: evidence.filter((piece) => piece.kind !== kind) }), ['refused'], kind)
  }
  // What this machine knows counts too: a tree of this size, other than that.
  const size = 1 + honestScene.entries.length
  const known = (log: ReturnType<typeof logOf>) => {
    const { checkpoint } = verifyInclusions(parseInclusions(log.inclusions(log.entries, size)), logKey.publicKey)
    return {
      ...nothing,
      knownLogs: new Map([[logKey.publicKey.name, { size: checkpoint.size, root: checkpoint.root }]]),
    }
  }
  t.deepEqual(outcome({ memory: known(logOf(honestScene.entries)) }), ['accepted'])
  t.deepEqual(outcome({ memory: known(logOf(honestScene.entries, logKey, 'a fork')) }), ['refused'])
  const root = paranoid.tee?.roots[0]?.digest ?? sha256Of('')
  t.deepEqual(outcome({ memory: { ...nothing, knownEvaluations: new Map([[root, 1_000_000]]) } }), ['refused'])
  t.throws(() => parseEvidenceFile(bytes.subarray(0, -1)), { code: 'ABN_BUNDLE_INVALID' })
  t.throws(() => parseEvidenceFile(Buffer.from('{}')), { code: 'ABN_BUNDLE_INVALID' })
})

test('from a proof for many entries the proof of each one', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 90 }),
        fc.array(fc.nat(1000), { minLength: 1, maxLength: 12 }),
        (size, picks) => {
          const entries = Array.from({ length: size }, (_, i) => Buffer.from(`entry ${i}`))
          const log = smallLog(logKey, entries)
          const wanted = picks.flatMap((pick) => entries[pick % size] ?? [])
          const inclusions = parseInclusions(log.inclusions(wanted))
          const { checkpoint } = verifyInclusions(inclusions, logKey.publicKey)
          const proofs = singleProofs(inclusions, checkpoint)
          return (
            proofs.size === new Set(wanted).size &&
            [...proofs].every(([at, proof]) => {
              const entry = entries[at] ?? Buffer.alloc(0)
              const again = parseLogProof(encodeLogProof(proof))
              const plain = log.proofFile(entry)
              return (
                verifyLogProof(again, entry, logKey.publicKey).index === at &&
                Buffer.from(encodeLogProof(proof)).equals(plain)
              )
            })
          )
        },
      ),
      { numRuns: 200 },
    ),
  )
})
