/** Executes the worked example of docs/formats/tee.md. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { hexOf } from '../../../trust/bytes.ts'
import { parseCollateral } from '../../../trust/tee/collateral.ts'
import type { Layout } from '../../../trust/tee/layout.ts'
import { BODY_DESCRIPTOR, HEADER, parseQuote, QE_REPORT, TD_REPORT_15 } from '../../../trust/tee/quote.ts'
import { simulatedRoot } from '../../../trust/tee/simulated.ts'
import { jsonOfVerdict } from '../../../trust/tee/verdict.ts'
import { verifyQuote } from '../../../trust/tee/verify.ts'
import { now } from './support.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/formats/tee.md'), 'utf8')
const vector = (name: string) => readFileSync(join(import.meta.dirname, '../../vectors/trust/tee', name))

test('layout', (t) => {
  const tables: readonly (readonly [string, Layout])[] = [
    ['header', HEADER],
    ['descriptor (version 5)', BODY_DESCRIPTOR],
    ['body', TD_REPORT_15],
    ['report of the quoting enclave', QE_REPORT],
  ]
  const lines = tables.flatMap(([title, layout]) => {
    let at = 0
    const fields = layout.map(([name, bytes]) => {
      at += bytes
      return `${String(at - bytes).padStart(4)} ${String(bytes).padStart(4)}  ${name}`
    })
    return [title, ...fields]
  })
  t.is(lines.join('\n'), example('layout'))
})

test('header and verdict', (t) => {
  const bytes = vector('quote-v4.bin')
  t.is(hexOf(bytes.subarray(0, 48)), example('header'))
  const collateral = parseCollateral(vector('collateral.json'))
  const verdict = verifyQuote(parseQuote(bytes), collateral, { now, root: simulatedRoot() })
  t.is(JSON.stringify(jsonOfVerdict(verdict), undefined, 2), example('verdict'))
})

function example(name: string): string {
  const match = new RegExp(`^\`\`\`\\w+ example=${name}\\n(.*?)\\n\`\`\`$`, 'ms').exec(page)
  if (match?.[1] === undefined) throw new Error(`tee.md has no example ${name}`)
  return match[1]
}
