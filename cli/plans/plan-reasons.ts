// Why the policy lets nothing be fetched for a package, on one line; and what is wrong with logs, with what to do about it.
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import type { LogAlarm } from '../../builder/log/alarm.ts'
import type { KeptAlarm } from '../../builder/substitute/alarms.ts'
import type { Substitution } from '../../builder/substitute/substitute.ts'
import { encodeNote } from '../../trust/log/note.ts'
import type { NotCounted, Reason } from '../../trust/policy/decision.ts'
import { linesOfReason } from '../../trust/policy/explain.ts'

export function reasonText(one: EvaluatedPackage, substitution: Pick<Substitution, 'whyBuilt'>): string {
  const why = substitution.whyBuilt(one)
  switch (why.kind) {
    case 'missed':
      return 'no cache has what was accepted'
    case 'references':
      return `it is said to refer to ${why.path}, from which it is not made`
    case 'not-asked':
      return 'nobody was asked'
    case 'refused':
      return refusalText(why.decisions.flatMap(({ outcome, reasons }) => (outcome.kind === 'refused' ? reasons : [])))
    default:
      return why satisfies never
  }
}

/** The one that matters most, in words that are the same for all packages for which it holds. */
function refusalText(reasons: readonly Reason[]): string {
  if (reasons.some(({ kind }) => kind === 'divergence')) return 'the operators contradict each other'
  if (reasons.some(({ kind }) => kind === 'source-only')) return 'the policy wants it from source'
  // The trouble of a log that nothing was looked for in, or nothing was missing from, is not why.
  const isHidden = reasons.some((one) => one.kind === 'not-counted' && UNSEEN.has(one.because))
  const first = reasons.find(({ kind }) => kind === 'factor-unconfigured' || (kind === 'log-trouble' && isHidden))
  if (first !== undefined) return lineOf(first)
  if (reasons.some(({ kind }) => kind === 'input-not-accepted')) return 'its inputs are not accepted'
  const few = reasons.find((reason) => reason.kind === 'too-few')
  if (few !== undefined) {
    const because = reasons.find(({ kind }) => kind === 'not-counted')
    const text = `${few.counted} of the ${few.wanted} operators agree that the policy wants`
    return because === undefined ? text : `${text}; ${lineOf(because)}`
  }
  const required = reasons.find((reason) => reason.kind === 'required-missing')
  if (required !== undefined) return `${required.operator} has to agree`
  const tee = reasons.find(({ kind }) => kind === 'tee-too-few')
  if (tee !== undefined) {
    const refused = reasons.find(({ kind }) => kind === 'tee-refused')
    return [tee, ...(refused === undefined ? [] : [refused])].map(lineOf).join('; ')
  }
  return 'the policy is not satisfied'
}

const UNSEEN: ReadonlySet<NotCounted> = new Set(['not-logged', 'not-witnessed'])

/** Without the digest, which differs from package to package. */
function lineOf(reason: Reason): string {
  const [line = 'the policy is not satisfied'] = linesOfReason(reason)
  return line.replace(/ \(attestation [^)]*\)$/, '')
}

export function alarmLines(alarms: readonly LogAlarm[]): readonly string[] {
  return alarms.map(({ origin, says }) => `LOG ALARM: ${origin}: ${says}; nothing of it counts`)
}

/** What to do about it. */
export function keptLines(kept: readonly KeptAlarm[]): readonly string[] {
  return kept.map(({ alarm: { origin }, file }) =>
    file === undefined
      ? `the proof against ${origin} was not kept: var/trust/alarms is full; send on what is there, and remove it`
      : `the proof against ${origin} is in ${file}: send it to the log's operator and its witnesses; 'abnpkg log check FILE' checks it`,
  )
}

export function jsonOfAlarm({ origin, kind, says, from, shown, other, proof }: LogAlarm) {
  const textOf = (note: LogAlarm['other']) => note && Buffer.from(encodeNote(note)).toString('utf8')
  return {
    log: origin,
    kind,
    says,
    from: from ?? null,
    shown: textOf(shown),
    other: textOf(other),
    proof: proof && Buffer.from(proof).toString('base64'),
  }
}
