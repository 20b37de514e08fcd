// `npm run attacks`: makes every attack, and prints what came of it.

import { complaintOf } from './_support/attack.ts'
import { attacksOnClients, loneAttacks } from './all-attacks.ts'

const MUST = { fetch: 'makes no difference', elsewhere: 'taken from another cache', build: 'not taken' }

const rows = [
  ...attacksOnClients.map((one) => ({ ...one, result: MUST[one.must], make: () => complaintOf(one) })),
  ...loneAttacks,
]
const width = Math.max(...rows.map(({ name }) => name.length))
let failed = 0
for (const { name, does, result, make } of rows) {
  const complaint = await make()
  if (complaint !== undefined) failed++
  const told = complaint === undefined ? result : `FAILED: ${complaint}`
  process.stdout.write(`${name.padEnd(width)}  ${told.padEnd(29)}  ${does}\n`)
}
process.stdout.write(`${rows.length} attacks, ${failed} not withstood\n`)
process.exitCode = failed > 0 ? 1 : 0
