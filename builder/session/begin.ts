/**
 * Begins a session: a key that is made here, lives in this memory, and is forgotten when the session is closed; then, in this order, the
 * checkpoint that it names, RTMR3 extended with the configuration, the quote over the key, the collateral with which the quote verifies,
 * and the operator's signature. The quote is verified here as others will: a builder that is told to run in a TEE and cannot show it
 * has no session, and never goes on without.
 */
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import { hexOf, utf8 } from '../../trust/bytes.ts'
import { sha256 } from '../../trust/crypto.ts'
import type { KeyId } from '../../trust/key.ts'
import { encodeNote } from '../../trust/log/note.ts'
import { newSecretKey, type SecretKey, type Signer } from '../../trust/secret-key.ts'
import { reportDataOf, type Session, signSession } from '../../trust/session.ts'
import { encodeSessionDocument, parseSessionDocument, type SessionDocument } from '../../trust/session-evidence.ts'
import { encodeCollateral } from '../../trust/tee/collateral.ts'
import type { TeeProvider } from '../tee/provider.ts'
import type { RuntimeRegister } from '../tee/runtime-register.ts'
import type { SessionConfig } from './config.ts'
import { type Judged, type JudgeQuote, judgedCollateral } from './judged-collateral.ts'
import type { RecentCheckpoint } from './recent-checkpoint.ts'

export type SessionParts = {
  /** The operator's key. */
  readonly operator: Signer
  readonly config: SessionConfig
  /** The configuration's digest. */
  readonly configuration: Sha256
  readonly software: Readonly<Record<string, string>>
  readonly provider: TeeProvider
  readonly checkpoint: () => Promise<RecentCheckpoint>
  readonly judge: JudgeQuote
  readonly nowSeconds: () => number
  readonly signal: AbortSignal
  /** Tests look whether its bytes get anywhere. */
  readonly newKey?: ((name: string) => SecretKey) | undefined
}

export type OpenSession = {
  /** Of the session's own key. */
  readonly id: KeyId
  readonly from: number
  readonly until: number
  /** Made once; after a failure it is tried anew by the next who asks. Throws ABN_TEE_…, or the signal's reason. */
  ready(): Promise<ReadySession>
  /** Forgets the key. */
  close(): void
}

export type ReadySession = {
  /** Throws a TypeError after close(). */
  readonly signer: Signer
  readonly document: SessionDocument
  readonly checkpoint: RecentCheckpoint
  readonly register: RuntimeRegister
  /** Undefined without a TEE. */
  readonly judged: Judged | undefined
}

/** The key is there when this returns; all else takes until ready(). */
export function beginSession(parts: SessionParts): OpenSession {
  const { operator, config, nowSeconds, newKey = newSecretKey } = parts
  let key: SecretKey | undefined = newKey(`${operator.publicKey.name.slice(0, 100)}/session`)
  const { publicKey } = key
  const from = nowSeconds()
  const until = from + config.hours * 3600
  const signer: Signer = {
    publicKey,
    sign(message) {
      if (key === undefined) throw new TypeError('the session is closed')
      return key.sign(message)
    },
  }
  let making: Promise<ReadySession> | undefined
  return {
    id: publicKey.id,
    from,
    until,
    ready() {
      making ??= make(parts, { signer, from, until })
      making.catch(() => {
        making = undefined
      })
      return making
    },
    close() {
      key?.seed.fill(0)
      key = undefined
    },
  }
}

async function make(
  parts: SessionParts,
  { signer, from, until }: { readonly signer: Signer; readonly from: number; readonly until: number },
): Promise<ReadySession> {
  const { operator, config, configuration, software, provider, judge, signal } = parts
  const checkpoint = await parts.checkpoint()
  const register = await provider.extend(configuration)
  const session: Session = {
    format: 1,
    operator: operator.publicKey.id,
    key: signer.publicKey,
    from,
    until,
    software,
    configuration,
    checkpoint: checkpoint.kind === 'found' ? sha256(encodeNote(checkpoint.note)) : null,
    tee: config.tee,
  }
  const reportData = reportDataOf(session)
  const evidence = await provider.evidence(reportData, { signal })
  const judged = evidence && (await judgedCollateral(evidence, judge))
  requireOwnQuote(config, judged, reportData)
  const bytes = encodeSessionDocument({
    session: signSession(session, operator),
    quote: evidence?.quote ?? null,
    collateral: judged?.collateral.digest ?? null,
    checkpoint: checkpoint.kind === 'found' ? checkpoint.note : null,
  })
  return { signer, document: parseSessionDocument(bytes), checkpoint, register, judged }
}

function requireOwnQuote({ tee }: SessionConfig, judged: Judged | undefined, reportData: Uint8Array): void {
  const isRight = tee === 'none' ? judged === undefined : judged?.verdict.reportData === hexOf(reportData)
  if (isRight) return
  throw new AbnError('ABN_TEE_GUEST', `the quote for a session in ${tee} is not one over the session's key`)
}

/** As caches and evidence carry it. */
export function collateralBytes({ collateral }: Judged): Uint8Array {
  return utf8(encodeCollateral(collateral))
}
