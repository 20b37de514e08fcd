// `npm run attacks`: makes every attack on a client, and prints what came of it.

import { complaintOf } from './_support/attack.ts'
import { attacksInArchives } from './attacks-archive.ts'
import { attacksOnEvidence } from './attacks-evidence.ts'
import { attacksOnForm } from './attacks-form.ts'
import { attacksInTransport } from './attacks-transport.ts'

const MUST = { fetch: 'makes no difference', elsewhere: 'taken from another cache', build: 'not taken' }

const attacks = [...attacksOnEvidence, ...attacksOnForm, ...attacksInTransport, ...attacksInArchives]
const width = Math.max(...attacks.map(({ name }) => name.length))
let failed = 0
for (const attack of attacks) {
  const complaint = await complaintOf(attack)
  if (complaint !== undefined) failed++
  const result = complaint === undefined ? MUST[attack.must] : `FAILED: ${complaint}`
  process.stdout.write(`${attack.name.padEnd(width)}  ${result.padEnd(24)}  ${attack.does}\n`)
}
process.stdout.write(`${attacks.length} attacks, ${failed} not withstood\n`)
process.exitCode = failed > 0 ? 1 : 0
