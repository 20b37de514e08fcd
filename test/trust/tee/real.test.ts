/**
 * Real quotes with their real collateral, where they have been put beside the checkout (../shared/testdata/tdx); the other tests of
 * this folder stand without them. The verdicts are those of the collection's own README.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { objectionsToTd } from '../../../trust/tee/appraise.ts'
import { encodeCollateral, parseCollateral } from '../../../trust/tee/collateral.ts'
import { parseQuote } from '../../../trust/tee/quote.ts'
import { simulatedRoot } from '../../../trust/tee/simulated.ts'
import { jsonOfVerdict } from '../../../trust/tee/verdict.ts'
import { type VerifiedQuote, verifyQuote } from '../../../trust/tee/verify.ts'
import { day, reasonOf } from './support.ts'

const directory = join(import.meta.dirname, '../../../../shared/testdata/tdx')
const check = existsSync(join(directory, 'manifest.json')) ? test : test.skip

type Case = { readonly title: string; readonly quote: string; readonly collateral: string; readonly at: string }
type Expected = {
  readonly status: string
  readonly advisories: readonly string[]
  readonly objections: readonly string[]
  readonly evaluation: number
  readonly mrTd: string
}

const fine = { status: 'UpToDate', advisories: [], objections: [] }
const june = '2025-06-25T00:00:00Z'
const rows: readonly (Case & Expected)[] = [
  {
    title: 'Phala',
    quote: 'v4-phala-uptodate',
    collateral: '2025-06-b0c06f000000',
    at: june,
    ...fine,
    evaluation: 17,
    mrTd: '91eb2b44',
  },
  {
    title: 'dstack',
    quote: 'v4-dstack-eventlog',
    collateral: '2026-02-90c06f000000',
    at: '2026-02-25T00:00:00Z',
    ...fine,
    evaluation: 18,
    mrTd: 'b24d3b24',
  },
  {
    title: 'Google in June',
    quote: 'v4-gcp-cos113-eventlog',
    collateral: '2025-06-00806f050000',
    at: june,
    ...fine,
    evaluation: 17,
    mrTd: 'dae67181',
  },
  {
    title: 'Google in October',
    quote: 'v4-gcp-cos113-eventlog',
    collateral: '2025-10-00806f050000',
    at: '2025-10-25T00:00:00Z',
    ...fine,
    evaluation: 17,
    mrTd: 'dae67181',
  },
  {
    title: 'Edgeless',
    quote: 'v4-edgeless-outofdate',
    collateral: '2025-06-00806f050000',
    at: june,
    status: 'OutOfDate',
    advisories: ['INTEL-SA-00837', 'INTEL-SA-00960', 'INTEL-SA-00982', 'INTEL-SA-00986'],
    objections: [],
    evaluation: 17,
    mrTd: 'b65ea009',
  },
  ...['2025-06-00806f050000', '2025-10-00806f050000'].map((collateral) => ({
    title: `Automata with ${collateral}`,
    quote: 'v4-automata-outofdate',
    collateral,
    at: collateral.startsWith('2025-06') ? june : '2025-10-25T00:00:00Z',
    status: 'OutOfDate',
    advisories: ['INTEL-SA-00960', 'INTEL-SA-00982', 'INTEL-SA-00986'],
    objections: [],
    evaluation: 17,
    mrTd: '935be774',
  })),
  {
    title: 'Alibaba before a TCB recovery',
    quote: 'v5-alibaba-servicetd',
    collateral: '2025-06-90c06f000000',
    at: june,
    status: 'UpToDate',
    advisories: [],
    objections: ['service-td'],
    evaluation: 17,
    mrTd: '157768a7',
  },
  {
    title: 'Alibaba after it',
    quote: 'v5-alibaba-servicetd',
    collateral: '2026-02-90c06f000000',
    at: '2026-02-25T00:00:00Z',
    status: 'OutOfDate',
    advisories: ['INTEL-SA-01036', 'INTEL-SA-01079', 'INTEL-SA-01099', 'INTEL-SA-01103', 'INTEL-SA-01111'],
    objections: ['service-td'],
    evaluation: 18,
    mrTd: '157768a7',
  },
  {
    title: 'a TD that is debugged',
    quote: 'v4-debug-td',
    collateral: '2023-06',
    at: '2023-06-25T00:00:00Z',
    status: 'UpToDate',
    advisories: [],
    objections: ['debug'],
    evaluation: 15,
    mrTd: '705ee938',
  },
]

for (const row of rows) {
  check(`real quote: ${row.title}`, (t) => {
    const verdict = verifyRow(row)
    t.is(verdict.tcb.status, row.status as typeof verdict.tcb.status)
    t.deepEqual(verdict.tcb.advisories, row.advisories)
    t.deepEqual(objectionsToTd(verdict, []) as readonly string[], row.objections)
    t.is(verdict.evaluationNumber, row.evaluation)
    t.true(verdict.registers.mrTd.startsWith(row.mrTd))
    t.is(verdict.root.kind, 'intel')
    t.is(verdict.version, row.quote.startsWith('v5') ? 5 : 4)
    t.notThrows(() => JSON.stringify(jsonOfVerdict(verdict)))
  })

  check(`real quote out of its time: ${row.title}`, (t) => {
    const { until } = verifyRow(row)
    t.is(
      reasonOf(() => verifyRow(row, until)),
      'accepted',
    )
    t.regex(
      reasonOf(() => verifyRow(row, until + 1)),
      /^(crl|tcb-info|qe-identity)-expired$/,
    )
    t.regex(
      reasonOf(() => verifyRow(row, Date.parse(row.at) / 1000 - 60 * day)),
      /-not-yet$/,
    )
  })
}

check('a real quote with the collateral of another family', (t) => {
  const [phala, dstack] = rows
  if (phala === undefined || dstack === undefined) return t.fail()
  t.is(
    reasonOf(() => verifyRow({ ...phala, collateral: '2025-06-90c06f000000' })),
    'fmspc',
  )
  t.is(
    reasonOf(() => verifyRow({ ...phala, collateral: '2023-06', at: '2023-06-25T00:00:00Z' })),
    'certificate-not-yet',
  )
})

check('a real quote below a simulated root', (t) => {
  const [row] = rows
  if (row === undefined) return t.fail()
  t.is(
    reasonOf(() =>
      verifyQuote(parseQuote(quoteOf(row)), collateralOf(row), { now: timeOf(row), root: simulatedRoot() }),
    ),
    'root-unknown',
  )
})

check('real collateral is kept as it is', (t) => {
  for (const row of rows) {
    const collateral = collateralOf(row)
    const again = parseCollateral(Buffer.from(encodeCollateral(collateral)))
    t.deepEqual(again, collateral)
  }
})

function verifyRow(row: Case, at = timeOf(row)): VerifiedQuote {
  return verifyQuote(parseQuote(quoteOf(row)), collateralOf(row), { now: at })
}

function timeOf({ at }: Case): number {
  return Date.parse(at) / 1000
}

function quoteOf({ quote }: Case): Uint8Array {
  return readFileSync(join(directory, 'quotes', `${quote}.bin`))
}

function collateralOf({ collateral }: Case) {
  return parseCollateral(readFileSync(join(directory, 'collateral', `${collateral}.json`)))
}
