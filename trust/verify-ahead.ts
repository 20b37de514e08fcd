/**
 * Shares with another thread the work of verifying many attestations: what comes out is the memory of a later verifyEvidence. Nothing is
 * refused here, and nothing decided: what is not in the memory is judged there as if this had never been.
 */
import { AbnError } from '../format/errors.ts'
import {
  type Attestation,
  attestationOf,
  type VerifyMany,
  verifyAttestation,
  verifyAttestations,
} from './attestation.ts'
import { digestOf, type Evidence, type Signer, signersOf, type VerificationMemory } from './evidence.ts'
import type { KeyId } from './key.ts'
import type { Policy } from './policy/policy.ts'

/** The other thread. */
export type Helper = {
  /** Whether it has little to do; meanwhile its answers come in. */
  readonly isFree: () => Promise<boolean>
  readonly verify: VerifyMany
}

/** Of what operators' own keys have signed, and came packed in a bundle. Never rejects for what came from outside, nor for the helper. */
export async function verifyAhead(
  evidence: readonly Evidence[],
  policy: Policy,
  helper: Helper,
): Promise<VerificationMemory> {
  const memory: VerificationMemory = new Map()
  const signers = signersOf(policy)
  const underWay: Promise<void>[] = []
  for (let i = 0; i < evidence.length; i += AT_A_TIME) {
    const some = evidence.slice(i, i + AT_A_TIME).flatMap((one) => signedIn(one, signers) ?? [])
    if (!(await helper.isFree())) {
      for (const one of some) remember(memory, one)
      continue
    }
    const verified = verifyAttestations(some, helper.verify).then((all) => {
      for (const attestation of all) memory.set(attestation.digest, attestation)
    })
    // One that is gone has verified nothing.
    underWay.push(verified.catch(() => {}))
  }
  await Promise.all(underWay)
  return memory
}

/** So few milliseconds that neither thread waits long for the other. */
const AT_A_TIME = 50

type Signed = { readonly attestation: Attestation; readonly key: Signer['key'] }

function signedIn(one: Evidence, signers: ReadonlyMap<KeyId, Signer>): Signed | undefined {
  const signer = one.envelope === undefined ? undefined : signers.get(one.envelope.keyId)
  if (one.kind !== 'attestation' || one.envelope === undefined || signer === undefined) return undefined
  const { envelope } = one
  return unlessWrong(() => ({ attestation: attestationOf(envelope, digestOf(one)), key: signer.key }))
}

function remember(memory: VerificationMemory, { attestation, key }: Signed): void {
  const verified = unlessWrong(() => verifyAttestation(attestation, key))
  if (verified !== undefined) memory.set(verified.digest, verified)
}

function unlessWrong<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch (error) {
    if (error instanceof AbnError) return undefined
    throw error
  }
}
