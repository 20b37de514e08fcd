/** The sessions of a service, from its configuration. What earlier sessions left and nothing refers to any more goes first. */
import { newSecretKey } from '../../trust/secret-key.ts'
import { usedSessions } from '../service/attestations.ts'
import { revokedKeys } from '../service/revocations.ts'
import type { ServiceOptions } from '../service/run.ts'
import { teeCacheOf } from '../tee/collateral-store.ts'
import { type TeeProvider, teeProvider } from '../tee/provider.ts'
import type { SessionParts } from './begin.ts'
import { configurationDigestOf } from './configuration.ts'
import { collateralServices, type JudgeQuote } from './judged-collateral.ts'
import { openKeptSessions, removeUnusedSessions } from './kept.ts'
import { recentCheckpoint } from './recent-checkpoint.ts'
import { createSessions, type Sessions } from './sessions.ts'
import { writeStatus } from './status.ts'

export type TeeParts = {
  readonly provider?: TeeProvider
  readonly verify?: JudgeQuote['verify']
  readonly newKey?: SessionParts['newKey']
}

/** Undefined when none are configured. Begins none yet. */
export function openSessions(options: ServiceOptions): Sessions | undefined {
  const { store, signer, keyDirectory, config, software, reproduce, tee = {}, signal, nowSeconds, onEvent } = options
  const { session, caches } = config
  removeUnusedSessions(store, usedSessions(store))
  writeStatus(store, undefined)
  if (session === undefined) return undefined
  const { logs } = session
  return createSessions({
    operator: signer,
    config: session,
    configuration: configurationDigestOf(config, { reproduce }),
    software,
    provider: tee.provider ?? teeProvider(session.tee, { now: nowSeconds }),
    checkpoint: () => recentCheckpoint(caches, { logs, now: nowSeconds(), signal }),
    judge: {
      directory: teeCacheOf(store.layout),
      services: collateralServices(session.collateral),
      nowSeconds,
      signal,
      verify: tee.verify,
    },
    nowSeconds,
    signal,
    newKey: tee.newKey ?? newSecretKey,
    kept: openKeptSessions(store, signer.publicKey),
    isRevoked: (key) => keyDirectory !== undefined && revokedKeys(keyDirectory, signer.publicKey).has(key),
    onReady: (status) => {
      writeStatus(store, status)
      onEvent?.({ kind: 'session', session: status })
    },
  })
}
