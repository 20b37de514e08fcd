// Attacks with what is said: statements, signatures, revocations.

import { parseStorePath } from '../../format/store-path.ts'
import type { Evidence } from '../../trust/evidence.ts'
import { type RevocationList, signRevocationList } from '../../trust/revocation.ts'
import type { SecretKey } from '../../trust/secret-key.ts'
import type { Statement } from '../../trust/statement.ts'
import type { Attack } from './_support/attack.ts'
import { bundled } from './_support/hostile-cache.ts'
import {
  alice,
  alice2,
  attestationBy,
  base,
  baseOutput,
  basePath,
  bob,
  carol,
  honest,
  mallory,
  NOW,
  other,
  otherOutput,
  pathOf,
  policyOf,
  statedOf,
  user,
  userOutput,
} from './_support/world.ts'

const DAY = 86_400
const lie = { outputs: [statedOf(userOutput, { digest: otherOutput.digest })] }
const bases = [attestationBy(alice, base), attestationBy(bob, base)]
const all = honest(alice, bob, carol)

/** Both say the same of `user`, with changes. */
function both(changes: Partial<Statement>) {
  return [...bases, attestationBy(alice, user, changes), attestationBy(bob, user, changes)]
}

function revocations(signer: SecretKey, changes: Partial<RevocationList>): Evidence {
  const list = {
    format: 1,
    signer: signer.publicKey.id,
    version: 1,
    issued: NOW - DAY,
    expires: NOW + DAY,
    keys: [],
    statements: [],
    ...changes,
  } as const
  return { kind: 'revocation-list', bytes: signRevocationList(list, signer).bytes }
}

const revokesBob = revocations(bob, { version: 2, keys: [{ key: bob.publicKey.id, reason: 'lost' }] })
const withRevocations = policyOf({
  kind: 'factors',
  depth: 'outputs',
  factors: [
    { kind: 'operators', atLeast: 2 },
    { kind: 'revocations', within: 7 * DAY },
  ],
})
const inputsToo = policyOf({ kind: 'factors', depth: 'inputs', factors: [{ kind: 'operators', atLeast: 2 }] })

export const attacksOnEvidence: readonly Attack[] = [
  {
    name: 'a stranger lies',
    does: 'an operator whom nobody configured states another digest',
    must: 'fetch',
    says: /stranger/,
    caches: [{ evidence: bundled([...all, attestationBy(mallory, user, lie)]) }],
  },
  {
    name: 'only strangers',
    does: 'three strangers agree',
    must: 'build',
    says: /stranger/,
    caches: [{ evidence: bundled(honest(mallory)) }],
  },
  {
    name: 'one operator alone',
    does: 'the cache holds back what the others say',
    must: 'build',
    says: /too-few/,
    caches: [{ evidence: bundled(honest(alice)) }],
  },
  {
    name: 'k keys of one operator',
    does: 'alice signs with both of her keys',
    must: 'build',
    says: /too-few/,
    caches: [{ evidence: bundled(honest(alice, alice2)) }],
  },
  {
    name: 'one operator many times',
    does: 'alice signs three statements of different builds',
    must: 'build',
    says: /too-few/,
    caches: [
      {
        evidence: bundled([
          ...bases,
          ...['a', 'b', 'c'].map((invocation) => attestationBy(alice, user, { invocation })),
        ]),
      },
    ],
  },
  {
    name: 'an operator lies',
    does: 'carol states another digest than alice and bob',
    must: 'build',
    says: /divergence/,
    caches: [
      { evidence: bundled([...honest(alice, bob), attestationBy(carol, base), attestationBy(carol, user, lie)]) },
    ],
  },
  {
    name: 'the lie is elsewhere',
    does: 'one cache has alice and bob, another has the contradiction',
    must: 'build',
    says: /divergence/,
    caches: [{ evidence: bundled(honest(alice, bob)) }, { evidence: bundled([attestationBy(carol, user, lie)]) }],
  },
  {
    name: 'an expired lie',
    does: 'the contradiction is one that has expired: it counts against all the same',
    must: 'build',
    says: /divergence/,
    caches: [{ evidence: bundled([...honest(alice, bob), attestationBy(carol, user, { ...lie, expires: NOW - 1 })]) }],
  },
  {
    name: 'another size',
    does: 'carol states the same digest with another size',
    must: 'build',
    says: /divergence/,
    caches: [
      {
        evidence: bundled([
          ...honest(alice, bob),
          attestationBy(carol, user, { outputs: [statedOf(userOutput, { bytes: 1 })] }),
        ]),
      },
    ],
  },
  {
    name: 'other references',
    does: 'carol states the same digest with other references',
    must: 'build',
    says: /divergence/,
    caches: [
      {
        evidence: bundled([
          ...honest(alice, bob),
          attestationBy(carol, user, { outputs: [statedOf(userOutput, { references: [] })] }),
        ]),
      },
    ],
  },
  {
    name: 'an answer for another recipe',
    does: 'asked for one package, the cache answers for another',
    must: 'build',
    caches: [{ evidence: bundled([attestationBy(alice, other), attestationBy(bob, other)]) }],
  },
  {
    name: "another recipe's statement with our path",
    does: 'two operators sign our store path under the recipe hash of another package',
    must: 'build',
    caches: [
      {
        evidence: bundled([
          ...bases,
          ...[alice, bob].map((signer) => attestationBy(signer, user, { recipe: other.recipeHash })),
        ]),
      },
    ],
  },
  {
    name: 'a name squat',
    does: 'a statement for our recipe hash with the name of another package',
    must: 'build',
    says: /another-package/,
    caches: [{ evidence: bundled(both({ name: 'openssl' })) }],
  },
  {
    name: 'another system',
    does: 'a statement for another system',
    must: 'build',
    says: /another-package/,
    caches: [{ evidence: bundled(both({ system: 'aarch64-linux' })) }],
  },
  {
    name: 'other inputs',
    does: 'a statement that leaves out an input of the derivation',
    must: 'build',
    says: /another-derivation/,
    caches: [{ evidence: bundled(both({ inputs: [] })) }],
  },
  {
    name: 'a swapped path',
    does: 'our recipe hash, but the output of another package',
    must: 'build',
    says: /another-output/,
    caches: [{ evidence: bundled(both({ outputs: [statedOf(otherOutput)] })) }],
  },
  {
    name: 'replay',
    does: 'statements that have expired',
    must: 'build',
    says: /expired/,
    caches: [{ evidence: bundled(both({ expires: NOW - 1 })) }],
  },
  {
    name: 'a clock that runs ahead',
    does: 'statements from the future',
    must: 'build',
    says: /future/,
    caches: [{ evidence: bundled(both({ started: NOW + DAY, finished: NOW + DAY })) }],
  },
  {
    name: 'copied, not built',
    does: 'operators sign what they have only fetched themselves',
    must: 'build',
    says: /not-built/,
    caches: [{ evidence: bundled(both({ origin: 'substituted' })) }],
  },
  {
    name: 'an unknown kind of evidence',
    does: 'evidence of a later version beside the right one',
    must: 'fetch',
    says: /unknown-kind/,
    caches: [{ evidence: bundled(all, [{ kind: 'quantum-proof', bytes: Buffer.from('yes') }]) }],
  },
  {
    name: 'a reference to what it is not made from',
    does: 'two operators state a reference to a package that is no input',
    must: 'build',
    says: /"kind":"references"/,
    caches: [
      {
        evidence: bundled([
          ...both({ outputs: [statedOf(userOutput, { references: [basePath, pathOf(other)].sort() })] }),
          attestationBy(alice, other),
          attestationBy(bob, other),
        ]),
      },
    ],
  },
  {
    name: 'a reference that nobody makes',
    does: 'two operators state a reference to an unknown store path',
    must: 'build',
    says: /"kind":"references"/,
    caches: [
      {
        evidence: bundled(
          both({
            outputs: [statedOf(userOutput, { references: [parseStorePath(`/abn/store/${'a'.repeat(32)}-ghost-1`)] })],
          }),
        ),
      },
    ],
  },
  {
    name: 'a circle of references',
    of: 'base',
    does: 'two operators state that an input refers to what is made from it',
    must: 'build',
    says: /"kind":"references"/,
    caches: [
      {
        evidence: bundled([
          ...[alice, bob].map((signer) =>
            attestationBy(signer, base, { outputs: [statedOf(baseOutput, { references: [pathOf(user)] })] }),
          ),
          ...[alice, bob].map((signer) => attestationBy(signer, user)),
        ]),
      },
    ],
  },
  {
    name: 'a revoked key',
    does: 'statements by a key that its operator has taken back',
    must: 'build',
    says: /revoked-key/,
    caches: [{ evidence: bundled(honest(alice, bob), [revokesBob]) }],
  },
  {
    name: 'a revocation held back',
    does: 'the list that was seen yesterday is not shown today',
    must: 'build',
    says: /revoked-key/,
    before: { evidence: bundled([], [revokesBob]) },
    caches: [{ evidence: bundled(honest(alice, bob)) }],
  },
  {
    name: 'a revocation rolled back',
    does: 'an older list is shown in place of the one that was seen',
    must: 'build',
    says: /revoked-key/,
    before: { evidence: bundled([], [revokesBob]) },
    caches: [{ evidence: bundled(honest(alice, bob), [revocations(bob, {})]) }],
  },
  {
    name: "a stranger's revocation",
    does: "mallory revokes bob's key",
    must: 'fetch',
    caches: [
      {
        evidence: bundled(honest(alice, bob), [
          revocations(mallory, { keys: [{ key: bob.publicKey.id, reason: 'no' }] }),
        ]),
      },
    ],
  },
  {
    name: "one operator revokes another's key",
    does: "carol revokes bob's key",
    must: 'fetch',
    caches: [
      {
        evidence: bundled(honest(alice, bob), [
          revocations(carol, { keys: [{ key: bob.publicKey.id, reason: 'no' }] }),
        ]),
      },
    ],
  },
  {
    name: 'freeze',
    does: 'only revocation lists of last month are shown',
    must: 'build',
    says: /revocations-missing/,
    policy: withRevocations,
    caches: [
      {
        evidence: bundled(
          honest(alice, bob),
          [alice, bob].map((signer) => revocations(signer, { issued: NOW - 40 * DAY, expires: NOW - 30 * DAY })),
        ),
      },
    ],
  },
  {
    name: 'no revocations at all',
    does: 'the lists are held back under a policy that wants them',
    must: 'build',
    says: /revocations-missing/,
    policy: withRevocations,
    caches: [{ evidence: bundled(honest(alice, bob)) }],
  },
  {
    name: 'a package from source only',
    does: 'everybody agrees on what the policy wants from source',
    must: 'build',
    says: /source-only/,
    policy: policyOf({ kind: 'two-independent' }, { user: { kind: 'source-only' } }),
    caches: [{ evidence: bundled(all) }],
  },
  {
    name: 'an input that is not accepted',
    does: 'one operator alone attests the input',
    must: 'build',
    says: /input-not-accepted/,
    policy: inputsToo,
    caches: [
      { evidence: bundled([attestationBy(alice, base), ...[alice, bob].map((signer) => attestationBy(signer, user))]) },
    ],
  },
  {
    name: 'built from other inputs',
    does: 'the statements name an input digest that is not the accepted one',
    must: 'build',
    says: /inputs-not-accepted/,
    policy: inputsToo,
    caches: [
      {
        evidence: bundled(
          both({ inputs: [{ path: basePath, recipe: base.recipeHash, output: 'out', digest: otherOutput.digest }] }),
        ),
      },
    ],
  },
]
