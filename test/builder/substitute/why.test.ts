// What can be told afterwards: signed summaries, the chain of custody in other people's formats, conflicts, other policies.
import test from 'ava'
import {
  noteBuilds,
  readBuiltNote,
  readDecisionRecord,
  replayRecord,
} from '../../../builder/substitute/decision-records.ts'
import { listDivergences, readDivergence } from '../../../builder/substitute/divergences.ts'
import { cyclonedxOf, provenanceOf, slsaOf } from '../../../builder/substitute/provenance.ts'
import { acceptedUnder } from '../../../builder/substitute/try-policy.ts'
import { signedSummaryOf, verificationSummaryOf, whyOf } from '../../../builder/substitute/why.ts'
import { parseCanonicalJson } from '../../../format/canonical-json.ts'
import { parseAttestation, verifyAttestation } from '../../../trust/attestation.ts'
import { parseEnvelope, verifyEnvelope } from '../../../trust/dsse.ts'
import { archives, bundled, startHostileCache } from '../../faults/_support/hostile-cache.ts'
import {
  alice,
  attempt,
  attestationBy,
  base,
  baseOutput,
  basePath,
  bob,
  carol,
  honest,
  mallory,
  other,
  otherOutput,
  policyOf,
  statedOf,
  user,
  userOutput,
  userPath,
} from '../../faults/_support/world.ts'

const packages = new Map([base, user].map((one) => [one.recipeHash, one]))
const index = { byHash: (hash: (typeof user)['recipeHash']) => packages.get(hash) }

test('the decision as a summary, signed; the chain of custody as SLSA and CycloneDX; another policy', async (t) => {
  await using cache = await startHostileCache({ evidence: bundled(honest(alice, bob, carol)), archive: archives() })
  await attempt({ caches: [cache.address] }, ({ store, said }) => {
    t.true(store.has(userPath), said)
    const why = whyOf(store, userPath)

    const envelope = parseEnvelope(signedSummaryOf(why, mallory) ?? new Uint8Array())
    t.notThrows(() => verifyEnvelope(envelope, mallory.publicKey))
    t.throws(() => verifyEnvelope(envelope, alice.publicKey), { code: 'ABN_SIGNATURE_INVALID' })
    const summary = parseCanonicalJson(envelope.payload)
    t.deepEqual(summary, JSON.parse(JSON.stringify(verificationSummaryOf(why, mallory.publicKey))))
    t.like(summary, {
      subject: [{ name: userPath, digest: { sha256: userOutput.digest } }],
      predicateType: 'https://slsa.dev/verification_summary/v1',
      predicate: {
        verifier: { id: `abnpkg:client/${mallory.publicKey.id}` },
        verificationResult: 'PASSED',
        verifiedLevels: ['ABNPKG_OPERATORS_3'],
      },
    })
    t.like(verificationSummaryOf(why), { predicate: { verifier: { id: 'abnpkg:client' } } })

    const chain = provenanceOf(user, { store, packages: index })
    const statements = slsaOf(chain).map((one) => parseAttestation(Buffer.from(JSON.stringify(one))))
    t.is(statements.length, 6)
    for (const one of statements) {
      const key = [alice, bob, carol].find(({ publicKey }) => publicKey.id === one.envelope.keyId)
      t.notThrows(() => key && verifyAttestation(one, key.publicKey))
    }
    requireBom(
      t,
      cyclonedxOf(chain),
      [base, user].map(({ recipeHash }) => recipeHash),
    )

    const accepted = (policy: Parameters<typeof acceptedUnder>[1]) =>
      acceptedUnder(store, policy, 1_800_000_000).map((one) => one.accepted)
    const atLeast = (count: number) => ({
      kind: 'factors',
      depth: 'outputs',
      factors: [{ kind: 'operators', atLeast: count }],
    })
    t.deepEqual(accepted(policyOf(atLeast(3))), [true, true])
    t.deepEqual(accepted(policyOf(atLeast(4))), [false, false])
    const own = policyOf(atLeast(3), { user: { kind: 'source-only' } })
    const byPath = acceptedUnder(store, own, 1_800_000_000).map(({ path, accepted: is }) => `${path} ${is}`)
    t.deepEqual([...byPath].sort(), [`${basePath} true`, `${userPath} false`].sort())

    const { origin } = store.readItem(userPath)
    const record = readDecisionRecord(store, origin.kind === 'substituted' ? origin.decision : baseOutput.digest)
    t.is(record.evidence.length, 6)
    t.is(replayRecord(record, userPath).outcome.kind, 'accepted')
  })
})

/** What CycloneDX 1.6 asks of such a document (bom-1.6.schema.json), as far as we use it. */
function requireBom(
  t: { is(a: unknown, b: unknown): void; deepEqual(a: unknown, b: unknown): void; true(a: boolean): void },
  bom: ReturnType<typeof cyclonedxOf>,
  recipes: readonly string[],
): void {
  t.is(bom.bomFormat, 'CycloneDX')
  t.is(bom.specVersion, '1.6')
  t.true(Number.isInteger(bom.version) && bom.version >= 1)
  const components = [bom.metadata.component, ...bom.components]
  const refs = components.map((one) => one['bom-ref'])
  t.deepEqual([...refs].sort(), [...recipes].sort())
  for (const one of components) {
    t.true(['application', 'library', 'file'].includes(one.type) && one.name !== '' && one.version !== '')
    for (const { name, value } of one.properties) t.true(name !== '' && typeof value === 'string')
    for (const licence of one.licenses ?? []) t.deepEqual(Object.keys(licence), ['expression'])
  }
  t.deepEqual(bom.dependencies.map(({ ref }) => ref).sort(), [...recipes].sort())
  for (const { dependsOn } of bom.dependencies) t.true(dependsOn.every((ref) => refs.includes(ref)))
}

test('what operators state differently is kept, also where nothing is built', async (t) => {
  const said = [
    attestationBy(alice, other),
    attestationBy(bob, other, { outputs: [statedOf({ ...otherOutput, digest: userOutput.digest })] }),
  ]
  await using cache = await startHostileCache({ evidence: bundled(said), archive: archives() })
  await attempt({ caches: [cache.address], targets: [other] }, ({ planned, substitution, store }) => {
    t.deepEqual(planned, { other: 'build' })
    t.deepEqual(listDivergences(store), [], 'nothing is written by looking')
    t.deepEqual(substitution.keepConflicts(), [otherOutput.path])
    t.deepEqual(substitution.keepConflicts(), [], 'it is new once')
    const kept = readDivergence(store, otherOutput.path)
    t.is(kept?.built, null)
    const sides = kept?.sides.map(({ digest, operators, attestations }) => [digest, operators, attestations.length])
    const expected = [
      [otherOutput.digest, ['alice'], 1],
      [userOutput.digest, ['bob'], 1],
    ]
    t.deepEqual(sides, expected.sort())
    substitution.noteBuilt(
      [{ ...builtItem, path: otherOutput.path, recipe: other.recipeHash, outputDigest: otherOutput.digest }],
      undefined,
    )
    t.is(readDivergence(store, otherOutput.path)?.built, otherOutput.digest)
    t.deepEqual(substitution.keepConflicts(), [], 'what was built stays known')
    t.is(readDivergence(store, otherOutput.path)?.built, otherOutput.digest)
  })
})

const builtItem = {
  format: 1,
  name: 'other',
  version: '1',
  output: 'out',
  bytes: 1,
  references: [],
  origin: {
    kind: 'built',
    at: 1,
    seconds: 1,
    system: 'x86_64-linux',
    resolved: baseOutput.digest,
    inputs: [],
    log: '',
  },
} as const

test('why it was built is noted, and forgotten when it is built without a reason', async (t) => {
  await attempt({ caches: [] }, ({ store }) => {
    noteBuilds(store, [basePath], undefined)
    t.is(readBuiltNote(store, basePath), undefined)
    noteBuilds(store, [basePath, userPath], 'source-only')
    t.deepEqual(readBuiltNote(store, userPath), { because: 'source-only', record: null })
    noteBuilds(store, [userPath], undefined)
    t.is(readBuiltNote(store, userPath), undefined)
    t.is(readBuiltNote(store, basePath)?.because, 'source-only')
  })
})
