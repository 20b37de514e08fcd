// `npm run attacks`: makes every attack, and prints what came of it.

import { complaintOf } from './_support/attack.ts'
import { attacksInArchives } from './attacks-archive.ts'
import { attacksOnEvidence } from './attacks-evidence.ts'
import { attacksOnForm } from './attacks-form.ts'
import { attacksOnLogs } from './attacks-log.ts'
import { attacksByMirrors } from './attacks-mirror.ts'
import { moreAttacks } from './attacks-more.ts'
import { attacksOnCaches } from './attacks-server.ts'
import { attacksOnSessions } from './attacks-session.ts'
import { attacksOnTees } from './attacks-tee.ts'
import { attacksInTransport } from './attacks-transport.ts'

const MUST = { fetch: 'makes no difference', elsewhere: 'taken from another cache', build: 'not taken' }

const attacks = [
  ...attacksOnEvidence,
  ...attacksOnForm,
  ...attacksInTransport,
  ...attacksInArchives,
  ...attacksOnLogs,
  ...attacksOnTees,
  ...attacksOnSessions,
  ...moreAttacks,
]
const rows = [
  ...attacks.map((one) => ({ ...one, result: MUST[one.must], make: () => complaintOf(one) })),
  ...attacksByMirrors,
  ...attacksOnCaches,
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
