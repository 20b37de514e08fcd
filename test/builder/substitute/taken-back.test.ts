// What an operator takes back after something was fetched on the word of that operator.
import { spawnSync } from 'node:child_process'
import test from 'ava'
import { rememberRevocations } from '../../../builder/substitute/revocations.ts'
import { findTakenBack } from '../../../builder/substitute/taken-back.ts'
import { acceptedUnder } from '../../../builder/substitute/try-policy.ts'
import { whyOf } from '../../../builder/substitute/why.ts'
import type { Store } from '../../../store/store.ts'
import { verifyEvidence } from '../../../trust/evidence.ts'
import type { Policy } from '../../../trust/policy/policy.ts'
import { type RevocationList, signRevocationList } from '../../../trust/revocation.ts'
import type { SecretKey } from '../../../trust/secret-key.ts'
import { launcher } from '../../_support/channel.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { archives, bundled, startHostileCache } from '../../faults/_support/hostile-cache.ts'
import {
  alice,
  attempt,
  attestationBy,
  base,
  basePath,
  bob,
  carol,
  honest,
  mallory,
  NOW,
  policyOf,
  twoIndependent,
  user,
  userPath,
} from '../../faults/_support/world.ts'

type TakingBack = Partial<Pick<RevocationList, 'keys' | 'statements'>>

/** As when a cache brings the list with the answer to another question, days later. */
function learn(store: Store, signer: SecretKey, { keys = [], statements = [] }: TakingBack, policy: Policy): void {
  const issued = NOW + 5 * 86_400
  const { bytes } = signRevocationList(
    { format: 1, signer: signer.publicKey.id, version: issued, issued, expires: issued + 86_400, keys, statements },
    signer,
  )
  rememberRevocations(store, verifyEvidence([{ kind: 'revocation-list', bytes }], policy))
}

const statement = (signer: SecretKey, one: typeof base) => ({
  statement: attestationBy(signer, one).statementDigest,
  reason: 'bad memory',
})

async function fetched(policy: Policy, look: (store: Store) => void): Promise<void> {
  await using cache = await startHostileCache({ evidence: bundled(honest(alice, bob, carol)), archive: archives() })
  await attempt({ caches: [cache.address], policy }, ({ store, said }) => {
    if (!store.has(userPath)) throw new Error(said)
    look(store)
  })
}

test('statements that are taken back are told, and whether it matters', async (t) => {
  await fetched(twoIndependent, (store) => {
    const all = () => findTakenBack(store).all()
    t.deepEqual(all(), [])
    learn(store, carol, {}, twoIndependent)
    t.deepEqual(all(), [], 'a list that takes nothing back')
    learn(store, mallory, { statements: [statement(alice, base)] }, twoIndependent)
    learn(store, bob, { statements: [statement(alice, base)] }, twoIndependent)
    t.deepEqual(all(), [], 'nobody takes back what others say')

    learn(store, alice, { statements: [statement(alice, user)] }, twoIndependent)
    t.deepEqual(all(), [{ path: userPath, operators: ['alice'], isStillAccepted: true }])
    t.is(whyOf(store, basePath).takenBack, undefined)
    t.is(whyOf(store, userPath).decision?.outcome.kind, 'accepted', 'what was decided then stays what it was')

    learn(store, bob, { statements: [statement(bob, user)] }, twoIndependent)
    t.deepEqual(all(), [{ path: userPath, operators: ['alice', 'bob'], isStillAccepted: false }])
    t.deepEqual(whyOf(store, userPath).takenBack, all()[0])
    const accepted = acceptedUnder(store, twoIndependent, 'then').map(({ path, accepted: is }) => [path, is])
    t.deepEqual(
      new Map(accepted as [string, boolean][]),
      new Map([
        [basePath, true],
        [userPath, false],
      ]),
    )
  })
})

test('a key that is taken back takes all with it', async (t) => {
  const three = policyOf({ kind: 'factors', depth: 'outputs', factors: [{ kind: 'operators', atLeast: 3 }] })
  await fetched(three, (store) => {
    learn(store, carol, { keys: [{ key: carol.publicKey.id, reason: 'stolen' }] }, three)
    t.deepEqual(
      findTakenBack(store).all(),
      [basePath, userPath].sort().map((path) => ({ path, operators: ['carol'], isStillAccepted: false })),
    )
  })
})

test('what it was made from counts where the rule asks for that', async (t) => {
  const rule = (depth: string) =>
    policyOf({ kind: 'factors', depth, factors: [{ kind: 'operators', atLeast: 3 }, { kind: 'built' }] })
  for (const depth of ['outputs', 'inputs', 'seed']) {
    const policy = rule(depth)
    await fetched(policy, (store) => {
      learn(store, bob, { statements: [statement(bob, base)] }, policy)
      const expected = depth === 'outputs' ? [basePath] : [basePath, userPath].sort()
      t.deepEqual(
        findTakenBack(store).all(),
        expected.map((path) => ({ path, operators: ['bob'], isStillAccepted: false })),
        depth,
      )
    })
  }
})

test('doctor tells of it', async (t) => {
  const root = temporaryDirectory(t)
  await using cache = await startHostileCache({ evidence: bundled(honest(alice, bob, carol)), archive: archives() })
  const told = (): readonly (readonly [string, string])[] => {
    const env = { PATH: process.env.PATH, HOME: root, ABNPKG_ROOT: `${root}/root` }
    const { stdout } = spawnSync(launcher, ['doctor', '--offline', '--json'], { env, encoding: 'utf8' })
    const { findings }: { findings: { name: string; state: string; text: string }[] } = JSON.parse(stdout)
    return findings.flatMap(({ name, state, text }) => (name === 'revocations' ? [[state, text] as const] : []))
  }
  await attempt({ caches: [cache.address], root }, ({ store }) => {
    t.deepEqual(told(), [])
    learn(store, alice, { statements: [statement(alice, user)] }, twoIndependent)
    t.deepEqual(told(), [
      ['warning', '1 fetched item rests on what alice took back; the policy is satisfied without it'],
    ])
    learn(store, bob, { keys: [{ key: bob.publicKey.id, reason: 'stolen' }] }, twoIndependent)
    t.deepEqual(told(), [['wrong', `1 fetched item rests on what alice and bob took back, such as ${userPath}`]])
  })
})
