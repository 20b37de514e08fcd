// abnpkg log check FILE: whether a file about logs says the truth: a tlog-proof, an alarm, a checkpoint, or evidence. Asks nobody; the keys
// are those of the policy, and those that are named on the command line.
import { parseAlarm } from '../../builder/log/alarm.ts'
import { configurationDirectories, readPolicy } from '../../builder/substitute/configuration.ts'
import { parseEvidenceFile, verifiedOffline } from '../../builder/substitute/offline.ts'
import { AbnError } from '../../format/errors.ts'
import { isEqualBytes } from '../../trust/bytes.ts'
import { parsePublicKey } from '../../trust/key.ts'
import {
  type LogKey,
  parseCheckpoint,
  type VerifiedCheckpoint,
  verifiedCheckpointOf,
} from '../../trust/log/checkpoint.ts'
import { type Consistency, verifyConsistency } from '../../trust/log/merkle.ts'
import { type Note, parseNote } from '../../trust/log/note.ts'
import { parseLogProof, verifyLogProof } from '../../trust/log/proof-file.ts'
import { cosignaturesOf } from '../../trust/log/standing.ts'
import { parseAddCheckpoint } from '../../trust/log/witness-request.ts'
import type { Policy } from '../../trust/policy/policy.ts'
import { type Arguments, textOption } from '../args.ts'
import type { Surroundings } from '../commands.ts'
import { countText } from '../output.ts'
import { requirePolicy } from '../policy/configured.ts'
import { readEvidence } from './files.ts'
import { jsonOfWitnesses, loggedThings, witnessText } from './place.ts'

type Result = { readonly holds: boolean; readonly lines: readonly string[]; readonly document: object }
type Checking = {
  readonly args: Arguments
  readonly file: string
  readonly logs: readonly LogKey[]
  readonly policy: Policy | undefined
  readonly now: number
}

/** Exit status 1 when it does not hold. Throws ABN_EVIDENCE_FILE, and what reading the formats throws. */
export async function check(file: string, args: Arguments, { output }: Surroundings): Promise<number> {
  const bytes = readEvidence(file)
  const given = args.options.key
  const keys = (Array.isArray(given) ? given : []).map((line) => parsePublicKey(String(line)))
  const policy = readPolicy(configurationDirectories(process.env))?.policy
  const now = Math.floor(Date.now() / 1000)
  const checking = { args, file, logs: [...keys, ...(policy?.logs ?? [])], policy, now }
  const result = checkOf(bytes)(bytes, checking)
  for (const line of result.lines) output.line(line)
  output.document({ file, holds: result.holds, ...result.document })
  return result.holds ? 0 : 1
}

function checkOf(bytes: Uint8Array): (bytes: Uint8Array, checking: Checking) => Result {
  const start = Buffer.from(bytes.subarray(0, 4096)).toString('latin1')
  if (bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd) return checkEvidence
  if (start.startsWith('c2sp.org/tlog-proof@v1\n')) return checkProof
  if (start.includes('----- begin trouble\n')) return checkAlarm
  return checkNote
}

function checkProof(bytes: Uint8Array, { args, file, logs, policy, now }: Checking): Result {
  const proof = parseLogProof(bytes)
  const path = textOption(args, 'entry') ?? file.replace(/(\.tlog-proof)?$/, '.json')
  const entry = readEvidence(path, 1024 * 1024)
  const log = logOf(proof.checkpoint, logs)
  const { checkpoint, index } = verifyLogProof(proof, entry, log)
  const cosignatures = cosignaturesOf(checkpoint, policy?.witnesses ?? [])
  return {
    holds: true,
    lines: [`${path} is entry ${index} of ${checkpoint.size} of ${checkpoint.origin}`, witnessText(cosignatures, now)],
    document: {
      kind: 'tlog-proof',
      log: checkpoint.origin,
      index,
      size: checkpoint.size,
      witnesses: jsonOfWitnesses(cosignatures),
    },
  }
}

function checkNote(bytes: Uint8Array, { logs, policy, now }: Checking): Result {
  const note = parseNote(bytes)
  const { origin, size } = verifiedCheckpointOf(note, logOf(note, logs))
  const cosignatures = cosignaturesOf(verifiedCheckpointOf(note, logOf(note, logs)), policy?.witnesses ?? [])
  return {
    holds: true,
    lines: [
      `a checkpoint of ${origin}, signed by it: ${countText(size, 'entry', 'entries')}`,
      witnessText(cosignatures, now),
    ],
    document: { kind: 'checkpoint', log: origin, size, witnesses: jsonOfWitnesses(cosignatures) },
  }
}

/** An alarm holds when it shows what it claims: by what the log itself has signed, or that somebody has sent a wrong proof. */
function checkAlarm(bytes: Uint8Array, { logs }: Checking): Result {
  const alarm = parseAlarm(Buffer.from(bytes).toString('utf8'))
  const log = logOf(alarm.shown, logs)
  const shown = verifiedCheckpointOf(alarm.shown, log)
  const other = alarm.other === null ? undefined : verifiedCheckpointOf(alarm.other, log)
  const [finding, holds] = findingOf(shown, other, alarm.proof)
  const trees = [shown, ...(other === undefined ? [] : [other])]
  return {
    holds,
    lines: [`${log.name} has signed ${trees.map(treeText).join(' and ')}`, finding],
    document: {
      kind: 'alarm',
      log: log.name,
      trouble: alarm.kind,
      finding,
      trees: trees.map(({ size, root }) => ({ size, root: Buffer.from(root).toString('base64') })),
    },
  }
}

function findingOf(
  shown: VerifiedCheckpoint,
  other: VerifiedCheckpoint | undefined,
  proof: Uint8Array | null,
): readonly [finding: string, holds: boolean] {
  if (other === undefined) return ['there is no other note to compare it with, so that this shows nothing', false]
  if (shown.size === other.size) {
    return isEqualBytes(shown.root, other.root)
      ? ['the two trees are the same, so that this shows nothing', false]
      : ['FORK: two trees of one size, both signed by the log: it has lied to somebody', true]
  }
  const [old, grown] = shown.size < other.size ? [shown, other] : [other, shown]
  if (proof === null) {
    return [
      'whether the smaller tree is the beginning of the larger one is not shown: ask the log for a proof of consistency between them',
      true,
    ]
  }
  const request = parseAddCheckpoint(proof)
  const consistency: Consistency = { old, new: grown, proof: request.proof }
  return isConsistent(consistency)
    ? ['the proof is right: the smaller tree is the beginning of the larger one, so that this shows nothing', false]
    : [
        'the proof that the smaller tree is the beginning of the larger one is wrong: the log, or who carried it, has lied',
        true,
      ]
}

function isConsistent(consistency: Consistency): boolean {
  try {
    verifyConsistency(consistency)
    return true
  } catch (error) {
    if (error instanceof AbnError) return false
    throw error
  }
}

function checkEvidence(bytes: Uint8Array, { policy }: Checking): Result {
  const evidence = parseEvidenceFile(bytes)
  const under = policy ?? requirePolicy().policy
  const memory = { remembered: [], knownLogs: new Map(), knownEvaluations: new Map() }
  const verified = verifiedOffline({ policy: under, evidence, memory })
  const attestations = [...verified.attestations.values()].flat()
  const byOperator = Map.groupBy(attestations, ({ operator }) => operator)
  const things = loggedThings(attestations, verified)
  const unlogged = things.filter(({ places }) => places.length === 0).length
  const troubles = [...verified.logs.values()].flatMap(({ log, trouble }) =>
    trouble === null ? [] : [{ log: log.name, kind: trouble.kind }],
  )
  const wrong = verified.aside.filter(({ because }) => because === 'invalid' || because === 'signature')
  return {
    holds: troubles.length === 0 && wrong.length === 0 && attestations.length > 0,
    lines: [
      `${countText(evidence.length, 'piece')} of evidence`,
      ...[...byOperator].map(([operator, all]) => `  ${countText(all.length, 'statement')} of ${operator}`),
      ...[...verified.logs.values()].flatMap(({ trees }) =>
        trees.map(
          ({ checkpoint }) => `  a tree of ${countText(checkpoint.size, 'entry', 'entries')} of ${checkpoint.origin}`,
        ),
      ),
      ...(under.logs.length === 0 ? [] : [`  not shown to be in a log: ${unlogged} of ${things.length}`]),
      ...troubles.map(({ log, kind }) => `  LOG ${log}: ${kind}`),
      ...[...Map.groupBy(verified.aside, ({ because }) => because)].map(
        ([because, all]) => `  set aside: ${countText(all.length, 'piece')} (${because})`,
      ),
    ],
    document: {
      kind: 'evidence',
      pieces: evidence.length,
      statements: Object.fromEntries([...byOperator].map(([operator, all]) => [operator, all.length])),
      unlogged,
      troubles,
      aside: verified.aside,
    },
  }
}

/** Throws ABN_LOG_UNKNOWN when neither the policy nor the command line names the log. */
function logOf(note: Note, logs: readonly LogKey[]): LogKey {
  const { origin } = parseCheckpoint(note.text)
  const named = logs.filter(({ name }) => name === origin)
  const signed = named.find((log) => note.signatures.some(({ keyHash }) => log.id.startsWith(keyHash)))
  const found = signed ?? named[0]
  if (found !== undefined) return found
  throw new AbnError('ABN_LOG_UNKNOWN', `the key of the log ${origin} is not known here`, {
    hint: 'name it with --key, or in the policy; take it from the log itself, not from who sent the file',
  })
}

function treeText({ size, root }: VerifiedCheckpoint): string {
  return `a tree of ${countText(size, 'entry', 'entries')} (root ${Buffer.from(root).toString('base64')})`
}
