/** Different results for one recipe, and where the difference begins. A divergence is an event, never a vote that somebody wins. */
import { compareBytewise } from '../../format/order.ts'
import type { StorePath } from '../../format/store-path.ts'
import type { VerifiedAttestation } from '../attestation.ts'
import type { StatedOutput, Statement } from '../statement.ts'
import type { DivergenceCause, DivergenceSide, Reason } from './decision.ts'

/** That this operator got this output. */
export type Claim = {
  readonly operator: string
  readonly attestation: VerifiedAttestation
  readonly output: StatedOutput
}

/** Undefined when all say the same. */
export function divergenceOf(claims: readonly Claim[]): Extract<Reason, { readonly kind: 'divergence' }> | undefined {
  const sides = Map.groupBy(claims, ({ output }) => descriptionOf(output))
  if (sides.size < 2) return undefined
  const ordered = [...sides].sort(([a], [b]) => compareBytewise(a, b)).map(([, side]) => side)
  const inputs = inputsThatDiffer(claims.map(({ attestation }) => attestation.statement))
  return { kind: 'divergence', cause: causeOf(ordered), sides: ordered.map(sideOf), inputs }
}

/** Inputs for which the statements, all of one derivation, name different digests. */
export function inputsThatDiffer(statements: readonly Statement[]): readonly StorePath[] {
  const digests = new Map<StorePath, string>()
  const differing = new Set<StorePath>()
  for (const { path, digest } of statements.flatMap(({ inputs }) => inputs)) {
    if ((digests.get(path) ?? digest) !== digest) differing.add(path)
    digests.set(path, digest)
  }
  return [...differing].sort(compareBytewise)
}

function causeOf(sides: readonly (readonly Claim[])[]): DivergenceCause {
  const digests = new Set(sides.map(([claim]) => claim?.output.digest))
  if (digests.size < 2) return 'description'
  const byInputs = Map.groupBy(sides.flat(), ({ attestation }) => resolvedOf(attestation.statement))
  const isBuild = [...byInputs.values()].some((claims) => new Set(claims.map(({ output }) => output.digest)).size > 1)
  return isBuild ? 'build' : 'inputs'
}

/** All that is said of an output and that must be the same: it follows from the bits. */
function descriptionOf({ digest, bytes, references }: StatedOutput): string {
  return [digest, bytes, ...references].join(' ')
}

/** Two statements for one recipe hash have the same resolved derivation if and only if these texts are the same. */
function resolvedOf({ inputs }: Statement): string {
  return inputs.map(({ path, digest }) => `${path} ${digest}`).join('\n')
}

function sideOf(claims: readonly Claim[]): DivergenceSide {
  const [first] = claims
  if (first === undefined) throw new TypeError('sideOf: a side without claims')
  return {
    digest: first.output.digest,
    operators: [...new Set(claims.map(({ operator }) => operator))].sort(compareBytewise),
    attestations: claims.map(({ attestation }) => attestation.digest).sort(compareBytewise),
  }
}
