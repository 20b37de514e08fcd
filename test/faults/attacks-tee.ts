// Attacks with sessions and the evidence of a TEE. The client is one under `paranoid`: alice builds in a session in a simulated TEE, whose root
// the policy names, bob with his own key. Everything is logged and witnessed as it should be, so that only the session, its quote
// and what the maker of the TEE says about the platform are between the client and the binary.
import { reportDataOf } from '../../trust/session.ts'
import { mintSimulated, type SimulatedOptions, simulatedSerials } from '../../trust/tee/simulated.ts'
import { collateralIn, packed } from '../trust/world.ts'
import type { Attack } from './_support/attack.ts'
import { bundled } from './_support/hostile-cache.ts'
import {
  answer,
  byKey,
  bySession,
  DAY,
  honestScene,
  honestSession,
  lists,
  paranoid,
  paranoidWith,
  type Scene,
  sceneOf,
  sessionAt,
} from './_support/paranoid.ts'
import { alice, attestationBy, bob, NOW, user } from './_support/world.ts'

type Row = Pick<Attack, 'name' | 'does'> & Partial<Attack>

function row(one: Row): Attack {
  return { must: 'build', policy: paranoid, patient: true, caches: [], ...one, name: `tee: ${one.name}` }
}

/** Alice's session has this quote; the policy has to say why it does not count. */
function quoted(
  name: string,
  does: string,
  says: RegExp,
  quote: Partial<SimulatedOptions>,
  more: Partial<Row> = {},
): Attack {
  return row({ name, does, says, caches: [answer(sceneOf(sessionAt(alice, 'of alice', { quote })))], ...more })
}

/** Another quote or other collateral around a session that alice has really signed. */
function repacked(
  change: (minted: { quote: Uint8Array; collateral: Uint8Array }) => { quote: Uint8Array; collateral: Uint8Array },
): Scene {
  const quote = honestSession.document.quote ?? new Uint8Array()
  const changed = change({ quote, collateral: collateralIn(honestSession) })
  return sceneOf(packed(honestSession, { ...changed, checkpoint: null }))
}

/** The honest scene with other pieces in the place of collateral. */
function withCollateral(...collateral: readonly Uint8Array[]) {
  const pieces = [
    { kind: 'session', bytes: honestSession.document.bytes },
    ...collateral.map((bytes) => ({ kind: 'collateral', bytes })),
  ]
  return answer({ ...honestScene, session: { ...honestSession, evidence: pieces } })
}

function minted(options: Partial<SimulatedOptions>): Uint8Array {
  const reportData = reportDataOf(honestSession.signed.session)
  return mintSimulated({ now: NOW, machine: 'machine of of alice', reportData, ...options }).collateral
}

const another = sessionAt(alice, 'another session')
const flags = (text: string) => ({ tdAttributes: Uint8Array.fromHex(text) })
const register = new Uint8Array(48).fill(7)
const revokedPck = { pckCrl: { revoked: [simulatedSerials.pck] } }

export const attacksOnTees: readonly Attack[] = [
  row({
    name: 'nothing is wrong',
    does: 'under paranoid, all as it should be',
    must: 'fetch',
    caches: [answer(honestScene)],
  }),
  row({
    name: 'no TEE',
    does: 'alice and bob are honest, and neither is in a TEE',
    says: /tee-too-few/,
    caches: [answer(sceneOf(honestSession, [...byKey(alice), ...byKey(bob)]))],
  }),
  row({
    name: 'a TEE by word only',
    does: 'the session says that it is in a TEE, its document has no quote',
    says: /tee-too-few/,
    caches: [answer(sceneOf(sessionAt(alice, 'by word', { session: { tee: 'none' } })))],
  }),
  row({
    name: 'a TEE alone',
    does: 'alice in her TEE, and nobody else',
    says: /too-few/,
    caches: [answer(sceneOf(honestSession, [...bySession(honestSession)]))],
  }),

  quoted('a quote of another key', 'the quote binds the key of another session', /report-data/, {
    reportData: reportDataOf(another.signed.session),
  }),
  quoted('a quote of another configuration', 'the quote binds the same key, and another configuration', /report-data/, {
    reportData: reportDataOf({ ...honestSession.signed.session, configuration: another.document.digest }),
  }),
  quoted('no key in the quote', 'REPORTDATA is zero', /report-data/, { reportData: new Uint8Array(64) }),
  quoted('a debug TD', 'the TD can be debugged by its host', /"debug"/, { body: flags('0100001000000000') }),
  quoted('a TD that pages can surprise', 'SEPT_VE_DISABLE is off', /sept-ve-disable/, {
    body: flags('0000000000000000'),
  }),
  quoted('unknown attributes', 'an attribute that nobody knows', /unknown-attributes|open-attributes/, {
    body: flags('0000001000000001'),
  }),
  quoted('a measurement that is not known', 'another firmware', /"measurement"/, { body: { mrTd: register } }),
  quoted('another kernel', 'the firmware is right, RTMR1 is not', /"measurement"/, { body: { rtmr1: register } }),
  quoted('a service TD', 'another TD may take it over', /service-td|migratable/, {
    form: '5-td15',
    body: { mrServiceTd: register },
  }),
  quoted('a revoked platform', 'its certificate is on the list of its maker', /certificate-revoked/, {
    changes: revokedPck,
  }),
  quoted('a revoked level', 'the maker calls the level of the platform revoked', /tcb-revoked/, { securityVersion: 1 }),
  quoted('a platform out of date', 'the level is out of date, the policy wants up to date', /tcb-status/, {
    securityVersion: 2,
  }),
  quoted('a platform below every level', 'the maker has no level that is as old', /platform-tcb-unknown/, {
    securityVersion: 0,
  }),
  quoted('collateral that has expired', "the maker's word is forty days old", /expired/, { now: NOW - 40 * DAY }),
  quoted('collateral of the future', "the maker's word holds from next month on", /not-yet/, { now: NOW + 40 * DAY }),
  quoted(
    'an old evaluation',
    'the policy wants evaluation 99',
    /evaluation-number/,
    {},
    {
      policy: paranoidWith({ minimumEvaluationNumber: 99 }),
    },
  ),
  quoted('another simulated root', 'everybody can simulate a TEE', /root-unknown/, { seed: 'of an attacker' }),
  row({
    name: 'a simulated root that is not named',
    does: 'the policy names Intel only',
    says: /root-unknown/,
    policy: paranoidWith({ roots: ['intel'] }),
    caches: [answer(honestScene)],
  }),
  quoted(
    'a quote that was tampered with',
    'one bit of a register is changed after signing',
    /quote-signature/,
    {},
    {
      caches: [
        answer(
          repacked(({ quote, collateral }) => ({
            quote: quote.with(48 + 136, (quote[48 + 136] ?? 0) ^ 1),
            collateral,
          })),
        ),
      ],
    },
  ),
  quoted(
    'a quote with something behind it',
    'a byte after the end',
    /quote-trailing/,
    {},
    {
      caches: [
        answer(repacked(({ quote, collateral }) => ({ quote: Buffer.concat([quote, Buffer.of(1)]), collateral }))),
      ],
    },
  ),
  quoted(
    "a quote by somebody's own certificate",
    'the platform is one that a leaf certificate vouches for',
    /certificate|chain|crl|issuer/,
    {
      changes: { chains: { quote: ['stranger', 'pck', 'root'] } },
    },
  ),

  row({
    name: 'an evaluation rolled back',
    does: 'after collateral of evaluation 30, older collateral that calls the platform up to date',
    says: /evaluation-rollback/,
    // The newer one is seen with a session of alice's that signs nothing which would do.
    before: {
      evidence: bundled(
        [attestationBy(alice, user)],
        [...lists, ...sessionAt(alice, 'of alice', { quote: { evaluationNumber: 30 } }).evidence],
      ),
    },
    caches: [answer(honestScene)],
  }),
  row({
    name: 'newer collateral held back',
    does: 'one cache has collateral in which the platform is revoked, another only the older one',
    says: /certificate-revoked/,
    caches: [answer(honestScene), withCollateral(minted({ now: NOW + 3600, changes: revokedPck }))],
  }),
  row({
    name: 'two lists of one time',
    does: 'of two lists of revoked certificates that are equally new, only one has the platform',
    says: /certificate-revoked/,
    caches: [answer(honestScene), withCollateral(minted({ changes: revokedPck }))],
  }),
  row({
    name: 'collateral swapped for that of another root',
    does: 'the collateral is genuine, of another maker',
    says: /tee-too-few/,
    caches: [withCollateral(minted({ seed: 'of an attacker' }))],
  }),
  row({
    name: 'collateral swapped for that of another platform',
    does: 'the collateral is genuine, about another kind of platform',
    says: /tee-too-few/,
    caches: [withCollateral(minted({ changes: { tcbInfo: { fmspc: '0123456789AB' } } }))],
  }),
  row({
    name: 'no collateral',
    does: 'the collateral is held back',
    says: /collateral: missing/,
    caches: [withCollateral()],
  }),
  row({
    name: 'garbage beside collateral',
    does: 'the right collateral, that of others, and garbage',
    must: 'fetch',
    caches: [withCollateral(collateralIn(honestSession), minted({ seed: 'of an attacker' }), Buffer.from('garbage'))],
  }),
  row({
    name: 'a second document for one session',
    does: "somebody packs alice's session with a quote of his own, and logs that too",
    must: 'fetch',
    caches: [
      (() => {
        const mine = packed(honestSession, {
          quote: Buffer.from('a quote'),
          collateral: minted({ seed: 'x' }),
          checkpoint: null,
        })
        const entries = [...honestScene.entries, mine.document]
        const session = { ...honestSession, evidence: [...honestSession.evidence, ...mine.evidence] }
        return answer({ ...honestScene, session, entries })
      })(),
    ],
  }),
]
