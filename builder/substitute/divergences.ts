/**
 * Divergences: this machine built other bits than configured operators attest, or operators contradict each other. An event that people
 * see, never a vote. Kept in var/divergences/<item>.json with the attestations, so that it can be shown and reported.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { canonicalJson, encodeCanonicalJson, parseCanonicalJson } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import { below, countOf, fieldsOf, fieldsWith, listOf, type Place, requireThat, textOf } from '../../format/fields.ts'
import { parseSha256, type Sha256 } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import { parseStorePath, type StorePath, storeItemOf } from '../../format/store-path.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import type { Item } from '../../store/item.ts'
import type { Store } from '../../store/store.ts'
import { writeDurably } from '../../store/write-durably.ts'
import { base64Of } from '../../trust/bytes.ts'
import type { VerifiedEvidence } from '../../trust/evidence.ts'
import type { Decision } from '../../trust/policy/decision.ts'

export type Divergence = {
  readonly path: StorePath
  /** When it was seen, in seconds since 1970. */
  readonly at: number
  /** What was built here; null when nothing was, and operators contradict each other. */
  readonly built: Sha256 | null
  readonly sides: readonly DivergenceSide[]
}

export type DivergenceSide = {
  readonly digest: Sha256
  /** Sorted. */
  readonly operators: readonly string[]
  /** The envelopes, in base 64. */
  readonly attestations: readonly string[]
  /** The sessions that signed them, as their operators signed those; left out when there are none. */
  readonly sessions?: readonly string[]
}

/** What operators attest for a store path, by digest. Statements that were revoked count too: a person decides what it means. */
export function sidesOf(
  evidence: VerifiedEvidence,
  { recipe, path }: Pick<Item, 'recipe' | 'path'>,
): readonly DivergenceSide[] {
  const claims = (evidence.attestations.get(recipe) ?? []).flatMap(({ operator, attestation, sessions }) => {
    const output = attestation.statement.outputs.find((one) => one.path === path)
    const signed = sessions.map(({ session }) => session.bytes)
    return output === undefined ? [] : [{ operator, digest: output.digest, bytes: attestation.bytes, signed }]
  })
  return [...Map.groupBy(claims, ({ digest }) => digest)]
    .sort(([a], [b]) => compareBytewise(a, b))
    .map(([digest, side]) => ({
      digest,
      operators: [...new Set(side.map(({ operator }) => operator))].sort(compareBytewise),
      attestations: side.map(({ bytes }) => base64Of(bytes)).sort(),
      ...sessionsOf(side.flatMap(({ signed }) => signed)),
    }))
}

function sessionsOf(signed: readonly Uint8Array[]): Pick<DivergenceSide, 'sessions'> {
  return signed.length === 0 ? {} : { sessions: [...new Set(signed.map(base64Of))].sort() }
}

/** The divergence between what was built and what is attested, if there is one. */
export function divergenceFrom(
  item: Pick<Item, 'recipe' | 'path' | 'outputDigest'>,
  evidence: VerifiedEvidence,
  now: number,
): Divergence | undefined {
  const sides = sidesOf(evidence, item)
  if (sides.every(({ digest }) => digest === item.outputDigest)) return undefined
  return { path: item.path, at: now, built: item.outputDigest, sides }
}

/** What operators state differently, of that about which these decisions are. */
export function conflictsIn(
  decisions: readonly Decision[],
  evidence: VerifiedEvidence,
  now: number,
): readonly Divergence[] {
  return decisions
    .filter(({ reasons }) => reasons.some(({ kind }) => kind === 'divergence'))
    .map(({ request }) => ({ path: request.path, at: now, built: null, sides: sidesOf(evidence, request) }))
}

/** What was built here stays known, and nothing is written when nothing is new. Says whether something was. */
export function keepDivergence(store: Store, divergence: Divergence): boolean {
  const known = readDivergence(store, divergence.path)
  const next = { ...divergence, built: divergence.built ?? known?.built ?? null }
  const isSame = ({ built, sides }: Divergence) =>
    canonicalJson({ built, sides }) === canonicalJson({ built: next.built, sides: next.sides })
  if (known !== undefined && isSame(known)) return false
  writeDivergence(store, next)
  return true
}

export function writeDivergence(store: Store, divergence: Divergence): void {
  const file = fileOf(store, divergence.path)
  withDiskErrors(`cannot write ${file}`, () => mkdirSync(directoryOf(store), { recursive: true }))
  writeDurably(file, encodeCanonicalJson({ format: 1, ...divergence }))
}

export function readDivergence(store: Store, path: StorePath): Divergence | undefined {
  const file = fileOf(store, path)
  if (!existsSync(file)) return undefined
  const place: Place = { path: '', fail: (reason) => new AbnError('ABN_DECISION_INVALID', `${file}: ${reason}`) }
  const fields = fieldsOf(parseCanonicalJson(readFileSync(file)), place, ['at', 'built', 'format', 'path', 'sides'])
  requireThat(fields.format === 1, below(place, 'format'), 'expected 1')
  return {
    path: parseStorePath(textOf(fields.path, below(place, 'path'))),
    at: countOf(fields.at, below(place, 'at')),
    built: fields.built === null ? null : parseSha256(textOf(fields.built, below(place, 'built'))),
    sides: listOf(fields.sides, below(place, 'sides'), (side, at) => {
      const { attestations, digest, operators, sessions } = fieldsWith(side, at, [
        ['attestations', 'digest', 'operators'],
        ['sessions'],
      ])
      return {
        digest: parseSha256(textOf(digest, below(at, 'digest'))),
        operators: listOf(operators, below(at, 'operators'), textOf),
        attestations: listOf(attestations, below(at, 'attestations'), textOf),
        ...(sessions === undefined ? {} : { sessions: listOf(sessions, below(at, 'sessions'), textOf) }),
      }
    }),
  }
}

/** Every one that is kept, by store path. */
export function listDivergences(store: Store): readonly StorePath[] {
  const directory = directoryOf(store)
  if (!existsSync(directory)) return []
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
    .map((name) => parseStorePath(`/abn/store/${name.slice(0, -'.json'.length)}`))
    .sort(compareBytewise)
}

function directoryOf({ root }: Store): string {
  return `${root}/var/divergences`
}

function fileOf(store: Store, path: StorePath): string {
  return `${directoryOf(store)}/${storeItemOf(path)}.json`
}
