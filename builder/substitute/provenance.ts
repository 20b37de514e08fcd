/**
 * The chain of custody of a package: it and everything that it is made from, down to the seed, each with its recipe, its sources and how
 * it came to be known here: built on this machine, accepted on the word of operators, or not known at all. What is not in the store is
 * said to be unknown and never guessed.
 */
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import type { StorePath } from '../../format/store-path.ts'
import type { Store } from '../../store/store.ts'
import { sha256 } from '../../trust/crypto.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import { outputPathsOf, type PackageIndex, sourcesOf } from '../realise/plan.ts'
import { type DecisionRecord, readDecisionRecord } from './decision-records.ts'
import { type SessionSummary, sessionsOf } from './session-summary.ts'

export type ProvenanceEntry = {
  readonly name: string
  readonly version: string
  readonly recipe: RecipeHash
  readonly license: string
  readonly inputs: readonly StorePath[]
  readonly sources: readonly Sha256[]
  readonly outputs: readonly OutputProvenance[]
}

export type OutputProvenance = { readonly path: StorePath } & Custody

export type Custody =
  | {
      readonly kind: 'built'
      readonly digest: Sha256
      readonly at: number
      readonly seconds: number
      readonly resolved: Sha256
      readonly inputs: readonly { readonly path: StorePath; readonly outputDigest: Sha256 }[]
      readonly log: string
    }
  | {
      readonly kind: 'substituted'
      readonly digest: Sha256
      readonly at: number
      readonly from: string
      readonly decision: Sha256
      readonly operators: readonly string[]
      /** The signed envelopes on which the decision rests. */
      readonly attestations: readonly Sha256[]
      /** Those of builders that signed them, if sessions did. */
      readonly sessions: readonly SessionSummary[]
    }
  | { readonly kind: 'unknown' }

export type Provenance = {
  readonly entries: readonly ProvenanceEntry[]
  readonly envelopes: ReadonlyMap<Sha256, Uint8Array>
}

/** The package first, then what it is made from, each once. Throws ABN_DECISION_MISSING or ABN_DECISION_INVALID. */
export function provenanceOf(
  target: EvaluatedPackage,
  { store, packages }: { store: Store; packages: PackageIndex },
): Provenance {
  const records = new Map<Sha256, DecisionRecord>()
  const envelopes = new Map<Sha256, Uint8Array>()
  const recordOf = (name: Sha256): DecisionRecord => {
    const record = records.get(name) ?? readDecisionRecord(store, name)
    if (!records.has(name)) for (const { bytes } of record.evidence) envelopes.set(sha256(bytes), bytes)
    records.set(name, record)
    return record
  }
  const entries = new Map<RecipeHash, ProvenanceEntry>()
  const queue = [target]
  for (const one of queue) {
    if (entries.has(one.recipeHash)) continue
    const { name, version, inputs } = one.derivation
    entries.set(one.recipeHash, {
      name,
      version,
      recipe: one.recipeHash,
      license: one.metadata.license,
      inputs: inputs.map(({ path }) => path),
      sources: sourcesOf(one.derivation),
      outputs: [...outputPathsOf(one).values()].map((path) => ({
        path,
        ...custodyOf(path, { store, recordOf, envelopes }),
      })),
    })
    queue.push(...inputs.flatMap(({ recipe }) => packages.byHash(recipe) ?? []))
  }
  return { entries: [...entries.values()], envelopes }
}

type Finding = {
  readonly store: Store
  readonly recordOf: (name: Sha256) => DecisionRecord
  /** To be filled. */
  readonly envelopes: Map<Sha256, Uint8Array>
}

function custodyOf(path: StorePath, { store, recordOf, envelopes }: Finding): Custody {
  if (!store.has(path)) return { kind: 'unknown' }
  const { origin, outputDigest: digest } = store.readItem(path)
  if (origin.kind === 'built') {
    const { kind, at, seconds, resolved, inputs, log } = origin
    return {
      kind,
      digest,
      at,
      seconds,
      resolved,
      inputs: inputs.map(({ path: input, outputDigest }) => ({ path: input, outputDigest })),
      log,
    }
  }
  const record = recordOf(origin.decision)
  const decision = record.decisions.find(({ request }) => request.path === path && request.depth === null)
  const agreed = (decision?.reasons ?? []).flatMap((reason) => (reason.kind === 'agreed' ? [reason] : []))
  const sessions = decision && sessionsOf(decision, record)
  for (const [name, bytes] of sessions?.envelopes ?? []) envelopes.set(name, bytes)
  return {
    kind: 'substituted',
    digest,
    at: origin.at,
    from: origin.from,
    decision: origin.decision,
    operators: [...new Set(agreed.map(({ operator }) => operator))].sort(),
    attestations: agreed.map(({ attestation }) => attestation),
    sessions: sessions?.summaries ?? [],
  }
}

/**
 * The attestations as they were signed (DSSE, in-toto, SLSA Provenance v1), for what was built here statements of the same form that
 * nobody has signed, and at last the sessions that the attestations name, as their operators signed them (DSSE too).
 */
export function slsaOf({ entries, envelopes }: Provenance): readonly unknown[] {
  const statements = entries.flatMap((entry) =>
    entry.outputs.flatMap((output): readonly unknown[] => {
      if (output.kind === 'substituted') {
        return output.attestations.flatMap((digest) => {
          const bytes = envelopes.get(digest)
          return bytes === undefined ? [] : [JSON.parse(Buffer.from(bytes).toString('utf8'))]
        })
      }
      return output.kind === 'built' ? [unsignedStatement(entry, output)] : []
    }),
  )
  const outputs = entries.flatMap((entry) => entry.outputs)
  const sessions = outputs.flatMap((output) => (output.kind === 'substituted' ? output.sessions : []))
  const signed = [...new Set(sessions.map(({ session }) => session))].flatMap((one) => envelopes.get(one) ?? [])
  return [...statements, ...signed.map((bytes): unknown => JSON.parse(Buffer.from(bytes).toString('utf8')))]
}

function unsignedStatement(entry: ProvenanceEntry, output: OutputProvenance & { readonly kind: 'built' }) {
  const finishedOn = new Date(output.at * 1000).toISOString().replace('.000Z', 'Z')
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: output.path, digest: { sha256: output.digest } }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'abnpkg:build/v1',
        externalParameters: { name: entry.name, recipe: entry.recipe, version: entry.version },
        resolvedDependencies: [
          ...output.inputs.map(({ path, outputDigest }) => ({ name: path, digest: { sha256: outputDigest } })),
          ...entry.sources.map((source) => ({ digest: { sha256: source } })),
        ],
      },
      runDetails: { builder: { id: 'abnpkg:this-machine' }, metadata: { finishedOn } },
    },
  }
}

/** CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/), without a serial number, so that it is reproducible. */
export function cyclonedxOf({ entries }: Provenance) {
  const makers = new Map(entries.flatMap((entry) => entry.outputs.map(({ path }) => [path, entry.recipe] as const)))
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: componentOf(entries[0]) },
    components: entries.slice(1).map(componentOf),
    dependencies: entries.map(({ recipe, inputs }) => ({
      ref: recipe,
      dependsOn: [...new Set(inputs.flatMap((path) => makers.get(path) ?? []))].sort(),
    })),
  }
}

function componentOf(entry: ProvenanceEntry | undefined) {
  if (entry === undefined) throw new TypeError('componentOf: no entry')
  const { name, version, recipe, license, sources, outputs } = entry
  return {
    type: 'application',
    'bom-ref': recipe,
    name,
    version,
    ...(license === '' ? {} : { licenses: [{ expression: license }] }),
    properties: [
      ...sources.map((source) => ({ name: 'abnpkg:source', value: source })),
      ...outputs.flatMap((output) => [
        { name: 'abnpkg:path', value: output.path },
        { name: 'abnpkg:custody', value: output.kind },
        ...(output.kind === 'unknown' ? [] : [{ name: 'abnpkg:output-digest', value: output.digest }]),
        ...(output.kind === 'substituted' ? output.operators.map((value) => ({ name: 'abnpkg:operator', value })) : []),
        ...(output.kind === 'substituted' ? output.sessions.flatMap(propertiesOf) : []),
      ]),
    ],
  }
}

function propertiesOf({ operator, session, simulated, tee, quote }: SessionSummary) {
  const status = quote.kind === 'accepted' ? quote.status : quote.kind
  return [
    { name: 'abnpkg:session', value: `${operator} ${session}` },
    { name: 'abnpkg:tee', value: `${operator} ${simulated ? 'SIMULATED' : tee} ${status}` },
  ]
}
