// For tee.ts: prints how many milliseconds a fresh process takes from its first import to the verdict on test/vectors/trust/tee.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const directory = join(import.meta.dirname, '../test/vectors/trust/tee')
const [quote, collateral] = ['quote-v4.bin', 'collateral.json'].map((name) => readFileSync(join(directory, name)))
const root = '6b65eb32b519a00bfd80685c05e30b9a21850315062358d4410436fdac7a9783'
const start = performance.now()
const [{ parseSha256 }, { simulatedRootOf }, { parseCollateral }, { parseQuote }, { verifyQuote }] = await Promise.all([
  import('../format/hash.ts'),
  import('../trust/tee/chain.ts'),
  import('../trust/tee/collateral.ts'),
  import('../trust/tee/quote.ts'),
  import('../trust/tee/verify.ts'),
])
if (quote === undefined || collateral === undefined) throw new Error('the vectors are missing')
const options = { now: 1_795_305_600, root: simulatedRootOf(parseSha256(root)) }
verifyQuote(parseQuote(quote), parseCollateral(collateral), options)
console.log(performance.now() - start)
