/**
 * The attestations of this machine, var/attestations/<recipe hash>-<key>.json: one envelope for each recipe and operator's key, the
 * newest, signed by that key or by a session of its operator. What was built within a session of this process is signed by the
 * session, everything else by the operator's key. Signing the same build again gives the attestation that is there, whoever of the
 * two signed it, so that what was published once is known everywhere, and a builder that starts anew has nothing to sign anew.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { AbnError } from '../../format/errors.ts'
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import type { Store } from '../../store/store.ts'
import { temporaryPrefix, writeDurably } from '../../store/write-durably.ts'
import { attest, parseAttestation, type VerifiedAttestation, verifyAttestation } from '../../trust/attestation.ts'
import type { KeyId, PublicKey } from '../../trust/key.ts'
import type { RevocationList } from '../../trust/revocation.ts'
import type { Signer } from '../../trust/secret-key.ts'
import { encodeStatement, type Statement } from '../../trust/statement.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import type { PackageIndex } from '../realise/plan.ts'
import { type KeptSession, type KeptSessions, openKeptSessions } from '../session/kept.ts'
import { type StatementOptions, statementOf } from './statement.ts'

export type AttestOptions = Omit<StatementOptions, 'key'> & {
  /** The operator's key. */
  readonly signer: Signer
  /** Statements that the signer has taken back. */
  readonly revoked?: ReadonlySet<Sha256> | undefined
  /** Keys of sessions that the signer has taken back, and all that they signed. */
  readonly revokedSessions?: ReadonlySet<KeyId> | undefined
  /** The session within which this process has built it, and which can still sign. */
  readonly sessionOf?: ((recipe: RecipeHash) => SigningSession | undefined) | undefined
  /** Sessions of this operator; looked up in the store unless they are given. */
  readonly kept?: KeptSessions | undefined
}

export type SigningSession = { readonly kept: KeptSession; readonly signer: Signer }

export type Attested = {
  readonly package: EvaluatedPackage
  readonly attestation: VerifiedAttestation
  /** Which session signed; undefined: the operator's key. */
  readonly session?: KeptSession | undefined
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
export function attestPackage(one: EvaluatedPackage, options: AttestOptions): Attested {
  const { signer, revoked, revokedSessions, sessionOf, ...about } = options
  const { store, now, validSeconds } = options
  const kept = options.kept ?? openKeptSessions(store, signer.publicKey)
  const made = statementOf(one, { ...about, key: signer.publicKey.id })
  const known = readAttestation(store, one.recipeHash, { key: signer.publicKey, kept })
  if (known && isSameBuild(known.attestation.statement, made)) {
    const { attestation } = known
    const { statement, statementDigest } = attestation
    if (revoked?.has(statementDigest) || revokedSessions?.has(statement.builder.key)) throw revokedError(statement)
    if (statement.expires - now > validSeconds / 4) return { package: one, ...known, fresh: false }
  }
  const session = sessionOf?.(one.recipeHash)
  if (session && revokedSessions?.has(session.signer.publicKey.id)) throw revokedError(made)
  const signed = session && withinSession(made, session)
  const attestation = signed && session ? attest(signed, session.signer) : attest(made, signer)
  const path = pathOf(store, one.recipeHash, signer.publicKey)
  withDiskErrors(`cannot make ${directoryOf(store)}`, () => mkdirSync(directoryOf(store), { recursive: true }))
  writeDurably(path, attestation.bytes)
  return { package: one, attestation, fresh: true, ...(signed && session ? { session: session.kept } : {}) }
}

/**
 * The packages and all that they were built from, down to the seed. Throws for the packages themselves; what lies below and
 * cannot be attested (because it was substituted, or is gone from the store) is left out, with what only it was built from.
 */
export function attestClosure(
  targets: readonly EvaluatedPackage[],
  { packages, ...given }: AttestOptions & { readonly packages: PackageIndex },
): ClosureAttested {
  const kept = given.kept ?? openKeptSessions(given.store, given.signer.publicKey)
  const options = { ...given, kept }
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

type Known = { readonly attestation: VerifiedAttestation; readonly session?: KeptSession }

/** Undefined when there is none, or when what is there is not of this operator: then it is signed anew. */
function readAttestation(
  store: Store,
  recipe: RecipeHash,
  { key, kept }: { readonly key: PublicKey; readonly kept: KeptSessions },
): Known | undefined {
  const path = pathOf(store, recipe, key)
  if (!existsSync(path)) return undefined
  try {
    const attestation = parseAttestation(readFileSync(path))
    const { builder } = attestation.statement
    if (builder.kind === 'operator') return { attestation: verifyAttestation(attestation, key) }
    const session = kept.find(builder.session)
    if (session === undefined) return undefined
    return { attestation: verifyAttestation(attestation, session.session.session.key), session }
  } catch (error) {
    if (error instanceof AbnError) return undefined
    throw error
  }
}

/** Whether the attestation that is kept of a recipe is among what its operator has taken back. */
export function isTakenBack(
  store: Store,
  recipe: RecipeHash,
  { key, revoked }: { readonly key: PublicKey; readonly revoked: RevocationList },
): boolean {
  const path = pathOf(store, recipe, key)
  if (!existsSync(path)) return false
  try {
    const { statement, statementDigest } = parseAttestation(readFileSync(path))
    const isKeyRevoked = revoked.keys.some((one) => one.key === statement.builder.key)
    return isKeyRevoked || revoked.statements.some((one) => one.statement === statementDigest)
  } catch (error) {
    if (error instanceof AbnError) return false
    throw error
  }
}

/** Sessions that attestations of this store refer to, whichever operator's. */
export function usedSessions(store: Store): ReadonlySet<Sha256> {
  const directory = directoryOf(store)
  if (!existsSync(directory)) return new Set()
  const names = readdirSync(directory).filter((name) => !name.startsWith(temporaryPrefix))
  return new Set(names.flatMap((name) => sessionNamedIn(`${directory}/${name}`) ?? []))
}

function sessionNamedIn(path: string): Sha256 | undefined {
  try {
    const { builder } = parseAttestation(readFileSync(path)).statement
    return builder.kind === 'session' ? builder.session : undefined
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
    hint: '`abnpkg gc` removes it from the store, and a running builder then builds and states it anew',
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

/** All but how long it holds, what signs, and when it is said to have begun; `invocation` tells one build from another. */
function isSameBuild(known: Statement, made: Statement): boolean {
  const { expires, builder, started } = known
  if (known.finished !== made.finished) return false
  return Buffer.from(encodeStatement(known)).equals(encodeStatement({ ...made, expires, builder, started }))
}

/**
 * As the session says it. Undefined when its times do not fit, which takes a clock that was set meanwhile. The build is known to have begun
 * after the session; by the store's whole seconds it may seem a second earlier.
 */
function withinSession(made: Statement, { kept: { session }, signer }: SigningSession): Statement | undefined {
  const { from, until } = session.session
  if (made.finished < from || made.finished > until) return undefined
  const { software } = made.builder
  const builder = { kind: 'session', key: signer.publicKey.id, session: session.digest, software } as const
  return { ...made, started: Math.max(made.started, from), builder }
}
