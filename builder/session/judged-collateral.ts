/**
 * A quote with the collateral by which it verifies. What the simulated TEE brings is its own; for TDX it is kept, or fetched, and only
 * what verifies the quote is used.
 */
import { AbnError } from '../../format/errors.ts'
import { intelRoot } from '../../trust/tee/chain.ts'
import { type Collateral, parseCollateral } from '../../trust/tee/collateral.ts'
import { parseQuote, type Quote } from '../../trust/tee/quote.ts'
import { simulatedRoot } from '../../trust/tee/simulated.ts'
import type { Verdict } from '../../trust/tee/verdict.ts'
import { verifyQuote } from '../../trust/tee/verify.ts'
import { collateralFor } from '../tee/collateral.ts'
import { type CollateralService, intelService } from '../tee/collateral-service.ts'
import type { TeeEvidence } from '../tee/provider.ts'

export type Judged = { readonly quote: Quote; readonly collateral: Collateral; readonly verdict: Verdict }

export type JudgeQuote = {
  /** Where collateral is kept: teeCacheOf(layout). */
  readonly directory: string
  readonly services: readonly CollateralService[]
  readonly nowSeconds: () => number
  readonly signal: AbortSignal
  /** Throws what is wrong. Tests have quotes that no root has signed. */
  readonly verify?: ((quote: Quote, collateral: Collateral, now: number) => Verdict) | undefined
}

/** Throws ABN_TEE_FETCH, or a TeeError: what is wrong with the quote. */
export async function judgedCollateral(evidence: TeeEvidence, judge: JudgeQuote): Promise<Judged> {
  const { directory, services, nowSeconds, signal } = judge
  const quote = parseQuote(evidence.quote)
  const now = nowSeconds()
  const root = evidence.kind === 'tdx' ? intelRoot : simulatedRoot()
  const verify = (collateral: Collateral) =>
    judge.verify?.(quote, collateral, now) ?? verifyQuote(quote, collateral, { now, root })
  if (evidence.kind === 'tdx') {
    const accept = (collateral: Collateral): void => void verify(collateral)
    const collateral = await collateralFor(quote, { directory, services, now, freshSeconds, accept, signal })
    return { quote, collateral, verdict: verify(collateral) }
  }
  if (evidence.collateral === undefined) throw new AbnError('ABN_TEE_FETCH', 'the simulated TEE brought no collateral')
  const collateral = parseCollateral(evidence.collateral)
  return { quote, collateral, verdict: verify(collateral) }
}

/** Less than the day after which sessions.ts looks for newer one. */
const freshSeconds = 43_200

/** Addresses of the configuration; none: Intel's own. */
export function collateralServices(addresses: readonly string[]): readonly CollateralService[] {
  return addresses.length === 0 ? [intelService] : addresses.map((address) => ({ address }))
}
