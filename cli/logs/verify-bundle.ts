// abnpkg verify --bundle FILE: what the policy makes of the evidence in a file, without a network.
import { readMemory } from '../../builder/substitute/memory.ts'
import { decideOffline, parseEvidenceFile } from '../../builder/substitute/offline.ts'
import type { Decision } from '../../trust/policy/decision.ts'
import { jsonOfDecision } from '../../trust/policy/decision-schema.ts'
import { linesOfDecision } from '../../trust/policy/explain.ts'
import { encodeTime } from '../../trust/time.ts'
import type { Arguments } from '../args.ts'
import type { Surroundings } from '../commands.ts'
import { countText } from '../output.ts'
import { requirePolicy } from '../policy/configured.ts'
import { storeToLookAt } from '../session.ts'
import { readEvidence } from './files.ts'
import { packagesToProve, type Target } from './wanted.ts'

/** Exit status 1 when something is refused. `now` in seconds since 1970. Throws ABN_EVIDENCE_FILE, ABN_BUNDLE_INVALID, ABN_POLICY_MISSING. */
export async function verifyBundle(
  file: string,
  now: number,
  { args, surroundings }: { readonly args: Arguments; readonly surroundings: Surroundings },
): Promise<number> {
  const { output } = surroundings
  const { policy } = requirePolicy()
  const evidence = parseEvidenceFile(readEvidence(file))
  const { evaluation, targets } = await packagesToProve(args.names, withoutNetwork(args), surroundings)
  const memory = readMemory(storeToLookAt(args), policy, Math.floor(Date.now() / 1000))
  const packages = targets.map((one) => one.package)
  const decided = decideOffline(packages, { packages: evaluation, policy, evidence, memory, now })
  const results = targets.map((target) => {
    const decisions = decided.decisionsAbout(target.package)
    for (const line of decisions.flatMap(linesOfDecision)) output.line(line)
    const differing = decisions.flatMap((decision) => differenceFromLock(target, decision) ?? [])
    for (const line of differing) output.line(output.paint('red', line))
    const isAccepted = decisions.every(({ outcome }) => outcome.kind === 'accepted')
    return { target, decisions, differing, accepted: isAccepted && differing.length === 0 }
  })
  const refused = results.filter(({ accepted }) => !accepted)
  output.line(
    `${results.length - refused.length} of ${countText(results.length, 'package')} accepted by this file alone`,
  )
  output.document({
    file,
    at: encodeTime(now),
    packages: results.map(({ target, decisions, differing, accepted }) => ({
      name: target.package.derivation.name,
      version: target.package.derivation.version,
      accepted,
      differing,
      decisions: decisions.map(jsonOfDecision),
    })),
  })
  return refused.length === 0 ? 0 : 1
}

/** Channels too are taken as they are here. */
function withoutNetwork(args: Arguments): Arguments {
  return { ...args, options: { ...args.options, offline: true } }
}

/** In one line. What is accepted has to be what is locked. */
function differenceFromLock({ locked }: Target, { request, outcome }: Decision): string | undefined {
  const one = locked?.outputs.find(({ path }) => path === request.path)
  if (locked === undefined || outcome.kind === 'refused') return undefined
  if (one === undefined) return `${request.path} is not locked`
  return one.digest === outcome.digest
    ? undefined
    : `${request.path}: locked is ${one.digest}, accepted would be ${outcome.digest}`
}
