/**
 * The attestations of this machine, var/attestations/<recipe hash>-<key>.json: one envelope for each recipe and key, the newest.
 * Signing the same build again gives the attestation that is there, so that what was published once is known everywhere.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { AbnError } from '../../format/errors.ts'
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import type { Store } from '../../store/store.ts'
import { writeDurably } from '../../store/write-durably.ts'
import { attest, parseAttestation, type VerifiedAttestation, verifyAttestation } from '../../trust/attestation.ts'
import type { PublicKey } from '../../trust/key.ts'
import type { Signer } from '../../trust/secret-key.ts'
import { encodeStatement, type Statement } from '../../trust/statement.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import type { PackageIndex } from '../realise/plan.ts'
import { type StatementOptions, statementOf } from './statement.ts'

export type AttestOptions = Omit<StatementOptions, 'key'> & {
  readonly signer: Signer
  /** Statements that the signer has taken back. */
  readonly revoked?: ReadonlySet<Sha256> | undefined
}

export type Attested = {
  readonly package: EvaluatedPackage
  readonly attestation: VerifiedAttestation
  /** Whether it was signed now. */
  readonly fresh: boolean
}

export type ClosureAttested = {
  /** Inputs first. */
  readonly attested: readonly Attested[]
  /** What the packages were built from and cannot be attested here, with the reason. */
  readonly omitted: readonly { readonly package: EvaluatedPackage; readonly reason: AbnError }[]
}

/** Throws as statementOf does, and ABN_ATTEST_REVOKED. */
export function attestPackage(one: EvaluatedPackage, { signer, revoked, ...options }: AttestOptions): Attested {
  const { store, now, validSeconds } = options
  const statement = statementOf(one, { ...options, key: signer.publicKey.id })
  const known = readAttestation(store, one.recipeHash, signer.publicKey)
  if (known && isSameBuild(known.statement, statement)) {
    if (revoked?.has(known.statementDigest)) throw revokedError(known.statement)
    if (known.statement.expires - now > validSeconds / 4) return { package: one, attestation: known, fresh: false }
  }
  const attestation = attest(statement, signer)
  const path = pathOf(store, one.recipeHash, signer.publicKey)
  withDiskErrors(`cannot make ${directoryOf(store)}`, () => mkdirSync(directoryOf(store), { recursive: true }))
  writeDurably(path, attestation.bytes)
  return { package: one, attestation, fresh: true }
}

/**
 * The packages and all that they were built from, down to the seed. Throws for the packages themselves; what lies below and
 * cannot be attested (because it was substituted, or is gone from the store) is left out, with what only it was built from.
 */
export function attestClosure(
  targets: readonly EvaluatedPackage[],
  { packages, ...options }: AttestOptions & { readonly packages: PackageIndex },
): ClosureAttested {
  const attested = new Map<RecipeHash, Attested>()
  const omitted = new Map<RecipeHash, { readonly package: EvaluatedPackage; readonly reason: AbnError }>()
  const visit = (one: EvaluatedPackage, isTarget: boolean): void => {
    const { recipeHash, derivation } = one
    if (attested.has(recipeHash) || omitted.has(recipeHash)) return
    const own = attestOrReason(one, isTarget, options)
    if (own instanceof AbnError) {
      omitted.set(recipeHash, { package: one, reason: own })
      return
    }
    for (const input of derivation.inputs) {
      const next = packages.byHash(input.recipe)
      if (next) visit(next, false)
    }
    attested.set(recipeHash, own)
  }
  for (const target of targets) visit(target, true)
  return { attested: [...attested.values()], omitted: [...omitted.values()] }
}

/** Undefined when there is none, or when what is there is not one of this key: then it is signed anew. */
export function readAttestation(store: Store, recipe: RecipeHash, key: PublicKey): VerifiedAttestation | undefined {
  const path = pathOf(store, recipe, key)
  if (!existsSync(path)) return undefined
  try {
    return verifyAttestation(parseAttestation(readFileSync(path)), key)
  } catch (error) {
    if (error instanceof AbnError) return undefined
    throw error
  }
}

export function directoryOf({ root }: Store): string {
  return `${root}/var/attestations`
}

function pathOf(store: Store, recipe: RecipeHash, { id }: PublicKey): string {
  return `${directoryOf(store)}/${recipe}-${id.slice(0, 16)}.json`
}

function revokedError({ name, version }: Statement): AbnError {
  return new AbnError('ABN_ATTEST_REVOKED', `what was stated of this build of ${name} ${version} has been revoked`, {
    hint: 'remove it from the store and build it again',
  })
}

function attestOrReason(one: EvaluatedPackage, isTarget: boolean, options: AttestOptions): Attested | AbnError {
  try {
    return attestPackage(one, options)
  } catch (error) {
    if (!isTarget && error instanceof AbnError && error.code.startsWith('ABN_ATTEST_')) return error
    throw error
  }
}

/** All but how long it holds and what signs. */
function isSameBuild(known: Statement, made: Statement): boolean {
  const { expires, builder } = known
  return Buffer.from(encodeStatement(known)).equals(encodeStatement({ ...made, expires, builder }))
}
