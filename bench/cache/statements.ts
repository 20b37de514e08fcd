/** Statements to write about: about nothing that was ever built, of the size and shape of real ones. */
import { randomBytes } from 'node:crypto'
import { type CacheConfig, defaultConfig } from '../../cache-server/config.ts'
import { defaultLimits } from '../../cache-server/limits.ts'
import { parseRecipeHash, type Sha256, sha256Of } from '../../format/hash.ts'
import { storePathOf } from '../../format/store-path.ts'
import { type Attestation, attest, type VerifiedAttestation } from '../../trust/attestation.ts'
import { encodeEnvelope } from '../../trust/dsse.ts'
import { newSecretKey } from '../../trust/secret-key.ts'
import { encodeStatement, type Statement, statementPayloadType } from '../../trust/statement.ts'

export const operator = newSecretKey('bench.example.org', new Uint8Array(32).fill(1))

export const benchConfig: CacheConfig = {
  ...defaultConfig,
  listen: '127.0.0.1:0',
  operators: [{ name: 'bench', keys: [operator.publicKey] }],
  limits: { ...defaultLimits, requestsPerMinute: 1_000_000_000, connectionsPerAddress: 1000 },
}

const NOW = Math.floor(Date.now() / 1000)
const INPUTS = ['gcc', 'make', 'bash'].map((name) => {
  const recipe = parseRecipeHash(sha256Of(name))
  return { path: storePathOf(recipe, name, '1', 'out'), recipe, output: 'out', digest: sha256Of(`digest ${name}`) }
})
const SORTED = INPUTS.sort((a, b) => (a.path < b.path ? -1 : 1))

export function statementAbout(name: string, sources: readonly Sha256[] = []): Statement {
  const recipe = parseRecipeHash(sha256Of(`recipe ${name}`))
  const path = storePathOf(recipe, 'bench', '1', 'out')
  return {
    recipe,
    name: 'bench',
    version: '1',
    system: 'x86_64-linux',
    outputs: [{ output: 'out', path, digest: sha256Of(`output ${name}`), bytes: 10_240, references: [] }],
    inputs: SORTED,
    sources,
    builder: { kind: 'operator', key: operator.publicKey.id, software: { abnpkg: '0.1.0' } },
    origin: 'built',
    invocation: '1',
    started: NOW - 20,
    finished: NOW - 10,
    expires: NOW + 30 * 86_400,
    log: null,
    tests: null,
  }
}

export function attestationAbout(name: string, sources: readonly Sha256[] = []): VerifiedAttestation {
  return attest(statementAbout(name, sources), operator)
}

/** With random bytes for a signature: to fill an index. It must not be verified. */
export function lookalike(name: string): Attestation {
  const statement = statementAbout(name)
  const payload = encodeStatement(statement)
  const keyId = operator.publicKey.id
  const envelope = { payloadType: statementPayloadType, payload, keyId, signature: randomBytes(64) }
  const bytes = encodeEnvelope(envelope)
  return { digest: sha256Of(bytes), statementDigest: sha256Of(payload), bytes, envelope, statement }
}
