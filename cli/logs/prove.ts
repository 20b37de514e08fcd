// abnpkg log prove NAME: what there is to be said for a package, where it is logged, and all of it in files that others can check.
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Evaluation } from '../../builder/evaluate/evaluation.ts'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import type { LogAlarm } from '../../builder/log/alarm.ts'
import { singleProofs } from '../../builder/log/single-proofs.ts'
import { configurationDirectories, readConfiguration } from '../../builder/substitute/configuration.ts'
import { readMemory } from '../../builder/substitute/memory.ts'
import { type DecidedOffline, decideOffline, encodeEvidenceFile } from '../../builder/substitute/offline.ts'
import { prepareSubstitution } from '../../builder/substitute/substitute.ts'
import type { Sha256 } from '../../format/hash.ts'
import type { VerifiedEvidence } from '../../trust/evidence.ts'
import { type Inclusions, parseInclusions } from '../../trust/log/inclusions.ts'
import { encodeLogProof, type LogProof } from '../../trust/log/proof-file.ts'
import type { Decision } from '../../trust/policy/decision.ts'
import { type Arguments, textOption } from '../args.ts'
import type { Surroundings } from '../commands.ts'
import { countText } from '../output.ts'
import { alarmLines, jsonOfAlarm } from '../plans/plan-reasons.ts'
import { requirePolicy } from '../policy/configured.ts'
import { isOffline, storeToLookAt } from '../session.ts'
import { writeEvidence } from './files.ts'
import { jsonOfPlace, type Logged, loggedThings, placeText } from './place.ts'
import { packagesToProve, recordedEvidence } from './wanted.ts'

/** Without names, those of the project. Throws ABN_POLICY_MISSING, ABN_EVIDENCE_FILE, ABN_DECISION_MISSING. */
export async function prove(names: readonly string[], args: Arguments, surroundings: Surroundings): Promise<number> {
  const { output } = surroundings
  const now = Math.floor(Date.now() / 1000)
  const { evaluation, targets } = await packagesToProve(names, args, surroundings)
  const packages = targets.map(({ package: one }) => one)
  const found = await (isOffline(args) ? fromRecords : fromCaches)(packages, { evaluation, args, surroundings, now })
  const decisions = found.decisionsFor(packages)
  for (const line of alarmLines(found.alarms)) output.note(line)
  const things = packages.flatMap((one) => loggedThings(attestationsOf(one, found.evidence), found.evidence))
  for (const one of packages) {
    output.line(output.paint('bold', `${one.derivation.name} ${one.derivation.version}`))
    const own = loggedThings(attestationsOf(one, found.evidence), found.evidence)
    if (own.length === 0) output.line('  none of your operators says anything about it')
    for (const thing of own) for (const line of linesOf(thing, now)) output.line(`  ${line}`)
  }
  const file = textOption(args, 'output')
  if (file !== undefined) {
    writeEvidence(file, encodeEvidenceFile(found.evidence, decisions))
    output.line(`wrote ${file}; 'abnpkg verify --bundle FILE' decides from it without a network`)
  }
  const directory = textOption(args, 'tlog-proof')
  const written = directory === undefined ? [] : writeProofs(directory, things, found.evidence)
  if (directory !== undefined) {
    output.line(`wrote ${countText(written.length, 'proof')} into ${directory}; 'abnpkg log check FILE' checks one`)
  }
  const hasLogs = requirePolicy().policy.logs.length > 0
  if (!hasLogs) output.note('the policy names no log')
  const isLogged = things.length > 0 && (!hasLogs || things.every(({ places }) => places.length > 0))
  output.document({
    entries: things.map((thing) => ({
      kind: thing.what,
      operator: thing.operator,
      sha256: thing.digest,
      places: thing.places.map(jsonOfPlace),
    })),
    alarms: found.alarms.map(jsonOfAlarm),
    accepted: targets.map(({ package: one }) => ({
      name: one.derivation.name,
      accepted: isAccepted(found.decisionsAbout(one)),
    })),
    evidence: file ?? null,
    proofs: written,
  })
  return isLogged ? 0 : 1
}

type Proving = {
  readonly evaluation: Evaluation
  readonly args: Arguments
  readonly surroundings: Surroundings
  readonly now: number
}

type Found = DecidedOffline & { readonly alarms: readonly LogAlarm[] }

async function fromCaches(packages: readonly EvaluatedPackage[], proving: Proving): Promise<Found> {
  const { evaluation, args, surroundings, now } = proving
  const { policy } = requirePolicy()
  const { caches } = readConfiguration(configurationDirectories(process.env))
  const { signal, output } = surroundings
  await using substitution = await prepareSubstitution(packages, {
    store: storeToLookAt(args),
    packages: evaluation,
    policy,
    caches,
    now,
    signal,
    everything: true,
    afresh: true,
  })
  if (caches.length === 0) output.note('no cache was asked')
  for (const report of substitution.reports)
    if (report.kind === 'failed') output.note(`cache ${report.address} is left out: ${report.reason}`)
  const { evidence, alarms, decisionsAbout, decisionsFor } = substitution
  return { evidence, alarms, decisionsAbout, decisionsFor }
}

async function fromRecords(packages: readonly EvaluatedPackage[], { evaluation, args, now }: Proving): Promise<Found> {
  const { policy } = requirePolicy()
  const store = storeToLookAt(args)
  const evidence = recordedEvidence(packages, store)
  const memory = readMemory(store, policy, now)
  return { ...decideOffline(packages, { packages: evaluation, policy, evidence, memory, now }), alarms: [] }
}

function attestationsOf({ recipeHash }: EvaluatedPackage, { attestations }: VerifiedEvidence) {
  return attestations.get(recipeHash) ?? []
}

function isAccepted(decisions: readonly Decision[]): boolean {
  return decisions.length > 0 && decisions.every(({ outcome }) => outcome.kind === 'accepted')
}

function linesOf({ what, operator, digest, places }: Logged, now: number): readonly string[] {
  const name = `${what} of ${operator} sha256:${digest.slice(0, 12)}…`
  if (places.length === 0) return [`${name}: not shown to be in a log of the policy`]
  return places.map((place) => `${name}: ${placeText(place, now)}`)
}

/** `<kind>-<digest>.json` is the entry, `<kind>-<digest>.tlog-proof` beside it the proof. */
function writeProofs(directory: string, things: readonly Logged[], { others }: VerifiedEvidence): readonly string[] {
  const proofs = new Map<Sha256, { readonly inclusions: Inclusions; readonly byIndex: ReadonlyMap<number, LogProof> }>()
  mkdirSync(resolve(directory), { recursive: true })
  return things.flatMap(({ what, digest, bytes, places }) => {
    const [best] = [...places].sort((a, b) => b.tree.cosignatures.length - a.tree.cosignatures.length)
    if (best === undefined) return []
    const { document, checkpoint } = best.tree
    const piece = others.find((one) => one.digest === document)
    if (piece === undefined) return []
    const inclusions = proofs.get(document)?.inclusions ?? parseInclusions(piece.bytes)
    const byIndex = proofs.get(document)?.byIndex ?? singleProofs(inclusions, checkpoint)
    proofs.set(document, { inclusions, byIndex })
    const proof = byIndex.get(best.index)
    if (proof === undefined) throw new TypeError(`writeProofs: no proof of ${digest}`)
    const name = join(directory, `${what}-${digest}`)
    writeEvidence(`${name}.json`, bytes)
    writeEvidence(`${name}.tlog-proof`, encodeLogProof(proof))
    return [`${name}.tlog-proof`]
  })
}
