// Every attack of the table: what the tests make and `npm run attacks` prints.
import type { Attack } from './_support/attack.ts'
import type { LoneAttack } from './_support/lone.ts'
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

/** Each on a client of its own. */
export const attacksOnClients: readonly Attack[] = [
  ...attacksOnEvidence,
  ...attacksOnForm,
  ...attacksInTransport,
  ...attacksInArchives,
  ...attacksOnLogs,
  ...attacksOnTees,
  ...attacksOnSessions,
  ...moreAttacks,
]

/** Those that bring what they attack. */
export const loneAttacks: readonly LoneAttack[] = [...attacksByMirrors, ...attacksOnCaches]
