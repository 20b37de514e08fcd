// What attest and publish have in common: packages, the key that signs, and the statements of their closure.

import type { Evaluation } from '../../builder/evaluate/evaluation.ts'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import type { Attested, ClosureAttested } from '../../builder/service/attestations.ts'
import type { Store } from '../../store/store.ts'
import type { SecretKey } from '../../trust/secret-key.ts'
import { type Arguments, numberOption, type OptionTable, textOption } from '../args.ts'
import type { Surroundings } from '../commands.ts'
import { countText, type Output } from '../output.ts'
import { evaluationFor, storeFor } from '../session.ts'
import { keyOptions, passphraseFrom } from './passphrase.ts'

export const attestOptions: OptionTable = {
  ...keyOptions,
  'valid-days': { type: 'string', value: 'N', help: 'how long the statements hold (default 365)' },
}

const DAY = 86_400

export async function signerFor(args: Arguments, output: Output): Promise<SecretKey> {
  const { findKey, keyDirectoryFrom, openKey } = await import('../../builder/service/keys.ts')
  return openKey(findKey(keyDirectoryFrom(process.env), textOption(args, 'key')), passphraseFrom(args, output))
}

export type Attesting = ClosureAttested & {
  readonly store: Store
  readonly evaluation: Evaluation
  readonly signer: SecretKey
  readonly targets: readonly EvaluatedPackage[]
}

/** Signs what is not signed yet. */
export async function attestNamed(
  args: Arguments,
  names: readonly string[],
  { output, signal }: Pick<Surroundings, 'output' | 'signal'>,
): Promise<Attesting> {
  const validDays = numberOption(args, 'valid-days', { least: 1 }) ?? 365
  const { findPackage } = await import('../../builder/evaluate/find.ts')
  const { attestClosure } = await import('../../builder/service/attestations.ts')
  const { keyDirectoryFrom } = await import('../../builder/service/keys.ts')
  const { revokedKeys, revokedStatements } = await import('../../builder/service/revocations.ts')
  const { softwareOf } = await import('../../builder/service/statement.ts')
  const store = storeFor(args)
  const evaluation = await evaluationFor(args, signal)
  const targets: EvaluatedPackage[] = []
  for (const name of names) targets.push(await findPackage(evaluation, name))
  const signer = await signerFor(args, output)
  const closure = attestClosure(targets, {
    store,
    signer,
    revoked: revokedStatements(keyDirectoryFrom(process.env), signer.publicKey),
    revokedSessions: revokedKeys(keyDirectoryFrom(process.env), signer.publicKey),
    packages: evaluation,
    software: softwareOf(`${import.meta.dirname}/../..`),
    now: Math.floor(Date.now() / 1000),
    validSeconds: validDays * DAY,
  })
  for (const { reason } of closure.omitted.slice(0, 5)) output.note(`not attested: ${reason.message}`)
  if (closure.omitted.length > 5)
    output.note(`and ${countText(closure.omitted.length - 5, 'more package')} not attested`)
  return { ...closure, store, evaluation, signer, targets }
}

export function jsonOfAttested({ package: { derivation, recipeHash }, attestation, session, fresh }: Attested) {
  return {
    name: derivation.name,
    version: derivation.version,
    recipeHash,
    attestation: attestation.digest,
    statement: attestation.statementDigest,
    session: session?.session.digest ?? null,
    fresh,
    outputs: attestation.statement.outputs.map(({ output, path, digest }) => ({ output, path, digest })),
  }
}
