/**
 * Takes sessions of builders: documents whose session a registered operator has signed, with the collateral that they name, and
 * later with newer collateral of the same family. Quotes and collateral are read, and verified by whoever relies on them.
 */
import { AbnError } from '../../format/errors.ts'
import { type Sha256, sha256Of } from '../../format/hash.ts'
import { utf8 } from '../../trust/bytes.ts'
import type { Evidence } from '../../trust/evidence.ts'
import { encodePublicKey } from '../../trust/key.ts'
import { parseCheckpoint } from '../../trust/log/checkpoint.ts'
import { leafHash, verifyInclusion } from '../../trust/log/merkle.ts'
import { parseLogProof } from '../../trust/log/proof-file.ts'
import { verifySession } from '../../trust/session.ts'
import { documentOfProof, parseSessionDocument, type SessionDocument } from '../../trust/session-evidence.ts'
import { type Collateral, encodeCollateral, parseCollateral } from '../../trust/tee/collateral.ts'
import { datesOf, familyOf } from '../../trust/tee/collateral-family.ts'
import type { OperatorKey, Operators } from '../operators.ts'
import type { Queues } from '../queues.ts'
import {
  allSessions,
  collateralBytes,
  collateralChanges,
  collateralEnd,
  type DocumentRecord,
  documentKey,
  documentUser,
  encodeProof,
  newestChanges,
  newestCollateral,
  newestUser,
  proofsChange,
  proofsOf,
  type SessionRecord,
  sessionChange,
  sessionRecord,
  sessionsQueue,
} from '../sessions.ts'
import type { GroupCommit } from '../storage/group-commit.ts'
import type { Change, Index } from '../storage/index.ts'
import type { Accepted, EvidenceLog } from './accept.ts'

export type SessionAcceptor = {
  /** As the acceptor of envelopes judges; throws what is refused. `collateral`: texts, of which those are kept that it needs. */
  accept(
    document: Uint8Array,
    collateral: readonly Uint8Array[],
    operator: string | undefined,
  ): Promise<Extract<Accepted, { digest: Sha256 }>>
  /** What a mirror or an import finds among other evidence. Resolves to how many documents were new, and how many refused. */
  take(
    evidence: readonly Evidence[],
  ): Promise<{ readonly accepted: number; readonly known: number; readonly refused: number }>
  /** To be called after some were removed. */
  recount(): void
}

export type SessionParts = {
  readonly index: Index
  readonly commits: GroupCommit
  readonly operators: Operators
  readonly queues: Queues
  readonly log: EvidenceLog | undefined
  readonly sessionsPerOperator: number
  readonly sessionBytesPerOperator: number
  readonly collateralBytes: number
  readonly nowSeconds: () => number
  readonly changed: () => void
}

type Read = { readonly digest: Sha256; readonly bytes: Uint8Array; readonly family: Sha256; readonly issued: number }

export function createSessionAcceptor(parts: SessionParts): SessionAcceptor {
  const { index, commits, operators, queues, log, nowSeconds } = parts
  /** Sessions and bytes of each operator; made when it is first needed. */
  let counts: Map<string, { sessions: number; bytes: number }> | undefined

  /** The last ones, by the hash of what was read: a mirror meets the same again and again. */
  const memory = new Map<Sha256, Read>()

  function read(text: Uint8Array, maximum = parts.collateralBytes): Read {
    const name = sha256Of(text)
    const known = memory.get(name)
    if (known !== undefined) return known
    const fresh = readCollateral(text, maximum)
    for (const oldest of memory.keys()) {
      if (memory.size < REMEMBERED) break
      memory.delete(oldest)
    }
    memory.set(name, fresh)
    return fresh
  }

  async function acceptRead(bytes: Uint8Array, given: readonly Read[], operator: string | undefined) {
    const document = parseSessionDocument(bytes)
    const { session } = document.session
    const owner = operators.ownerOf(session.operator, operator)
    verifySession(document.session, owner.key)
    if (operators.byKey(session.key.id) !== undefined) throw refused('its key is that of an operator')
    return queues(sessionsQueue, () => store(document, given, { owner, direct: operator !== undefined }))
  }

  type Bringing = { readonly owner: OperatorKey; readonly direct: boolean }

  async function store(document: SessionDocument, given: readonly Read[], { owner, direct }: Bringing) {
    const { digest, session } = document
    const record = (await sessionRecord(index, session.digest)) ?? emptyRecord(document)
    const known = record.documents.find((one) => one.digest === digest)
    const named = await namedCollateral(document, given)
    const changes: Change[] = []
    let counted = (): void => {}
    if (known === undefined) {
      const added = await addition(document, named, direct)
      counted = await requireRoom(record, added, { operator: owner.operator, direct })
      changes.push(sessionChange(session.digest, { ...record, documents: [...record.documents, added] }))
      changes.push({ kind: 'put', key: documentKey(digest), value: document.bytes })
      if (named !== undefined) changes.push(...collateralChanges(named.digest, named.bytes, documentUser(digest)))
    } else if (direct && !known.direct) {
      const documents = record.documents.map((one) => (one === known ? { ...one, direct } : one))
      changes.push(sessionChange(session.digest, { ...record, documents }))
    }
    if (named !== undefined) changes.push(...(await newer(owner, named, given)))
    if (known === undefined && log !== undefined) changes.push(...log.sessionPending(digest))
    if (changes.length > 0) {
      await commits.commit(changes)
      counted()
      log?.wake()
      parts.changed()
    }
    return { status: known === undefined ? 'accepted' : 'known', digest } as const
  }

  async function namedCollateral({ collateral }: SessionDocument, given: readonly Read[]): Promise<Read | undefined> {
    if (collateral === null) return undefined
    const found = given.find(({ digest }) => digest === collateral)
    if (found !== undefined) return found
    const bytes = await collateralBytes(index, collateral)
    if (bytes === undefined) throw refused(`the collateral ${collateral} is not here and did not come with it`)
    return read(bytes, Number.POSITIVE_INFINITY)
  }

  /** The newest of the family takes the place of the one that was the newest, if that is older. */
  async function newer({ key }: OperatorKey, named: Read, given: readonly Read[]): Promise<readonly Change[]> {
    const { family } = named
    const user = newestUser(key.id, family)
    const digest = await newestCollateral(index, key.id, family)
    const bytes = digest === undefined ? undefined : await collateralBytes(index, digest)
    const before = bytes === undefined ? undefined : read(bytes, Number.POSITIVE_INFINITY)
    const latest = nowSeconds() + DAY_SECONDS
    const newest = [named, ...given]
      .filter((one) => one.family === family && one.issued <= latest)
      .reduce((best: Read | undefined, one) => (best === undefined || one.issued > best.issued ? one : best), before)
    if (newest === undefined || newest === before) return []
    return [
      ...(before === undefined ? [] : await collateralEnd(index, before.digest, user)),
      ...collateralChanges(newest.digest, newest.bytes, user),
      ...newestChanges(key.id, family, newest.digest),
    ]
  }

  async function addition(
    document: SessionDocument,
    named: Read | undefined,
    direct: boolean,
  ): Promise<DocumentRecord> {
    const isNew = named !== undefined && (await collateralBytes(index, named.digest)) === undefined
    return {
      digest: document.digest,
      bytes: document.bytes.length + (isNew ? named.bytes.length : 0),
      direct,
      collateral: named === undefined ? null : { digest: named.digest, family: named.family },
    }
  }

  /**
   * No operator fills the disk, and what a mirror finds does not keep out what an operator brings. Resolves to what is to be called when it
   * is written.
   */
  async function requireRoom(
    { documents }: SessionRecord,
    added: DocumentRecord,
    { operator, direct }: { readonly operator: string; readonly direct: boolean },
  ): Promise<() => void> {
    const rivals = direct ? documents.filter((one) => one.direct) : documents
    if (rivals.length >= DOCUMENTS_PER_SESSION) throw tooMuch(`there are ${rivals.length} documents of this session`)
    counts ??= await count(index, operators)
    const all = counts.get(operator) ?? { sessions: 0, bytes: 0 }
    const isNew = documents.length === 0
    if (isNew && all.sessions >= parts.sessionsPerOperator)
      throw tooMuch(`${operator} has ${all.sessions} sessions here`)
    const bytes = all.bytes + added.bytes
    if (bytes > parts.sessionBytesPerOperator)
      throw tooMuch(`the sessions of ${operator} would take ${bytes} bytes here`)
    return () => void counts?.set(operator, { sessions: all.sessions + (isNew ? 1 : 0), bytes })
  }

  async function take(evidence: readonly Evidence[]) {
    const of = (kind: string) => evidence.filter((one) => one.kind === kind).map(({ bytes }) => bytes)
    const collateral = of('collateral')
      .slice(0, MAXIMUM_COLLATERAL)
      .flatMap((text) => {
        try {
          return [read(text)]
        } catch (error) {
          if (!(error instanceof AbnError)) throw error
          return []
        }
      })
    const counted = { accepted: 0, known: 0, refused: 0 }
    for (const bytes of of('session')) {
      try {
        const { status } = await acceptRead(bytes, collateral, undefined)
        counted[status]++
      } catch (error) {
        if (!(error instanceof AbnError) || isFault(error)) throw error
        counted.refused++
      }
    }
    for (const bytes of of('session-proof')) await takeProof(bytes)
    return counted
  }

  /** It is kept when the arithmetic is right; whether a log has signed that, is for clients, who know its key. */
  async function takeProof(bytes: Uint8Array): Promise<void> {
    await queues(sessionsQueue, async () => {
      try {
        const proof = parseLogProof(bytes)
        const digest = documentOfProof(proof)
        const document = digest === undefined ? undefined : await index.get(documentKey(digest))
        const { origin, size, root } = parseCheckpoint(proof.checkpoint.text)
        if (digest === undefined || document === undefined || origin === log?.key.name) return
        verifyInclusion({ index: proof.index, size, root, leaf: leafHash(document), proof: proof.hashes })
        const proofs = await proofsOf(index, digest)
        const name = sha256Of(utf8(origin))
        if (proofs[name] !== undefined || Object.keys(proofs).length >= PROOFS_PER_DOCUMENT) return
        await commits.commit([proofsChange(digest, { ...proofs, [name]: encodeProof(bytes) })])
        parts.changed()
      } catch (error) {
        if (!(error instanceof AbnError) || isFault(error)) throw error
      }
    })
  }

  return {
    accept: async (document, texts, operator) =>
      acceptRead(
        document,
        texts.map((text) => read(text)),
        operator,
      ),
    take,
    recount: () => {
      counts = undefined
    },
  }
}

const DAY_SECONDS = 86_400
const DOCUMENTS_PER_SESSION = 4
const PROOFS_PER_DOCUMENT = 4
const REMEMBERED = 64
/** In one answer of an upstream. */
const MAXIMUM_COLLATERAL = 64

/** In its one encoding, whatever white space it came with. */
function readCollateral(text: Uint8Array, maximum: number): Read {
  if (text.length > maximum) throw tooMuch(`collateral of ${text.length} bytes, expected at most ${maximum}`)
  try {
    const collateral: Collateral = parseCollateral(text)
    const { issued } = datesOf(collateral)
    const family = sha256Of(utf8(familyOf(collateral)))
    return { digest: collateral.digest, bytes: utf8(encodeCollateral(collateral)), family, issued }
  } catch (error) {
    if (error instanceof AbnError) throw refused(`its collateral: ${error.message}`)
    throw error
  }
}

function emptyRecord({ session: { session } }: SessionDocument): SessionRecord {
  const { operator, key, from, until } = session
  return { operator, key: encodePublicKey(key), from, until, documents: [] }
}

async function count(index: Index, operators: Operators): Promise<Map<string, { sessions: number; bytes: number }>> {
  const counts = new Map<string, { sessions: number; bytes: number }>()
  for await (const { record } of allSessions(index)) {
    const name = operators.byKey(record.operator)?.operator ?? ''
    const all = counts.get(name) ?? { sessions: 0, bytes: 0 }
    const bytes = record.documents.reduce((sum, one) => sum + one.bytes, all.bytes)
    counts.set(name, { sessions: all.sessions + 1, bytes })
  }
  return counts
}

function isFault({ code }: AbnError): boolean {
  return code === 'ABN_CACHE_FAULT' || code === 'ABN_CACHE_DATA'
}

function tooMuch(reason: string): AbnError {
  return new AbnError('ABN_CACHE_LIMIT', reason, { hint: 'sessions go some time after their end' })
}

function refused(reason: string): AbnError {
  return new AbnError('ABN_CACHE_STATEMENT_REFUSED', `session refused: ${reason}`)
}
