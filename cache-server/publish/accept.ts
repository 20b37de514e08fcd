/**
 * Takes evidence into the cache: attestations and revocation lists that are signed by the operator who brings them. Each is
 * judged alone; what is taken is durable when this resolves, and repeating it does no harm.
 */
import { AbnError, type ErrorCode } from '../../format/errors.ts'
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import { storeHashFor, storeHashOf, storePathOf } from '../../format/store-path.ts'
import { type Attestation, parseAttestation, verifyAttestation } from '../../trust/attestation.ts'
import { parseRevocationList, revocationPayloadType, verifyRevocationList } from '../../trust/revocation.ts'
import type { Statement } from '../../trust/statement.ts'
import {
  attestationChanges,
  attestationsOf,
  blobRecord,
  type Claim,
  claimOf,
  divergenceRecord,
  encodeDivergence,
  hasDivergence,
  type Listed,
  listedOf,
} from '../catalogue.ts'
import type { OperatorKey, Operators } from '../operators.ts'
import { type Queues, recipeQueueName } from '../queues.ts'
import { takenBack } from '../revocations.ts'
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
  readonly attestationsPerRecipe: number
  readonly revocationBytesPerOperator: number
  readonly nowSeconds: () => number
  /** Called after each change of what is known of a recipe. */
  readonly changed: (recipe: RecipeHash | undefined) => void
}

export function createAcceptor(parts: AcceptorParts): Acceptor {
  const { index, commits, operators, queues, nowSeconds } = parts

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
    const owner = signerOf(parsed.envelope.keyId, operator)
    const attestation = verifyAttestation(parsed, owner.key)
    requireOwnPaths(attestation.statement)
    if (attestation.statement.expires <= nowSeconds()) throw refused('it has expired')
    return queues(recipeQueueName(attestation.statement.recipe), () => store(attestation))
  }

  async function store(attestation: Attestation): Promise<Accepted> {
    const { digest, statement } = attestation
    const now = nowSeconds()
    const others = await listedOf(index, statement.recipe)
    const claim = claimOf(statement, now)
    if (others.some((one) => one.digest === digest)) return { status: 'known', digest }
    requireRoom(others, claim)
    await requireAgreement(attestation)
    const changes: Change[] = [...attestationChanges(attestation, now, others)]
    const divergence = await divergenceWith(others, { attestation, claim })
    if (divergence !== 'none' && (await index.get(divergenceRecord(statement.recipe))) === undefined) {
      changes.push({ kind: 'put', key: divergenceRecord(statement.recipe), value: encodeDivergence({ since: now }) })
    }
    await commits.commit(changes)
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
    const standing = stored.filter(({ bytes }) => !isTakenBack(parseAttestation(bytes))).map((one) => one.claim)
    return !isTakenBack(attestation) && hasDivergence([...standing, claim]) ? 'open' : 'settled'
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
    const owner = operators.byKey(claim.key)?.operator
    const own = others.filter((one) => operators.byKey(one.claim.key)?.operator === owner)
    if (own.length >= parts.attestationsPerRecipe) {
      throw new AbnError('ABN_CACHE_LIMIT', `${owner} has ${own.length} attestations of this recipe here`)
    }
  }

  async function acceptRevocation(bytes: Uint8Array, operator: string | undefined): Promise<Accepted> {
    const parsed = parseRevocationList(bytes)
    const owner = signerOf(parsed.envelope.keyId, operator)
    const verified = verifyRevocationList(parsed, owner.key)
    return queues(`revocations ${owner.operator}`, async () => {
      const maximumBytes = parts.revocationBytesPerOperator
      const changes = await revocationChanges(verified, owner, { index, operators, maximumBytes })
      if (changes === undefined) return { status: 'known', digest: verified.digest }
      await commits.commit(changes)
      parts.changed(undefined)
      return { status: 'accepted', digest: verified.digest }
    })
  }

  function signerOf(keyId: string, operator: string | undefined): OperatorKey {
    const owner = operators.byKey(keyId)
    if (owner === undefined) throw refused(`its key ${keyId.slice(0, 8)} is not registered here`)
    if (operator !== undefined && owner.operator !== operator) {
      throw new AbnError('ABN_CACHE_FOREIGN', `it is by ${owner.operator}, and was brought by ${operator}`)
    }
    return owner
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
