/**
 * How a log stands: whether everything that was shown of it, now and before, can be one tree that only grows. If so, what it has
 * shown to be in it counts; if not, nothing of this log counts, and the trouble says why. Pure; signatures have been verified before.
 *
 * All trees that were shown, and the one known before, must be beginnings of the largest, each by a proof of consistency or by a
 * chain of such proofs. Two that are beginnings of a third agree with each other.
 */
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import { isEqualBytes } from '../bytes.ts'
import type { LogKey, VerifiedCheckpoint } from './checkpoint.ts'
import { type VerifiedCosignature, verifyCosignature, type WitnessKey } from './cosignature.ts'
import type { VerifiedInclusions } from './inclusions.ts'
import { rootHash, type TreeHash, type TreeSize, treeSizeOf, verifyConsistency } from './merkle.ts'
import type { Note } from './note.ts'

export type KnownTree = { readonly size: TreeSize; readonly root: TreeHash }

export type LogStanding = {
  readonly log: LogKey
  /** Empty when there is trouble. */
  readonly trees: readonly StandingTree[]
  readonly trouble: LogTrouble | null
  /** The largest tree, when there is no trouble and something was shown that is not smaller than what was known. */
  readonly newest: NewestTree | null
  /** Digests of what was shown, but for what says nothing that the rest does not say; sorted. */
  readonly documents: readonly Sha256[]
}

export type StandingTree = {
  readonly checkpoint: VerifiedCheckpoint
  /** What is shown to be in it: indices by the leaf's hash in hexadecimal. */
  readonly leaves: ReadonlyMap<string, number>
  /** Of the policy's witnesses, each once, by whatever document they came. */
  readonly cosignatures: readonly VerifiedCosignature[]
  readonly document: Sha256
}

export type LogTrouble = {
  /**
   * 'fork': two trees of one size; 'smaller': a tree smaller than what was known; 'proof': a proof of consistency is wrong;
   * 'unproved': there is none.
   */
  readonly kind: 'fork' | 'smaller' | 'proof' | 'unproved'
  readonly shown: Note
  /** What it does not agree with; null for the tree that was known before. */
  readonly other: Note | null
  /** The wrong proof, as it came. */
  readonly proof: Uint8Array | null
}

export type NewestTree = { readonly tree: KnownTree; readonly note: Note }

/** Documents of which the log has signed the checkpoint. */
export type ShownInclusions = { readonly digest: Sha256; readonly inclusions: VerifiedInclusions }
export type ShownGrowth = {
  readonly digest: Sha256
  readonly bytes: Uint8Array
  readonly old: TreeSize
  readonly proof: readonly TreeHash[]
  readonly checkpoint: VerifiedCheckpoint
}

export type ShownOfLog = {
  readonly log: LogKey
  readonly inclusions: readonly ShownInclusions[]
  readonly growths: readonly ShownGrowth[]
}

export function standingOf(
  shown: ShownOfLog,
  known: KnownTree | undefined,
  witnesses: readonly WitnessKey[],
): LogStanding {
  const { log } = shown
  const { inclusions, growths, cosignatures } = withoutRepetitions(shown, known, witnesses)
  const documents = [...inclusions, ...growths].map(({ digest }) => digest).sort(compareBytewise)
  const agreed = agreementOf(checkpointsOf({ inclusions, growths }), growths, known)
  if (agreed.kind === 'trouble') return { log, trees: [], trouble: agreed.trouble, newest: null, documents }
  const trees = inclusions.map(({ digest, inclusions: { checkpoint, leaves } }) => ({
    checkpoint,
    leaves,
    cosignatures: cosignatures.get(checkpoint.note.text) ?? [],
    document: digest,
  }))
  return { log, trees, trouble: null, newest: agreed.newest, documents }
}

/** The trees that are shown to have this leaf. */
export function treesWith(logs: ReadonlyMap<string, LogStanding>, leaf: string): readonly StandingTree[] {
  if (leaf === '') return []
  return [...logs.values()].flatMap(({ trees }) => trees.filter(({ leaves }) => leaves.has(leaf)))
}

/** Those of the witnesses who have cosigned, each once; a wrong cosignature counts as none. */
export function cosignaturesOf(
  checkpoint: VerifiedCheckpoint,
  witnesses: readonly WitnessKey[],
): readonly VerifiedCosignature[] {
  return witnesses.flatMap((witness) => {
    try {
      return verifyCosignature(checkpoint, witness) ?? []
    } catch (error) {
      if (error instanceof AbnError) return []
      throw error
    }
  })
}

type Agreement =
  | { readonly kind: 'agreed'; readonly newest: NewestTree | null }
  | { readonly kind: 'trouble'; readonly trouble: LogTrouble }

/** A tree that was shown, or, without a note, the one that was known before. */
type Shown = KnownTree & { readonly note: Note | null }

function agreementOf(
  checkpoints: readonly VerifiedCheckpoint[],
  growths: readonly ShownGrowth[],
  known: KnownTree | undefined,
): Agreement {
  const bySize = new Map<number, Shown>()
  if (known !== undefined) bySize.set(known.size, { ...known, note: null })
  for (const { size, root, note } of checkpoints) {
    const same = bySize.get(size)
    if (same !== undefined && !isEqualBytes(same.root, root)) return troubled('fork', note, same.note)
    bySize.set(size, { size, root, note: same?.note ?? note })
  }
  const ordered = [...bySize.values()].sort((a, b) => a.size - b.size)
  const largest = ordered.at(-1)
  if (largest === undefined) return { kind: 'agreed', newest: null }
  const { sound, wrong } = proofsAmong(bySize, growths)
  const beginnings = beginningsOf(largest, sound)
  const other = ordered.find((one) => !beginnings.has(one.size) && !isEmptyTree(one))
  if (other === undefined) {
    return { kind: 'agreed', newest: largest.note === null ? null : { tree: largest, note: largest.note } }
  }
  const bad = wrong.find(({ old }) => old === other.size)
  if (bad !== undefined) return troubled('proof', bad.checkpoint.note, other.note, bad.bytes)
  // Where nothing that came reaches what was known, that is the largest, and has no note.
  const isSmaller = other.size < (known?.size ?? 0)
  if (other.note !== null && isSmaller) return troubled('smaller', other.note, largest.note)
  if (largest.note === null) throw new TypeError('agreementOf: two trees that were known before')
  return troubled('unproved', largest.note, other.note)
}

type Proofs = { readonly sound: readonly ShownGrowth[]; readonly wrong: readonly ShownGrowth[] }

/** A proof from a size that nobody has shown says nothing. */
function proofsAmong(bySize: ReadonlyMap<number, KnownTree>, growths: readonly ShownGrowth[]): Proofs {
  const judged = growths.flatMap((growth) => {
    const old = bySize.get(growth.old)
    return old === undefined ? [] : [{ growth, isSound: isBeginning(old, growth) }]
  })
  return {
    sound: judged.flatMap(({ growth, isSound }) => (isSound ? growth : [])),
    wrong: judged.flatMap(({ growth, isSound }) => (isSound ? [] : growth)),
  }
}

function isBeginning(old: KnownTree, { checkpoint, proof }: ShownGrowth): boolean {
  try {
    verifyConsistency({ old, new: checkpoint, proof })
    return true
  } catch (error) {
    if (error instanceof AbnError) return false
    throw error
  }
}

/** Sizes of the trees that are shown to be the beginning of the largest. */
function beginningsOf(largest: KnownTree, sound: readonly ShownGrowth[]): ReadonlySet<number> {
  const sizes = new Set<number>([largest.size])
  // From the largest down: a proof can only lead to a tree that has been reached already.
  for (const { old, checkpoint } of sound.toSorted((a, b) => b.checkpoint.size - a.checkpoint.size)) {
    if (sizes.has(checkpoint.size)) sizes.add(old)
  }
  return sizes
}

function isEmptyTree({ size, root }: KnownTree): boolean {
  return size === 0 && isEqualBytes(root, emptyRoot())
}

function emptyRoot(): TreeHash {
  return rootHash(treeSizeOf(0), () => {
    throw new TypeError('the empty tree has no subtrees')
  })
}

type WithoutRepetitions = Omit<ShownOfLog, 'log'> & {
  /** By the text of the checkpoint: of each witness the newest. */
  readonly cosignatures: ReadonlyMap<string, readonly VerifiedCosignature[]>
}

/**
 * Anybody can give a genuine checkpoint other lines of signatures, and so make any number of documents of one. Those stay that add an entry,
 * a newer cosignature of a witness, or a proof from another size; every checkpoint that was shown is in one of them.
 */
function withoutRepetitions(
  { inclusions, growths }: Omit<ShownOfLog, 'log'>,
  known: KnownTree | undefined,
  witnesses: readonly WitnessKey[],
): WithoutRepetitions {
  const said = new Map<string, { readonly what: Set<string>; readonly newest: Map<string, VerifiedCosignature> }>()
  const isNew = (checkpoint: VerifiedCheckpoint, what: Iterable<string>): boolean => {
    const { text } = checkpoint.note
    const before = said.get(text) ?? { what: new Set(), newest: new Map() }
    said.set(text, before)
    const count = before.what.size
    for (const one of what) before.what.add(one)
    const newer = cosignaturesOf(checkpoint, witnesses).filter(
      ({ witness, time }) => time > (before.newest.get(witness.id)?.time ?? -1),
    )
    for (const one of newer) before.newest.set(one.witness.id, one)
    return newer.length > 0 || before.what.size > count
  }
  const largestFirst = inclusions.toSorted((a, b) => b.inclusions.leaves.size - a.inclusions.leaves.size)
  const keptInclusions = new Set(
    largestFirst.filter(({ inclusions: { checkpoint, leaves } }) => isNew(checkpoint, leaves.keys())),
  )
  const roots = new Map(checkpointsOf({ inclusions, growths }).map((one): [number, KnownTree] => [one.size, one]))
  if (known !== undefined) roots.set(known.size, known)
  const { sound, wrong } = proofsAmong(roots, growths)
  const others = growths.filter(({ old }) => !roots.has(old))
  const keptGrowths = new Set(
    [...sound, ...wrong, ...others].filter(({ checkpoint, old }) => isNew(checkpoint, [`from ${old}`])),
  )
  return {
    inclusions: inclusions.filter((one) => keptInclusions.has(one)),
    growths: growths.filter((one) => keptGrowths.has(one)),
    cosignatures: new Map(
      [...said].map(([text, { newest }]) => [
        text,
        [...newest.values()].sort((a, b) => compareBytewise(a.witness.id, b.witness.id)),
      ]),
    ),
  }
}

function checkpointsOf({ inclusions, growths }: Omit<ShownOfLog, 'log'>): readonly VerifiedCheckpoint[] {
  return [
    ...inclusions.map(({ inclusions: { checkpoint } }) => checkpoint),
    ...growths.map(({ checkpoint }) => checkpoint),
  ]
}

function troubled(
  kind: LogTrouble['kind'],
  shown: Note,
  other: Note | null,
  proof: Uint8Array | null = null,
): Agreement {
  return { kind: 'trouble', trouble: { kind, shown, other, proof } }
}
