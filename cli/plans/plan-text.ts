// A plan in words: what is fetched and on whose word, what is built and why, what it costs.
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import type { Plan, PlannedStep } from '../../builder/realise/plan.ts'
import type { Estimate } from '../../builder/substitute/estimate.ts'
import type { Substitution } from '../../builder/substitute/substitute.ts'
import { countText, sizeText, timeText } from '../output.ts'

export type ShownPlan = {
  readonly plan: Plan
  /** Undefined when nothing was asked: everything is built. */
  readonly substitution: Substitution | undefined
  /** plan-reasons.ts; undefined when nothing was asked. */
  readonly words: typeof import('./plan-reasons.ts') | undefined
  readonly estimate: Estimate | undefined
}

export function planLines({ plan, substitution, words, estimate }: ShownPlan): string[] {
  const { steps, downloads } = plan
  const lines: string[] = []
  if (steps.length > 0)
    for (const report of substitution?.reports ?? []) {
      if (report.kind === 'failed') lines.push(`cache ${report.address} is left out: ${report.reason}`)
    }
  if (steps.length > 0) lines.push(...(words?.alarmLines(substitution?.alarms ?? []) ?? []))
  lines.push(...substituteLines(steps, estimate))
  if (downloads.length > 0) {
    const sizes = downloads.flatMap(({ size }) => size ?? [])
    const bytes = sizes.reduce((sum, size) => sum + size, 0)
    const known = sizes.length === 0 ? '' : `, ${sizes.length < downloads.length ? 'more than ' : ''}${sizeText(bytes)}`
    lines.push(`to download: ${countText(downloads.length, 'source')}${known}`)
    for (const { hint } of downloads) {
      lines.push(
        `  ${hint.kind === 'urls' ? hint.urls[0] : hint.kind === 'git' ? `${hint.url} ${hint.commit}` : hint.path}`,
      )
    }
  }
  const builds = steps.filter(({ kind }) => kind === 'build').map((step) => step.package)
  if (builds.length > 0) {
    lines.push(`to build: ${countText(builds.length, 'package')}${buildTimeText(estimate, substitution)}`)
    lines.push(...wrapped(builds.map(nameOf)))
    if (substitution && words) lines.push(...whyLines(builds, (one) => words.reasonText(one, substitution)))
  }
  return lines
}

function substituteLines(steps: readonly PlannedStep[], estimate: Estimate | undefined): string[] {
  const substitutes = steps.filter((step) => step.kind === 'substitute')
  if (substitutes.length === 0) return []
  const size = estimate
    ? `, about ${sizeText(estimate.downloadBytes)} to download, ${sizeText(estimate.diskBytes)} on disk`
    : ''
  const byOperators = Map.groupBy(substitutes, ({ accepted }) => operatorsOf(accepted[0]?.decision.outcome))
  return [
    `to fetch: ${countText(substitutes.length, 'package')}${size}`,
    ...[...byOperators].flatMap(([operators, ones]) => [
      ...wrapped(ones.map((step) => nameOf(step.package))),
      `    on the word of ${operators}`,
    ]),
  ]
}

function operatorsOf(outcome: { readonly kind: string; readonly operators?: readonly string[] } | undefined): string {
  return outcome?.operators?.join(', ') ?? 'nobody'
}

function buildTimeText(estimate: Estimate | undefined, substitution: Substitution | undefined): string {
  if (estimate === undefined || substitution === undefined) return ''
  const { buildSeconds, unknownBuilds } = estimate
  if (buildSeconds === 0) return ''
  return `, about ${timeText(buildSeconds)}${unknownBuilds > 0 ? `, and ${unknownBuilds} of which nobody says` : ''}`
}

const SHOWN = 6

/** The reasons, each with the packages for which it holds. */
function whyLines(builds: readonly EvaluatedPackage[], reasonOf: (one: EvaluatedPackage) => string): string[] {
  const byReason = Map.groupBy(builds, reasonOf)
  return [...byReason].map(([reason, ones]) => {
    const names = ones.slice(0, SHOWN).map(nameOf).join(', ')
    return `  ${reason}: ${names}${ones.length > SHOWN ? `, and ${ones.length - SHOWN} more` : ''}`
  })
}

export function jsonOfPlan({ plan, substitution, words, estimate }: ShownPlan) {
  return {
    substitutes: plan.steps.flatMap((step) =>
      step.kind === 'build'
        ? []
        : {
            ...identityOf(step),
            accepted: step.accepted.map(({ path, digest, bytes, references, decision: { outcome } }) => ({
              path,
              digest,
              bytes,
              references,
              operators: outcome.kind === 'accepted' ? outcome.operators : [],
            })),
          },
    ),
    builds: plan.steps.flatMap((step) =>
      step.kind === 'substitute'
        ? []
        : {
            ...identityOf(step),
            ...(substitution && words ? { because: words.reasonText(step.package, substitution) } : {}),
          },
    ),
    downloads: plan.downloads.map(({ sha256, hint, size }) => ({ sha256, hint, size })),
    ...(substitution && words
      ? { caches: substitution.reports, alarms: substitution.alarms.map(words.jsonOfAlarm), estimate }
      : {}),
  }
}

function identityOf({ package: { derivation, recipeHash }, outputs }: PlannedStep) {
  return { name: derivation.name, version: derivation.version, recipeHash, outputs: Object.fromEntries(outputs) }
}

export function nameOf({ derivation }: EvaluatedPackage): string {
  return `${derivation.name} ${derivation.version}`
}

function wrapped(words: readonly string[], width = 96): string[] {
  const lines: string[] = []
  for (const [index, word] of words.entries()) {
    const text = index < words.length - 1 ? `${word},` : word
    const last = lines.at(-1)
    if (last === undefined || last.length + text.length + 1 > width) lines.push(`  ${text}`)
    else lines[lines.length - 1] = `${last} ${text}`
  }
  return lines
}
