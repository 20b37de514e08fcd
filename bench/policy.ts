/**
 * Prints how long the policy takes for a closure of 1,000 items attested by 3 operators, signatures included, and how many
 * bytes the evidence for a statement takes on the wire in one bundle of that closure. First with the operators' keys alone, then with
 * all that `paranoid` looks at: three sessions with quotes, and one log with proofs for everything, cosigned by two witnesses.
 * Each beside its limit; ratios below 1 are good. In the end beside what arXiv 2605.21089 reports for one attested evidence.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { sha256Of } from '../format/hash.ts'
import { decodeBundle, encodeBundle } from '../trust/bundle.ts'
import { type Evidence, type VerificationMemory, verifyEvidence } from '../trust/evidence.ts'
import { encodePublicKey } from '../trust/key.ts'
import { encodeWitnessKey, witnessKeyOf } from '../trust/log/cosignature.ts'
import { evaluateClosure } from '../trust/policy/closure.ts'
import { type Policy, parsePolicy } from '../trust/policy/policy.ts'
import { signRevocationList } from '../trust/revocation.ts'
import { newSecretKey, type SecretKey } from '../trust/secret-key.ts'
import { parseQuote } from '../trust/tee/quote.ts'
import { simulatedRoot } from '../trust/tee/simulated.ts'
import { registersOf } from '../trust/tee/verdict.ts'
import { closure, loggedEvidence, now, ownBuilder, startedSession, statementsOf } from './policy/world.ts'

const limits = { seconds: 0.5, secondsWithProofs: 0.7, bytes: 294 }
/** Of arXiv 2605.21089, for one evidence. */
const paper = { bytes: 294, milliseconds: 80 }
const ROUNDS = 5
const factorsOfParanoid = [
  { kind: 'revocations', within: 7 * 86_400 },
  { kind: 'logged' },
  { kind: 'witnessed', atLeast: 2, within: 86_400 },
  { kind: 'tee', atLeast: 1 },
]

const items = closure(1_000)
const operators = ['alice', 'bob', 'carol'].map((name) => ({ name, key: newSecretKey(`${name}.example`) }))
const plain = operators.flatMap(({ key }, which) => statementsOf(items, which, { key, builder: ownBuilder(key) }))
for (const depth of ['outputs', 'seed']) {
  const took = decided(plain, policyWith(depth, []))
  print(`1,000 items × 3 operators, depth ${depth}: ${took.text}`, took.seconds, limits.seconds)
}
const plainShare = wireBytes(plain) / plain.length
print(`  ${plainShare.toFixed(1)} bytes a statement (with its signature) in a bundle as zstd`, plainShare, limits.bytes)

const sessions = operators.map(({ key }) => startedSession(key))
const statements = sessions.flatMap((session, which) => statementsOf(items, which, session))
const documents = sessions.flatMap((session) => session.documents)
const lists = operators.map(({ key }) => listOf(key))
const log = newSecretKey('cache.example/log')
const witnesses = ['ann', 'ben'].map((name) => newSecretKey(`${name}.example`))
const entries = [...statements, ...documents.filter(({ kind }) => kind === 'session')]

for (const others of [0, 100_000]) {
  const proofs = loggedEvidence(entries, { others, log, witnesses })
  const evidence = [...statements, ...documents, ...lists, proofs]
  process.stdout.write(
    `\nin sessions with quotes, logged among ${others.toLocaleString('en')} other entries, cosigned by 2 witnesses\n`,
  )
  for (const depth of ['outputs', 'seed']) {
    const took = decided(evidence, policyWith(depth, factorsOfParanoid))
    print(`1,000 items × 3 operators, depth ${depth}: ${took.text}`, took.seconds, limits.secondsWithProofs)
  }
  const memory: VerificationMemory = new Map()
  decided(evidence, policyWith('seed', factorsOfParanoid), memory)
  const again = decided(evidence, policyWith('seed', factorsOfParanoid), memory)
  process.stdout.write(`  the same with what was verified remembered: ${again.text}\n`)
  const whole = wireBytes(evidence)
  const [own, withSessions] = [wireBytes(statements), wireBytes([...statements, ...documents])]
  const shares = {
    'statement and signature': own,
    'session (three documents with quotes, their collateral)': withSessions - own,
    'proof (inclusion of all, one checkpoint, cosignatures)': whole - withSessions,
  }
  for (const [what, bytes] of Object.entries(shares))
    process.stdout.write(`  ${(bytes / statements.length).toFixed(1).padStart(6)} bytes a statement: ${what}\n`)
  const each = whole / statements.length
  process.stdout.write(
    `  ${each.toFixed(1).padStart(6)} bytes a statement, all in: ${(each / paper.bytes).toFixed(2)} × the ${paper.bytes} bytes of arXiv 2605.21089\n`,
  )
  const { seconds } = decided(evidence, policyWith('outputs', factorsOfParanoid))
  const milliseconds = (seconds * 1000) / statements.length
  process.stdout.write(
    `  ${milliseconds.toFixed(3)} ms a statement to verify and decide: ${(milliseconds / paper.milliseconds).toFixed(4)} × its ${paper.milliseconds} ms\n`,
  )
}

/** Median of some rounds; nothing is remembered from one to the next unless there is a memory. */
function decided(
  evidence: readonly Evidence[],
  policy: Policy,
  memory?: VerificationMemory,
): { readonly seconds: number; readonly text: string } {
  const index = new Map(items.map((item) => [item.path, item]))
  const rounds = Array.from({ length: ROUNDS }, () => {
    const before = process.cpuUsage()
    const start = performance.now()
    const verified = verifyEvidence(evidence, policy, { memory: memory ?? new Map() })
    const middle = performance.now()
    const { wanted } = evaluateClosure(items, { items: index, built: new Map(), evidence: verified, policy, now })
    const end = performance.now()
    const { user, system } = process.cpuUsage(before)
    const refused = [...wanted.values()].find(({ outcome }) => outcome.kind !== 'accepted')
    if (refused !== undefined) throw new Error(JSON.stringify(refused.reasons))
    return {
      verify: (middle - start) / 1000,
      decide: (end - middle) / 1000,
      all: (end - start) / 1000,
      processor: (user + system) / 1_000_000,
    }
  })
  const medianOf = (part: 'verify' | 'decide' | 'all' | 'processor') =>
    rounds.map((round) => round[part]).sort((a, b) => a - b)[ROUNDS >> 1] ?? Number.NaN
  const [all, processor] = [medianOf('all'), medianOf('processor')]
  const parts = `verifying ${medianOf('verify').toFixed(3)}, deciding ${medianOf('decide').toFixed(3)}`
  const text = `${all.toFixed(3)} s (${parts}; ${processor.toFixed(3)} s of a processor; medians of ${ROUNDS})`
  return { seconds: all, text }
}

function wireBytes(evidence: readonly Evidence[]): number {
  const wire = zstdCompressSync(encodeBundle(evidence))
  const digests = (all: readonly Evidence[]) => new Set(all.map(({ bytes }) => sha256Of(bytes)))
  const back = digests(decodeBundle(zstdDecompressSync(wire)))
  if (back.symmetricDifference(digests(evidence)).size > 0)
    throw new Error('the bundle does not give back what is in it')
  return wire.length
}

function print(what: string, value: number, limit: number): void {
  const verdict = value <= limit ? 'held' : 'MISSED'
  process.stdout.write(`${what}: ${(value / limit).toFixed(2)} × the limit of ${limit} ${verdict}\n`)
  if (value > limit) process.exitCode = 1
}

function policyWith(depth: string, more: readonly unknown[]): Policy {
  const { mrTd, rtmr1, rtmr2 } = registersOf(parseQuote(startedSession(newSecretKey('x')).quote).body)
  return parsePolicy(
    JSON.stringify({
      format: 1,
      operators: operators.map(({ name, key }) => ({ name, keys: [encodePublicKey(key.publicKey)] })),
      default: {
        kind: 'factors',
        depth,
        factors: [{ kind: 'operators', atLeast: 2 }, { kind: 'built' }, ...more],
      },
      packages: {},
      ...(more.length === 0 ? {} : configuredFor({ name: 'builder', mrTd, rtmr0: null, rtmr1, rtmr2, rtmr3: null })),
    }),
  )
}

function configuredFor(measurement: object): object {
  return {
    logs: [encodePublicKey(log.publicKey)],
    witnesses: witnesses.map(({ publicKey }) => encodeWitnessKey(witnessKeyOf(publicKey))),
    tee: {
      roots: [`simulated:${simulatedRoot().digest}`],
      statuses: ['UpToDate'],
      measurements: [measurement],
      minimumEvaluationNumber: 0,
      serviceTds: [],
      age: { since: 'session', maximum: 30 * 86_400 },
      collateral: 'present',
    },
  }
}

function listOf(key: SecretKey): Evidence {
  const list = {
    format: 1,
    signer: key.publicKey.id,
    version: 1,
    issued: now - 3_600,
    expires: now + 30 * 86_400,
    keys: [],
    statements: [],
  } as const
  return { kind: 'revocation-list', bytes: signRevocationList(list, key).bytes }
}
