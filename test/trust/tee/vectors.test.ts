/** The simulated TEE mints the same bytes as ever (test/vectors/trust/tee), and they get the same verdicts. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { parseCollateral } from '../../../trust/tee/collateral.ts'
import { parseQuote } from '../../../trust/tee/quote.ts'
import { simulatedRoot } from '../../../trust/tee/simulated.ts'
import { jsonOfVerdict } from '../../../trust/tee/verdict.ts'
import { verifyQuote } from '../../../trust/tee/verify.ts'
import { mint, now } from './support.ts'

const directory = join(import.meta.dirname, '../../vectors/trust/tee')
const reportData = Uint8Array.from({ length: 64 }, (_, i) => i)
const old = mint({ reportData })
const young = mint({ form: '5-td15', reportData, securityVersion: 2 })
const verdictText = (quote: Uint8Array) => {
  const verdict = verifyQuote(parseQuote(quote), parseCollateral(old.collateral), { now, root: simulatedRoot() })
  return Buffer.from(`${JSON.stringify(jsonOfVerdict(verdict), undefined, 2)}\n`)
}
const files: Readonly<Record<string, Uint8Array>> = {
  'quote-v4.bin': old.quote,
  'quote-v5.bin': young.quote,
  'collateral.json': old.collateral,
  'verdict-v4.json': verdictText(old.quote),
  'verdict-v5.json': verdictText(young.quote),
}

for (const [name, bytes] of Object.entries(files)) {
  test(name, (t) => {
    const path = join(directory, name)
    if (process.env.ACCEPT === '1') {
      mkdirSync(directory, { recursive: true })
      writeFileSync(path, bytes)
    }
    t.deepEqual(readFileSync(path), Buffer.from(bytes))
  })
}
