/**
 * The sessions of a running builder: which one a build began in, and which can sign for it. Normally one lasts for days and the next is
 * begun by the first build after three quarters of its time; with `perBuild` each build has its own. A session signs only what this
 * process has begun to build within it, never what it finds in the store. Which session a build belongs to is settled when the build
 * begins; the quote may come while it is being built, and is waited for before anything is signed.
 *
 * A key is forgotten when its session is over and nothing waits for its signature.
 */
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import type { KeyId } from '../../trust/key.ts'
import { reportDataOf } from '../../trust/session.ts'
import type { RealiseEvent } from '../realise/events.ts'
import type { SigningSession } from '../service/attestations.ts'
import { beginSession, collateralBytes, type OpenSession, type ReadySession, type SessionParts } from './begin.ts'
import type { Bringable } from './bring.ts'
import { type Judged, judgedCollateral } from './judged-collateral.ts'
import type { KeptSession, KeptSessions } from './kept.ts'
import { type SessionStatus, statusOf } from './status.ts'

export type Sessions = Disposable & {
  readonly kept: KeptSessions
  /** The first one. Throws why there cannot be any: ABN_TEE_…, or ABN_SESSION_INVALID. */
  start(): Promise<void>
  /** Follows what is built. */
  note(event: RealiseEvent): void
  /** Waits until the sessions of these builds can sign. Throws why one cannot. */
  ready(recipes: readonly RecipeHash[]): Promise<void>
  /** Of a build of this process; undefined for what it has not built. Throws a TypeError before ready() has waited for it. */
  sessionOf(recipe: RecipeHash): SigningSession | undefined
  /** These builds are attested. */
  signed(recipes: readonly RecipeHash[]): void
  /** The newest session that can sign, for caches, before any statement: with what it names, then with newer collateral. */
  current(): readonly Bringable[]
  /** Looks once a day for newer collateral. True when there is some; then current() has it. Throws as collateralFor does. */
  refresh(): Promise<boolean>
}

export type SessionsOptions = SessionParts & {
  readonly kept: KeptSessions
  /** Taken back by the operator: signs nothing any more. */
  readonly isRevoked: (key: KeyId) => boolean
  /** Each session, once it can sign. */
  readonly onReady: (status: SessionStatus) => void
}

type Begun = { readonly session: OpenSession; ready: (ReadySession & { readonly kept: KeptSession }) | undefined }

export function createSessions(options: SessionsOptions): Sessions {
  const { config, kept, nowSeconds, isRevoked, onReady } = options
  const builds = new Map<RecipeHash, Begun>()
  let current: Begun | undefined
  let newest: Newest | undefined

  const begin = (): Begun => ({ session: beginSession(options), ready: undefined })

  async function makeReady(begun: Begun): Promise<void> {
    if (begun.ready) return
    const made = await begun.session.ready()
    if (begun.ready || !isUsed(begun)) return
    begun.ready = { ...made, kept: kept.keep(made.document, made.judged?.collateral) }
    if (made.judged) newest = { judged: made.judged, ready: made, looked: nowSeconds() }
    onReady(statusOf(begun.session, made, config.perBuild))
  }

  /** For a build that begins now. */
  function take(): Begun {
    if (config.perBuild) return begin()
    if (current === undefined || !isGood(current.session)) {
      const before = current
      current = begin()
      if (before) closeUnused(before)
    }
    return current
  }

  const isGood = ({ id, from, until }: OpenSession): boolean => {
    const now = nowSeconds()
    // A clock that was set back makes a session that is to come.
    return from <= now && now < until - Math.min((until - from) / 4, longestMarginSeconds) && !isRevoked(id)
  }

  function drop(recipe: RecipeHash): void {
    const begun = builds.get(recipe)
    builds.delete(recipe)
    if (begun) closeUnused(begun)
  }

  function closeUnused(begun: Begun): void {
    if (!isUsed(begun)) begun.session.close()
  }

  const isUsed = (begun: Begun): boolean => begun === current || [...builds.values()].includes(begun)

  return {
    kept,
    async start() {
      const first = begin()
      if (config.perBuild) {
        // Each build will need a quote: whether there are any is found out before the first.
        await first.session.ready()
        first.session.close()
        return
      }
      current = first
      await makeReady(first)
    },
    note(event) {
      if (event.kind === 'build-start') {
        const { recipeHash } = event.build.package
        drop(recipeHash)
        const begun = take()
        builds.set(recipeHash, begun)
        // Whoever signs asks again, and is told what is wrong.
        makeReady(begun).catch(() => {})
      }
      if (event.kind === 'build-failed') drop(event.build.package.recipeHash)
    },
    async ready(recipes) {
      const waited = new Set(recipes.flatMap((recipe) => builds.get(recipe) ?? []))
      for (const begun of waited) await makeReady(begun)
    },
    sessionOf(recipe) {
      const begun = builds.get(recipe)
      if (begun === undefined) return undefined
      // Nobody else signs in its place.
      if (begun.ready === undefined) throw new TypeError('sessionOf: ready() has not waited for it')
      return { kept: begun.ready.kept, signer: begun.ready.signer }
    },
    signed(recipes) {
      for (const recipe of recipes) drop(recipe)
    },
    current() {
      const ready = current?.ready ?? newest?.ready
      if (ready === undefined) return []
      const { document, judged } = ready
      const texts = [judged, newest?.judged].map((one) => one && collateralBytes(one))
      return texts.map((collateral) => ({ document, collateral }))
    },
    async refresh() {
      const now = nowSeconds()
      if (newest === undefined || Math.abs(now - newest.looked) < refreshSeconds) return false
      const before: Sha256 = newest.judged.collateral.digest
      const looking = newest
      const judged = await newerCollateral(looking, options)
      // A session that was begun meanwhile has brought its own.
      if (newest === looking) newest = { ...looking, judged, looked: now }
      return judged.collateral.digest !== before
    },
    [Symbol.dispose]() {
      for (const begun of builds.values()) begun.session.close()
      builds.clear()
      current?.session.close()
      current = undefined
    },
  }
}

/** The newest collateral, the session whose quote it was verified with, and when it was looked for. */
type Newest = { readonly judged: Judged; readonly ready: ReadySession; readonly looked: number }

const longestMarginSeconds = 86_400
const refreshSeconds = 86_400

/** The simulated TEE brings collateral with each quote only. */
async function newerCollateral({ ready: { document } }: Newest, parts: SessionParts): Promise<Judged> {
  const { provider, judge, signal } = parts
  const { quote, session } = document
  if (quote === null || provider.kind === 'none') throw new TypeError('newerCollateral: there is no quote')
  if (provider.kind === 'tdx') {
    return judgedCollateral({ kind: 'tdx', quote, eventLog: undefined, collateral: undefined }, judge)
  }
  const evidence = await provider.evidence(reportDataOf(session.session), { signal })
  if (evidence === undefined) throw new TypeError('newerCollateral: the simulated TEE gave no quote')
  return judgedCollateral(evidence, judge)
}
