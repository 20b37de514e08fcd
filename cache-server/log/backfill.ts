/**
 * Logs what was here before there was a log: sessions first, then revocation lists, then attestations, in bounded steps. Each step is
 * one write, of what is pending then and of how far it has come, so that it goes on after a stop; where it stands is in the record
 * `log/backfill`. A cache that runs without its log forgets that, and everything is looked at again when there is a log again.
 */
import { parseSha256, type Sha256, sha256Of } from '../../format/hash.ts'
import { documentPrefix } from '../sessions.ts'
import type { Change, Index } from '../storage/index.ts'
import { entryIndices, type Pending, type Sequencer } from './sequencer.ts'

export type BackfillParts = {
  readonly index: Index
  readonly log: Pick<Sequencer, 'pending' | 'sequence'>
  readonly sessionPending: (document: Sha256) => readonly Change[]
  /** Called after each step. */
  readonly progressed: () => void
  readonly signal: AbortSignal
}

/** Resolves when all is logged, or when it was told to stop. */
export async function backfill(parts: BackfillParts): Promise<void> {
  let place = await readPlace(parts.index)
  while (place.kind !== 'done' && !parts.signal.aborted) {
    place = await step(place, parts)
    parts.progressed()
  }
}

/** To be called where there is no log: what comes now is noted nowhere. */
export async function forgetBackfill(index: Index): Promise<void> {
  if ((await index.get(PLACE)) === undefined) return
  await index.write([{ kind: 'remove', key: PLACE }], { durable: true })
}

type Place = { readonly kind: 'at'; readonly stage: number; readonly after: string } | { readonly kind: 'done' }

const PLACE = 'log/backfill'
const STAGES = [documentPrefix, 'revocation/', 'attestation/'] as const
const STEP = 512

async function step({ stage, after }: Extract<Place, { kind: 'at' }>, parts: BackfillParts): Promise<Place> {
  const { index, log, sessionPending } = parts
  const prefix = STAGES[stage]
  if (prefix === undefined) return move(index, [], { kind: 'done' })
  const found: Pending[] = []
  const scan = { prefix, limit: STEP, ...(after === '' ? {} : { after }) }
  if (prefix === 'revocation/') {
    for await (const [record, bytes] of index.entries(scan)) found.push({ digest: sha256Of(bytes), record })
  } else for await (const record of index.keys(scan)) found.push({ digest: parseSha256(record.slice(-64)), record })
  const last = found.at(-1)
  if (last === undefined) return move(index, [], { kind: 'at', stage: stage + 1, after: '' })
  const entries = await entryIndices(
    index,
    found.map(({ digest }) => digest),
  )
  const missing = found.filter((_, i) => entries[i] === undefined)
  const changes = missing.flatMap((one) =>
    prefix === documentPrefix ? sessionPending(one.digest) : [log.pending(one)],
  )
  const next = await move(index, changes, { kind: 'at', stage, after: last.record })
  // What is pending stays bounded.
  await log.sequence()
  return next
}

async function move(index: Index, changes: readonly Change[], place: Place): Promise<Place> {
  const value = Buffer.from(JSON.stringify(place))
  await index.write([...changes, { kind: 'put', key: PLACE, value }], { durable: true })
  return place
}

async function readPlace(index: Index): Promise<Place> {
  const value = await index.get(PLACE)
  return value === undefined ? { kind: 'at', stage: 0, after: '' } : JSON.parse(Buffer.from(value).toString('utf8'))
}
