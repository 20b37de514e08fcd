/**
 * Prints how long the policy takes for a closure of 1,000 items attested by 3 operators, signatures included, and how many
 * bytes an attestation takes on the wire in one bundle of that closure. Each beside its limit; ratios below 1 are good.
 * The closure is made up, but of the shape of a real one: 2 to 12 inputs and 0 to 6 references an item, different logs and
 * times for each operator. Keys come from fixed seeds.
 */
import { randomBytes } from 'node:crypto'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { parseRecipeHash, parseSha256, type Sha256, sha256Of } from '../format/hash.ts'
import { compareBytewise } from '../format/order.ts'
import { type StorePath, storePathOf } from '../format/store-path.ts'
import { attest } from '../trust/attestation.ts'
import { decodeBundle, encodeBundle } from '../trust/bundle.ts'
import { type Evidence, verifyEvidence } from '../trust/evidence.ts'
import { encodePublicKey } from '../trust/key.ts'
import { type ClosureItem, evaluateClosure } from '../trust/policy/closure.ts'
import { parsePolicy } from '../trust/policy/policy.ts'
import { newSecretKey } from '../trust/secret-key.ts'

const limits = { seconds: 0.5, bytes: 294 }
const now = 1_795_305_600
const operators = ['alice', 'bob', 'carol'].map((name) => ({ name, key: newSecretKey(`${name}.example`) }))
const policy = parsePolicy(
  JSON.stringify({
    format: 1,
    operators: operators.map(({ name, key }) => ({ name, keys: [encodePublicKey(key.publicKey)] })),
    default: { kind: 'two-independent' },
    packages: {},
  }),
)
const items = closure(1_000)
const evidence = operators.flatMap(({ key }, which) =>
  items.map((item, i): Evidence => {
    const started = now - 90_000 + 7 * i + 11 * which + (sha256Of(item.name + which).charCodeAt(3) % 60)
    const statement = {
      recipe: item.recipe,
      name: item.name,
      version: item.version,
      system: item.system,
      outputs: [
        {
          output: 'out',
          path: item.path,
          digest: digestOf(item.path),
          bytes: 20_480 + 512 * i,
          references: referencesOf(item, i),
        },
      ],
      inputs: item.inputs.map((input) => ({ ...input, digest: digestOf(input.path) })),
      sources: [sha256Of(`source ${i}`)],
      builder: { kind: 'operator', key: key.publicKey.id, software: { abnpkg: '0.1.0', node: '26.10.0' } },
      origin: 'built',
      invocation: `${which}-${i}`,
      started,
      finished: started + (i % 300),
      expires: started + 90 * 86_400,
      log: parseSha256(randomBytes(32).toString('hex')),
      tests: null,
    } as const
    return { kind: 'attestation', bytes: attest(statement, key).bytes }
  }),
)

const rounds = ['outputs', 'seed'].map((depth) => {
  const rules = JSON.stringify({
    kind: 'factors',
    depth,
    factors: [{ kind: 'operators', atLeast: 2 }, { kind: 'built' }],
  })
  return { depth, policy: depth === 'outputs' ? policy : parsePolicy(policyWith(rules)) }
})
for (const round of rounds) {
  const times = Array.from({ length: 5 }, () => {
    const start = performance.now()
    const verified = verifyEvidence(evidence, round.policy)
    const middle = performance.now()
    const index = new Map(items.map((item) => [item.path, item]))
    const { wanted } = evaluateClosure(items, {
      items: index,
      built: new Map(),
      evidence: verified,
      policy: round.policy,
      now,
    })
    const accepted = [...wanted.values()].filter(({ outcome }) => outcome.kind === 'accepted').length
    if (accepted !== items.length) throw new Error(`accepted ${accepted} of ${items.length}`)
    return { verify: (middle - start) / 1000, decide: (performance.now() - middle) / 1000 }
  }).sort((a, b) => a.verify + a.decide - b.verify - b.decide)
  const { verify, decide } = times[2] ?? { verify: Number.NaN, decide: Number.NaN }
  print(
    `1,000 items × 3 operators, depth ${round.depth}: ${(verify + decide).toFixed(3)} s`,
    `(signatures ${verify.toFixed(3)}, policy ${decide.toFixed(3)}; median of 5)`,
    (verify + decide) / limits.seconds,
  )
}

const envelopes = evidence.reduce((sum, { bytes }) => sum + bytes.length, 0)
const bundle = encodeBundle(evidence)
const wire = zstdCompressSync(bundle)
const back = decodeBundle(zstdDecompressSync(wire))
if (new Set([...back, ...evidence].map(({ bytes }) => sha256Of(bytes))).size !== evidence.length)
  throw new Error('not exact')
print(
  `bundle of ${evidence.length} attestations: ${wire.length} bytes as zstd, ${(wire.length / evidence.length).toFixed(1)} each`,
  `(statement and signature; envelopes alone ${(envelopes / evidence.length).toFixed(0)} each)`,
  wire.length / evidence.length / limits.bytes,
)

function print(what: string, how: string, ratio: number): void {
  process.stdout.write(`${what} ${how}: ${ratio.toFixed(2)} × the limit\n`)
  if (ratio > 1) process.exitCode = 1
}

function policyWith(rule: string): string {
  const keys = operators.map(({ name, key }) => ({ name, keys: [encodePublicKey(key.publicKey)] }))
  return `{"format":1,"operators":${JSON.stringify(keys)},"default":${rule},"packages":{}}`
}

function closure(count: number): readonly ClosureItem[] {
  const list: ClosureItem[] = []
  for (let i = 0; i < count; i++) {
    const recipe = parseRecipeHash(sha256Of(`recipe ${i}`))
    const name = `package-${i}`
    const inputs = Array.from({ length: Math.min(i, 2 + (i % 11)) }, (_, k) => list[(i * 31 + k * k * 17) % i])
      .filter((item) => item !== undefined)
      .map(({ path, recipe, output }) => ({ path, recipe, output }))
    const unique = [...new Map(inputs.map((input) => [input.path, input])).values()]
    list.push({
      path: storePathOf(recipe, name, `1.${i % 10}`, 'out'),
      recipe,
      name,
      version: `1.${i % 10}`,
      system: 'x86_64-linux',
      output: 'out',
      inputs: unique.sort((a, b) => compareBytewise(a.path, b.path)),
    })
  }
  return list
}

function referencesOf(item: ClosureItem, i: number): readonly StorePath[] {
  return item.inputs.slice(0, i % 7).map(({ path }) => path)
}

function digestOf(path: StorePath): Sha256 {
  return sha256Of(`output ${path}`)
}
