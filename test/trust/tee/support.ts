/** What the tests of trust/tee share: a simulated quote with its collateral, verified, and the reason when that fails. */
import { type Collateral, parseCollateral } from '../../../trust/tee/collateral.ts'
import { parseQuote } from '../../../trust/tee/quote.ts'
import { TeeError } from '../../../trust/tee/reasons.ts'
import { mintSimulated, type Simulated, type SimulatedOptions } from '../../../trust/tee/simulated.ts'
import { type VerifiedQuote, verifyQuote } from '../../../trust/tee/verify.ts'

export const now = Date.parse('2026-11-22T00:00:00Z') / 1000
export const day = 86_400

export function mint(options: Partial<SimulatedOptions> = {}): Simulated {
  return mintSimulated({ now, ...options })
}

export function verify({ quote, collateral, root }: Simulated, at = now): VerifiedQuote {
  return verifyQuote(parseQuote(quote), parseCollateral(collateral), { now: at, root })
}

export function verified(options: Partial<SimulatedOptions> = {}): VerifiedQuote {
  return verify(mint(options))
}

/** The reason of the TeeError that `action` throws; 'accepted' when it throws none. */
export function reasonOf(action: () => unknown): string {
  try {
    action()
    return 'accepted'
  } catch (error) {
    if (error instanceof TeeError) return error.reason
    throw error
  }
}

/** The same with fields of the collateral document replaced; undefined removes one. */
export function withCollateral(simulated: Simulated, fields: Readonly<Record<string, string | undefined>>): Simulated {
  const json: Record<string, string> = JSON.parse(Buffer.from(simulated.collateral).toString())
  return { ...simulated, collateral: Buffer.from(JSON.stringify({ ...json, ...fields })) }
}

export function collateralOf(simulated: Simulated): Collateral {
  return parseCollateral(simulated.collateral)
}

export function withQuote(simulated: Simulated, change: (quote: Buffer) => Uint8Array): Simulated {
  return { ...simulated, quote: change(Buffer.from(simulated.quote)) }
}
