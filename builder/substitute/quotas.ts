/**
 * How much of one cache's bag is looked at. Signatures under a checkpoint can be left out, repeated or invented by whoever carries it, so
 * that one genuine checkpoint gives any number of different documents, each of which costs the reader a verification; an honest
 * cache brings one. What is beyond the limit is left out, of this cache only: nobody can crowd out what another one brings.
 */
import type { Evidence } from '../../trust/evidence.ts'

/** `evidence` is one answer. The first of each kind stay. */
export function withinQuotas(evidence: readonly Evidence[]): readonly Evidence[] {
  const left = new Map(Object.entries(MOST_OF_A_KIND))
  return evidence.filter(({ kind }) => {
    const more = left.get(kind)
    if (more === undefined) return true
    left.set(kind, more - 1)
    return more > 0
  })
}

/** `evidence` is all that one cache has brought, where each file of a static one brings its own. The first checkpoints stay. */
export function withFewCheckpoints(evidence: readonly Evidence[]): readonly Evidence[] {
  const notes = new Set<string>()
  return evidence.filter((one) => {
    if (!LOG_DOCUMENTS.has(one.kind)) return true
    const note = noteIn(one.bytes)
    if (notes.size < MOST_CHECKPOINTS) notes.add(note)
    return notes.has(note)
  })
}

/** For a closure of many thousand builds, each in a session of its own, and collateral of a year. */
const MOST_OF_A_KIND: Readonly<Record<string, number>> = {
  session: 16_384,
  'session-proof': 32_768,
  collateral: 2048,
  'log-inclusions': 8,
  'log-consistency': 8,
}

const MOST_CHECKPOINTS = 8
const LOG_DOCUMENTS: ReadonlySet<string> = new Set(['log-inclusions', 'log-consistency'])

/** What comes after the first empty line, as in every document about a log; nothing else in it is looked at. */
function noteIn(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const end = buffer.indexOf('\n\n')
  return end < 0 ? '' : buffer.toString('latin1', end + 2, end + 2 + MAXIMUM_NOTE_BYTES)
}

const MAXIMUM_NOTE_BYTES = 64 * 1024
