// What the tables beside this one leave out of what a hostile cache and hostile builders can do to a client.

import { preAuthenticationEncoding } from '../../trust/dsse.ts'
import type { Evidence } from '../../trust/evidence.ts'
import { statementPayloadType } from '../../trust/statement.ts'
import type { Attack } from './_support/attack.ts'
import { archives, bundled, send } from './_support/hostile-cache.ts'
import { bundleOf, honestBases, signed, textOf } from './_support/signed.ts'
import { alice, attestationBy, base, baseOutput, bob, packed, statedOf, user, userOutput } from './_support/world.ts'

function signedTwice(): Evidence {
  const text = textOf(alice)
  const message = preAuthenticationEncoding(statementPayloadType, Buffer.from(text))
  const signatures = [alice, alice].map((one) => ({
    keyid: one.publicKey.id,
    sig: Buffer.from(one.sign(message)).toString('base64'),
  }))
  const payload = Buffer.from(text).toString('base64')
  const bytes = Buffer.from(JSON.stringify({ payload, payloadType: statementPayloadType, signatures }))
  return { kind: 'attestation', bytes }
}

const swapped = [alice, bob].flatMap((signer) => [
  attestationBy(signer, base, {
    outputs: [{ ...statedOf(baseOutput), digest: userOutput.digest, bytes: userOutput.archive.length }],
  }),
  attestationBy(signer, user, {
    outputs: [{ ...statedOf(userOutput), digest: baseOutput.digest, bytes: baseOutput.archive.length }],
  }),
])

export const moreAttacks: readonly Attack[] = [
  {
    name: 'swapped outputs',
    does: 'two operators state the archive of each package under the path of the other',
    must: 'build',
    says: /not a name within/,
    caches: [{ evidence: bundled(swapped) }],
  },
  {
    name: 'swapped archives',
    does: 'honest statements, but the cache gives the archive of each package for that of the other',
    must: 'build',
    says: /not a name within|archive of|ABN_ARCHIVE|larger/,
    caches: [
      {
        evidence: bundled([alice, bob].flatMap((one) => [attestationBy(one, base), attestationBy(one, user)])),
        archive: archives({
          [baseOutput.digest]: (response) => send(response, packed(userOutput)),
          [userOutput.digest]: (response) => send(response, packed(baseOutput)),
        }),
      },
    ],
  },
  {
    name: 'duplicate signatures',
    does: "an envelope with alice's signature twice, past the columns that have room for one",
    must: 'build',
    says: /not a kind/,
    caches: [{ evidence: bundleOf([...honestBases, signed(alice, textOf(alice))], [signedTwice()]) }],
  },
  {
    name: 'one statement, two signers',
    does: "bob signs alice's own statement, which says that she has built it",
    must: 'build',
    says: /invalid ABN_STATEMENT_INVALID/,
    caches: [{ evidence: bundleOf([...honestBases, signed(alice, textOf(alice)), signed(bob, textOf(alice))]) }],
  },
]
