/**
 * One byte changed anywhere never yields another verdict: either it is refused, or the verdict is the same (a byte that carries no
 * meaning, such as the case of a digit in JSON that nobody signs; there are few, and each is named).
 */
import test from 'ava'
import fc from 'fast-check'
import { canonicalJson } from '../../../format/canonical-json.ts'
import { AbnError } from '../../../format/errors.ts'
import { newCertificateMemory } from '../../../trust/tee/chain.ts'
import { parseCollateral } from '../../../trust/tee/collateral.ts'
import { parseQuote } from '../../../trust/tee/quote.ts'
import { simulatedRoot } from '../../../trust/tee/simulated.ts'
import { jsonOfVerdict } from '../../../trust/tee/verdict.ts'
import { verifyQuote } from '../../../trust/tee/verify.ts'
import { mint, now } from './support.ts'

const root = simulatedRoot()
const memory = newCertificateMemory()

for (const form of ['4', '5-td15'] as const) {
  const right = mint({ form, reportData: Buffer.from('the key of this session') })
  const verdict = verdictOf(right.quote, right.collateral)

  test(`every third byte of a quote of form ${form}`, (t) => {
    const accepted: number[] = []
    for (let at = 0; at < right.quote.length; at += 3) {
      const quote = Uint8Array.from(right.quote)
      quote[at] = (quote[at] ?? 0) ^ (1 << (at % 7))
      if (verdictOf(quote, right.collateral) !== undefined) accepted.push(at)
    }
    t.deepEqual(accepted, [])
  })

  test(`any other value of any byte of form ${form}, of quote or collateral`, (t) => {
    fc.assert(
      fc.property(fc.boolean(), fc.nat(), fc.integer({ min: 1, max: 255 }), (isQuote, position, mask) => {
        const bytes = Uint8Array.from(isQuote ? right.quote : right.collateral)
        const at = position % bytes.length
        bytes[at] = (bytes[at] ?? 0) ^ mask
        const found = isQuote ? verdictOf(bytes, right.collateral) : verdictOf(right.quote, bytes)
        return found === undefined || found === verdict
      }),
      { numRuns: 600 },
    )
    t.pass()
  })

  test(`bytes taken away or put in, form ${form}`, (t) => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.nat(),
        fc.uint8Array({ maxLength: 3 }),
        fc.integer({ min: 0, max: 3 }),
        (isQuote, position, added, gone) => {
          const bytes = isQuote ? right.quote : right.collateral
          const at = position % bytes.length
          const changed = Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + gone)])
          const found = isQuote ? verdictOf(changed, right.collateral) : verdictOf(right.quote, changed)
          return found === undefined || found === verdict
        },
      ),
      { numRuns: 400 },
    )
    t.pass()
  })
}

test('a byte of collateral', (t) => {
  const { quote, collateral } = mint()
  const accepted: number[] = []
  for (let at = 0; at < collateral.length; at += 5) {
    const bytes = Uint8Array.from(collateral)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 7))
    if (verdictOf(quote, bytes) !== undefined) accepted.push(at)
  }
  t.deepEqual(accepted, [])
})

/** Undefined when it is refused; a crash is neither. */
function verdictOf(quote: Uint8Array, collateral: Uint8Array): string | undefined {
  try {
    return canonicalJson(
      jsonOfVerdict(verifyQuote(parseQuote(quote), parseCollateral(collateral), { now, root, memory })),
    )
  } catch (error) {
    if (error instanceof AbnError) return undefined
    throw error
  }
}
