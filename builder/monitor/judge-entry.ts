/**
 * What one entry of a log gives to tell: who speaks that is not known or should be silent, what contradicts what was stated before, what
 * is taken back, which session begins. Signatures are verified where the key is known; a log can write what it likes under the id
 * of a key that nobody has.
 */
import { AbnError } from '../../format/errors.ts'
import { sha256Of } from '../../format/hash.ts'
import { type Attestation, verifyAttestation } from '../../trust/attestation.ts'
import { type Envelope, verifyEnvelope } from '../../trust/dsse.ts'
import type { RevocationList } from '../../trust/revocation.ts'
import type { SignedSession } from '../../trust/session.ts'
import type { StatedOutput, Statement } from '../../trust/statement.ts'
import { readEntry } from './entry.ts'
import type { Side, Signs, What } from './finding.ts'
import type { MonitorState, Stated } from './state.ts'
import { type Signer, signerOf, type Watch } from './watch.ts'

export type Judging = { readonly state: MonitorState; readonly watch: Watch }

/** Changes the state: what was seen here is known afterwards. */
export function judgeEntry(bytes: Uint8Array, judging: Judging): readonly What[] {
  const entry = readEntry(bytes)
  switch (entry.kind) {
    case 'attestation':
      return judgeAttestation(entry.attestation, judging)
    case 'revocations':
      return judgeRevocations(entry.list, judging)
    case 'session':
      return judgeSession(entry.session, judging)
    case 'unreadable':
      return [{ kind: 'unreadable', reason: entry.reason }]
    default:
      return entry satisfies never
  }
}

function judgeAttestation(attestation: Attestation, judging: Judging): readonly What[] {
  const { state, watch } = judging
  const { builder, started, finished, outputs } = attestation.statement
  const session = builder.kind === 'session' ? state.session(builder.session) : undefined
  const own = signerOf(watch, builder.key)
  // A session that nobody has logged is a key that nobody knows.
  const signer = session === undefined ? own : signerOf(watch, session.operator)
  const key = session === undefined ? own.key : session.key
  const isSigned = key === undefined ? undefined : holds(() => verifyAttestation(attestation, key))
  const verified = isSigned === true && (session === undefined || session.verified)
  const found: What[] = [...judgeSigner(signer, { signs: 'a statement', verified, isSigned, state })]
  if (isSigned === false) return found
  if (session !== undefined && (started < session.from || finished > session.until)) {
    found.push({ kind: 'outside-session', key: session.key.id, name: signer.name, path: outputs[0]?.path ?? '' })
  }
  for (const output of outputs) {
    const stated = statedOf(attestation.statement, output, { signer: verified ? signer.name : signer.id, verified })
    const divergence = divergenceIn(state.note(stated), { recipe: stated.recipe, path: output.path })
    if (divergence !== undefined) found.push(divergence)
  }
  return found
}

function judgeRevocations(
  { list, envelope }: { readonly list: RevocationList; readonly envelope: Envelope },
  { state, watch }: Judging,
): readonly What[] {
  const signer = signerOf(watch, list.signer)
  const { key } = signer
  const isSigned = key === undefined ? undefined : holds(() => verifyEnvelope(envelope, key))
  const found = judgeSigner(signer, { signs: 'a revocation list', verified: isSigned === true, isSigned, state })
  if (isSigned !== true) return found
  // Each list has all that the one before had.
  const fresh = (of: 'key' | 'statement', id: string, reason: string): readonly What[] =>
    state.begin(signer.id, 'revoked', id) ? [{ kind: 'revoked', by: signer.name, of, id, reason }] : []
  return [
    ...found,
    ...list.keys.flatMap(({ key: id, reason }) => fresh('key', id, reason)),
    ...list.statements.flatMap(({ statement, reason }) => fresh('statement', statement, reason)),
  ]
}

function judgeSession({ digest, envelope, session }: SignedSession, { state, watch }: Judging): readonly What[] {
  const signer = signerOf(watch, session.operator)
  const { key } = signer
  const isSigned = key === undefined ? undefined : holds(() => verifyEnvelope(envelope, key))
  const verified = isSigned === true
  const found = judgeSigner(signer, { signs: 'a session', verified, isSigned, state })
  if (isSigned === false) return found
  const { from, until, tee } = session
  const isNew = state.noteSession({ digest, key: session.key, operator: session.operator, from, until, verified })
  if (!isNew || !verified) return found
  return [...found, { kind: 'session', name: signer.name, key: session.key.id, tee, from, until }]
}

type Spoken = {
  readonly signs: Signs
  readonly verified: boolean
  /** Undefined when the key is not here to tell. */
  readonly isSigned: boolean | undefined
  readonly state: MonitorState
}

function judgeSigner(signer: Signer, { signs, verified, isSigned, state }: Spoken): readonly What[] {
  const { id, name, isKnown, isSilent } = signer
  if (isSilent) return [{ kind: 'silent-key', key: id, name, signs, verified }]
  if (isSigned === false) return [{ kind: 'forged', key: id, name, signs }]
  return isKnown || !state.noteKey(id) ? [] : [{ kind: 'unknown-key', key: id, signs }]
}

function statedOf(
  { recipe, inputs }: Statement,
  { output, digest }: StatedOutput,
  by: Pick<Stated, 'signer' | 'verified'>,
): Stated {
  const resolved = inputs.map((input) => `${input.path} ${input.digest}`).join('\n')
  return { recipe, output, digest, inputs: sha256Of(resolved).slice(0, 32), ...by }
}

/** Undefined while all say the same. */
function divergenceIn(
  all: readonly Stated[],
  { recipe, path }: { readonly recipe: string; readonly path: string },
): What | undefined {
  const byDigest = Map.groupBy(all, ({ digest }) => digest)
  if (byDigest.size < 2) return undefined
  const sides = [...byDigest].slice(0, MOST_SIDES).map(([digest, rows]): Side => {
    return { digest, signers: [...new Set(rows.map(({ signer }) => signer))].slice(0, MOST_SIDES) }
  })
  const resultsOf = (rows: readonly Stated[]): number => new Set(rows.map(({ digest }) => digest)).size
  const isBuild = [...Map.groupBy(all, ({ inputs }) => inputs).values()].some((rows) => resultsOf(rows) > 1)
  const verified = resultsOf(all.filter((row) => row.verified)) > 1
  return { kind: 'divergence', recipe, path, cause: isBuild ? 'build' : 'inputs', verified, sides }
}

const MOST_SIDES = 10

function holds(verify: () => unknown): boolean {
  try {
    verify()
    return true
  } catch (error) {
    if (error instanceof AbnError) return false
    throw error
  }
}
