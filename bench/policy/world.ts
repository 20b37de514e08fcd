/**
 * What bench/policy.ts decides about: a made-up closure of the shape of a real one (2 to 12 inputs and 0 to 6 references an item), what
 * three operators state about it, with their own keys or in sessions with quotes of a simulated TEE, and a log that has all of it
 * under a checkpoint that witnesses have cosigned.
 */
import { randomBytes } from 'node:crypto'
import { parseRecipeHash, parseSha256, type Sha256, sha256Of } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import { type StorePath, storePathOf } from '../../format/store-path.ts'
import { attest } from '../../trust/attestation.ts'
import type { Evidence } from '../../trust/evidence.ts'
import { encodeCheckpoint, signCheckpoint } from '../../trust/log/checkpoint.ts'
import { cosign } from '../../trust/log/cosignature.ts'
import { encodeInclusions, proveInclusions } from '../../trust/log/inclusions.ts'
import { leafHash, type ReadSubtree, rootHash, treeSizeOf } from '../../trust/log/merkle.ts'
import { hashOfRow } from '../../trust/log/tile.ts'
import type { ClosureItem } from '../../trust/policy/closure.ts'
import { newSecretKey, type SecretKey } from '../../trust/secret-key.ts'
import { reportDataOf, type Session, signSession } from '../../trust/session.ts'
import { encodeSessionDocument } from '../../trust/session-evidence.ts'
import type { StatedBuilder } from '../../trust/statement.ts'
import { mintSimulated } from '../../trust/tee/simulated.ts'

export const now = 1_795_305_600
const day = 86_400
const software = { abnpkg: '0.1.0', node: '26.10.0' }

/** A statement about each item, signed with `key`; `which` of the operators it is makes times and invocations differ. */
export function statementsOf(
  items: readonly ClosureItem[],
  which: number,
  { key, builder }: { readonly key: SecretKey; readonly builder: StatedBuilder },
): readonly Evidence[] {
  return items.map((item, i): Evidence => {
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
      builder,
      origin: 'built',
      invocation: `${which}-${i}`,
      started,
      finished: started + (i % 300),
      expires: started + 90 * day,
      log: parseSha256(randomBytes(32).toString('hex')),
      tests: null,
    } as const
    return { kind: 'attestation', bytes: attest(statement, key).bytes }
  })
}

export function ownBuilder({ publicKey }: SecretKey): StatedBuilder {
  return { kind: 'operator', key: publicKey.id, software }
}

/** A session of an operator on a machine of its own, its documents, and how its statements name it. */
export function startedSession(operator: SecretKey) {
  const key = newSecretKey(`${operator.publicKey.name}/session`)
  const session: Session = {
    format: 1,
    operator: operator.publicKey.id,
    key: key.publicKey,
    from: now - 2 * day,
    until: now + 28 * day,
    software,
    configuration: sha256Of('configuration'),
    checkpoint: null,
    tee: 'simulated',
  }
  const signed = signSession(session, operator)
  const minted = mintSimulated({ now, reportData: reportDataOf(session), machine: operator.publicKey.name })
  const bytes = encodeSessionDocument({
    session: signed,
    quote: minted.quote,
    collateral: sha256Of(minted.collateral),
    checkpoint: null,
  })
  const builder: StatedBuilder = { kind: 'session', key: key.publicKey.id, session: signed.digest, software }
  const documents: readonly Evidence[] = [
    { kind: 'session', bytes },
    { kind: 'collateral', bytes: minted.collateral },
  ]
  return { key, builder, documents, quote: minted.quote }
}

/** That these are in a log, scattered evenly among `others` entries, cosigned an hour ago. */
export function loggedEvidence(
  entries: readonly Evidence[],
  {
    others,
    log,
    witnesses,
  }: { readonly others: number; readonly log: SecretKey; readonly witnesses: readonly SecretKey[] },
): Evidence {
  const step = Math.ceil(others / entries.length)
  const leaves = entries.flatMap(({ bytes }, i) => [
    ...Array.from({ length: step }, (_, k) => leafHash(Buffer.from(`other ${i} ${k}`))),
    leafHash(bytes),
  ])
  const size = treeSizeOf(leaves.length)
  const read: ReadSubtree = (level, index) => hashOfRow(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level))
  const wanted = entries.map((_, i) => {
    const index = (i + 1) * (step + 1) - 1
    return { index, leaf: leaves[index] ?? leafHash(new Uint8Array()) }
  })
  const checkpoint = { origin: log.publicKey.name, size, root: rootHash(size, read), extensions: [] }
  const { text, signatures } = signCheckpoint(checkpoint, log)
  const cosignatures = witnesses.map((witness) => cosign(encodeCheckpoint(checkpoint), witness, now - 3_600))
  const bytes = encodeInclusions({
    leaves: wanted,
    hashes: proveInclusions(wanted, size, read),
    checkpoint: { text, signatures: [...signatures, ...cosignatures] },
  })
  return { kind: 'log-inclusions', bytes }
}

export function closure(count: number): readonly ClosureItem[] {
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
