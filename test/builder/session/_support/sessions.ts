/** Sessions of a builder with the simulated TEE, a clock of the test's own, and builds that are events only. */
import type { ExecutionContext } from 'ava'
import type { RealiseEvent } from '../../../../builder/realise/events.ts'
import { openKeptSessions } from '../../../../builder/session/kept.ts'
import { createSessions, type Sessions, type SessionsOptions } from '../../../../builder/session/sessions.ts'
import type { SessionStatus } from '../../../../builder/session/status.ts'
import { teeProvider } from '../../../../builder/tee/provider.ts'
import { parseRecipeHash, type RecipeHash, sha256Of } from '../../../../format/hash.ts'
import { openStore, type Store } from '../../../../store/store.ts'
import { newSecretKey, type SecretKey } from '../../../../trust/secret-key.ts'
import { temporaryDirectory } from '../../../_support/temporary.ts'

export type World = {
  readonly sessions: Sessions
  readonly store: Store
  readonly operator: SecretKey
  readonly told: readonly SessionStatus[]
  /** Every key that was made, with its seed as it was then. */
  readonly keys: readonly SecretKey[]
  readonly seeds: readonly Uint8Array[]
  readonly revoked: Set<string>
  now: number
}

export const start = Date.parse('2026-11-22T00:00:00Z') / 1000

type Changes = Partial<Omit<SessionsOptions, 'config'>> & { readonly config?: Partial<SessionsOptions['config']> }

export function worldFor(t: ExecutionContext, { config, ...changes }: Changes = {}): World {
  const directory = temporaryDirectory(t)
  const store = openStore({ root: `${directory}/root`, durable: false })
  const operator = newSecretKey('alice')
  const told: SessionStatus[] = []
  const keys: SecretKey[] = []
  const seeds: Uint8Array[] = []
  const revoked = new Set<string>()
  const nowSeconds = () => world.now
  const { signal } = new AbortController()
  const settings = { tee: 'simulated', hours: 24, perBuild: false, logs: [], collateral: [], ...config } as const
  const sessions = createSessions({
    operator,
    config: settings,
    configuration: sha256Of('configuration'),
    software: { abnpkg: 'test' },
    provider: teeProvider(settings.tee, { now: nowSeconds }),
    checkpoint: async () => ({ kind: 'none', reason: 'there is no cache to ask' }),
    judge: { directory: `${directory}/tee`, services: [], nowSeconds, signal },
    nowSeconds,
    signal,
    newKey: (name) => {
      const key = newSecretKey(name)
      keys.push(key)
      seeds.push(Uint8Array.from(key.seed))
      return key
    },
    kept: openKeptSessions(store, operator.publicKey),
    isRevoked: (key) => revoked.has(key),
    onReady: (status) => told.push(status),
    ...changes,
  })
  const world: World = { sessions, store, operator, told, keys, seeds, revoked, now: start }
  t.teardown(() => sessions[Symbol.dispose]())
  return world
}

export function recipeOf(name: string): RecipeHash {
  return parseRecipeHash(sha256Of(name))
}

/** As realise() tells it; of a planned build the sessions look at its recipe only. */
export function buildEvent(kind: 'build-start' | 'build-failed', name: string): RealiseEvent {
  return { kind, build: { package: { recipeHash: recipeOf(name) } } } as unknown as RealiseEvent
}
