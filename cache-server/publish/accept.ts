/**
 * Takes evidence into the cache: attestations and revocation lists that are signed by the operator who brings them. Each is
 * judged alone; what is taken is durable when this resolves, and repeating it does no harm.
 */
import { AbnError, type ErrorCode } from '../../format/errors.ts'
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import { storeHashFor, storeHashOf, storePathOf } from '../../format/store-path.ts'
import { type Attestation, parseAttestation, verifyAttestation } from '../../trust/attestation.ts'
import type { PublicKey } from '../../trust/key.ts'
import { parseRevocationList, revocationPayloadType, verifyRevocationList } from '../../trust/revocation.ts'
import type { Statement } from '../../trust/statement.ts'
import {
  attestationChanges,
  attestationKey,
  attestationsOf,
  blobRecord,
  type Claim,
  claimOf,
  divergenceRecord,
  encodeDivergence,
  hasDivergence,
  type Listed,
  listedOf,
  ownerKeyOf,
} from '../catalogue.ts'
import type { Pending } from '../log/sequencer.ts'
import type { Operators } from '../operators.ts'
import { type Queues, recipeQueueName } from '../queues.ts'
import { listRecord, takenBack } from '../revocations.ts'
import type { SessionUses } from '../session-uses.ts'
import { keyOfSession, sessionRecord } from '../sessions.ts'
import type { GroupCommit } from '../storage/group-commit.ts'
import type { Change, Index } from '../storage/index.ts'
import { revocationChanges } from './accept-revocations.ts'

export type Accepted =
  | { readonly status: 'accepted' | 'known'; readonly digest: Sha256; readonly divergent?: true }
  | { readonly status: 'refused'; readonly code: ErrorCode; readonly message: string }

export type Acceptor = {
  /**
   * `operator`: who brings it; undefined for a mirror, which takes the evidence of any registered operator. In the order of
   * the envelopes. Throws what the storage throws: then nothing is known of what was not acknowledged.
   */
  accept(envelopes: readonly Uint8Array[], operator: string | undefined): Promise<readonly Accepted[]>
}

export type AcceptorParts = {
  readonly index: Index
  readonly commits: GroupCommit
  readonly operators: Operators
  /** Shared with what collects garbage. */
  readonly queues: Queues
  readonly uses: SessionUses
  readonly log: EvidenceLog | undefined
  readonly attestationsPerRecipe: number
  readonly revocationBytesPerOperator: number
  readonly nowSeconds: () => number
  /** Called after each change of what is known of a recipe. */
  readonly changed: (recipe: RecipeHash | undefined) => void
}

/** Where evidence is noted that is to be logged: with the write that keeps it. */
export type EvidenceLog = {
  readonly key: PublicKey
  pending(entry: Pending): Change
  /** Of a session's document: also that a proof is to be kept when it is logged. */
  sessionPending(document: Sha256): readonly Change[]
  /** Gives what is pending its place. */
  sequence(): Promise<unknown>
  wake(): void
}

export function createAcceptor(parts: AcceptorParts): Acceptor {
  const { index, commits, operators, queues, nowSeconds, log } = parts

  async function accept(envelopes: readonly Uint8Array[], operator: string | undefined): Promise<readonly Accepted[]> {
    return Promise.all(envelopes.map((bytes) => acceptOne(bytes, operator)))
  }

  async function acceptOne(bytes: Uint8Array, operator: string | undefined): Promise<Accepted> {
    try {
      return await (isRevocationList(bytes) ? acceptRevocation(bytes, operator) : acceptAttestation(bytes, operator))
    } catch (error) {
      if (!(error instanceof AbnError) || isFault(error)) throw error
      return { status: 'refused', code: error.code, message: error.message }
    }
  }

  async function acceptAttestation(bytes: Uint8Array, operator: string | undefined): Promise<Accepted> {
    const parsed = parseAttestation(bytes)
    const { builder } = parsed.statement
    if (builder.kind === 'operator') return judge(parsed, operator)
    return parts.uses.hold(builder.session, () => judge(parsed, operator))
  }

  async function judge(parsed: Attestation, operator: string | undefined): Promise<Accepted> {
    const { key, by } = await signerOf(parsed.statement, operator)
    const attestation = verifyAttestation(parsed, key)
    requireOwnPaths(attestation.statement)
    if (attestation.statement.expires <= nowSeconds()) throw refused('it has expired')
    return queues(recipeQueueName(attestation.statement.recipe), () => store(attestation, by))
  }

  /** Whose key must have signed: the operator's, or that of a session which he has signed and in which the build lies. */
  async function signerOf(
    { builder, started, finished }: Statement,
    operator: string | undefined,
  ): Promise<{ readonly key: PublicKey; readonly by: string }> {
    if (builder.kind === 'operator') return { key: operators.ownerOf(builder.key, operator).key, by: builder.key }
    const session = await sessionRecord(index, builder.session)
    if (session === undefined) {
      const reason = `statement refused: its session ${builder.session.slice(0, 8)} is not known here`
      throw new AbnError('ABN_CACHE_STATEMENT_REFUSED', reason, { hint: 'send the session first' })
    }
    operators.ownerOf(session.operator, operator)
    if (started < session.from || finished > session.until) throw refused('the build does not lie in its session')
    const key = keyOfSession(session)
    if (key.id !== builder.key) throw refused('its key is not that of its session')
    return { key, by: session.operator }
  }

  async function store(attestation: Attestation, by: string): Promise<Accepted> {
    const { digest, statement } = attestation
    const now = nowSeconds()
    const others = await listedOf(index, statement.recipe)
    const claim = claimOf(statement, now, by)
    if (others.some((one) => one.digest === digest)) return { status: 'known', digest }
    requireRoom(others, claim)
    await requireAgreement(attestation)
    const changes: Change[] = [...attestationChanges(attestation, claim, others)]
    const divergence = await divergenceWith(others, { attestation, claim })
    if (divergence !== 'none' && (await index.get(divergenceRecord(statement.recipe))) === undefined) {
      changes.push({ kind: 'put', key: divergenceRecord(statement.recipe), value: encodeDivergence({ since: now }) })
    }
    // In the order in which they are written.
    if (log !== undefined) changes.push(log.pending({ digest, record: attestationKey(statement.recipe, digest) }))
    await commits.commit(changes)
    log?.wake()
    parts.changed(statement.recipe)
    return { status: 'accepted', digest, ...(divergence === 'open' ? { divergent: true } : {}) }
  }

  /** 'settled' when it is only with what was taken back. */
  async function divergenceWith(
    others: readonly Listed[],
    { attestation, claim }: { readonly attestation: Attestation; readonly claim: Claim },
  ): Promise<'none' | 'settled' | 'open'> {
    if (!hasDivergence([...others.map((one) => one.claim), claim])) return 'none'
    const isTakenBack = await takenBack(index, operators)
    const stored = await attestationsOf(index, [attestation.statement.recipe])
    const standing = stored.flatMap((one) => (isTakenBack(parseAttestation(one.bytes), one.claim) ? [] : [one.claim]))
    return !isTakenBack(attestation, claim) && hasDivergence([...standing, claim]) ? 'open' : 'settled'
  }

  /** Size and references of an archive that is here are facts. */
  async function requireAgreement({ statement }: Attestation): Promise<void> {
    for (const { digest, path, bytes, references } of statement.outputs) {
      const known = (await blobRecord(index, { kind: 'archive', digest }))?.archive
      if (known === undefined) continue
      const same = known.path === path && known.bytes === bytes && known.references.join() === references.join()
      if (!same) throw refused(`size, path or references of ${path} are not those of the archive ${digest}`)
    }
  }

  /** No operator can fill the answers of others. */
  function requireRoom(others: readonly Listed[], claim: Claim): void {
    const ownerOf = (one: Claim) => operators.byKey(ownerKeyOf(one))?.operator
    const owner = ownerOf(claim)
    const own = others.filter((one) => ownerOf(one.claim) === owner)
    if (own.length >= parts.attestationsPerRecipe) {
      throw new AbnError('ABN_CACHE_LIMIT', `${owner} has ${own.length} attestations of this recipe here`)
    }
  }

  async function acceptRevocation(bytes: Uint8Array, operator: string | undefined): Promise<Accepted> {
    const parsed = parseRevocationList(bytes)
    const owner = operators.ownerOf(parsed.envelope.keyId, operator)
    const verified = verifyRevocationList(parsed, owner.key)
    return queues(`revocations ${owner.operator}`, async () => {
      const maximumBytes = parts.revocationBytesPerOperator
      const changes = await revocationChanges(verified, owner, { index, operators, log, maximumBytes })
      if (changes === undefined) return { status: 'known', digest: verified.digest }
      const { digest, list } = verified
      await commits.commit([
        ...changes,
        ...(log === undefined ? [] : [log.pending({ digest, record: listRecord(list) })]),
      ])
      log?.wake()
      parts.changed(undefined)
      return { status: 'accepted', digest: verified.digest }
    })
  }

  return { accept }
}

/** A statement can speak of the store paths of its recipe and its inputs only, under the name that it gives. */
function requireOwnPaths({ recipe, name, version, outputs, inputs }: Statement): void {
  for (const { path, output } of outputs) {
    const expected = storePathOf(recipe, name, version, output)
    if (path !== expected) throw refused(`output ${output}: expected ${expected}, got ${path}`)
  }
  for (const input of inputs) {
    if (storeHashFor(input.recipe, input.output) !== storeHashOf(input.path)) {
      throw refused(`${input.path} is not the output ${input.output} of ${input.recipe}`)
    }
  }
}

/** A look only; what it is, the parser says. The text cannot stand anywhere else in an envelope that parses. */
function isRevocationList(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(`"payloadType":"${revocationPayloadType}"`)
}

function isFault({ code }: AbnError): boolean {
  return code === 'ABN_CACHE_FAULT' || code === 'ABN_CACHE_DATA'
}

function refused(reason: string): AbnError {
  return new AbnError('ABN_CACHE_STATEMENT_REFUSED', `statement refused: ${reason}`)
}
