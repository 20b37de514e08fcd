/**
 * The collateral for a quote: what was kept, while it is fresh, else fetched, else what was kept after all. Whoever brings it is a courier:
 * `accept` verifies, and what it refuses is neither used nor kept. So a builder starts, and a client decides, without a network for as
 * long as what is kept holds.
 */
import { AbnError } from '../../format/errors.ts'
import { newCertificateMemory, parseChain } from '../../trust/tee/chain.ts'
import { type Collateral, parseCollateral } from '../../trust/tee/collateral.ts'
import type { Quote } from '../../trust/tee/quote.ts'
import { TeeError } from '../../trust/tee/reasons.ts'
import { parseSgxExtensions } from '../../trust/tee/sgx-extensions.ts'
import { type CollateralService, fetchCollateral, intelService, type PlatformFamily } from './collateral-service.ts'
import { keepCollateral, keptCollateral } from './collateral-store.ts'

export type CollateralOptions = {
  /** Where it is kept: teeCacheOf(layout). */
  readonly directory: string
  /** In this order; none: only what is kept. Intel's by default. */
  readonly services?: readonly CollateralService[]
  /** Seconds since 1970. */
  readonly now: number
  /** For so long what was kept is as good as what could be fetched. */
  readonly freshSeconds?: number
  /** Throws what is wrong with it: verifyQuote, in the first place. */
  readonly accept: (collateral: Collateral) => void
  readonly signal?: AbortSignal
}

/** Throws ABN_TEE_FETCH with the reason of each service, a TeeError when the quote has no chain, or the signal's reason. */
export async function collateralFor(quote: Quote, options: CollateralOptions): Promise<Collateral> {
  const { directory, services = [intelService], now, freshSeconds = defaultFreshSeconds, accept, signal } = options
  const family = familyOf(quote)
  const kept = keptCollateral(directory, family)
  const refusal = kept === undefined ? undefined : refusalOf(kept.collateral, accept)
  const isUsable = kept !== undefined && refusal === undefined
  if (isUsable && now >= kept.fetched && now - kept.fetched <= freshSeconds) return kept.collateral
  const reasons: string[] = refusal === undefined ? [] : [`what is kept: ${refusal}`]
  for (const service of services) {
    try {
      const collateral = parseCollateral(await fetchCollateral(family, service, signal))
      accept(collateral)
      keepCollateral(directory, family, { collateral, fetched: now })
      return collateral
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof AbnError)) throw error
      reasons.push(`${service.address}: ${error.message}`)
    }
  }
  if (isUsable) return kept.collateral
  const why = reasons.length === 0 ? 'no service is configured, and nothing is kept' : reasons.join('; ')
  throw new AbnError('ABN_TEE_FETCH', `collateral for ${family.fmspc}: ${why}`, {
    hint: 'it may come from any cache that mirrors the service, or from another machine of the same family',
  })
}

/** Which collateral a quote needs; read from its certificates before they are verified. Throws a TeeError. */
export function familyOf(quote: Quote): PlatformFamily {
  const [pck, authority] = parseChain(quote.chain, newCertificateMemory())
  if (pck?.sgx === undefined || authority === undefined) throw new TeeError('chain-length', 'no PCK certificate')
  const { fmspc } = parseSgxExtensions(pck.sgx)
  return { fmspc, authority: authority.commonName.includes('Processor') ? 'processor' : 'platform' }
}

const defaultFreshSeconds = 86_400

function refusalOf(collateral: Collateral, accept: (collateral: Collateral) => void): string | undefined {
  try {
    accept(collateral)
    return undefined
  } catch (error) {
    if (!(error instanceof AbnError)) throw error
    return error.message
  }
}
