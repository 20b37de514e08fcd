/**
 * What others say of what was built here. A cache may invent statements, so that one whose signature cannot be checked is shown
 * as such; it changes nothing but what is reported. Nothing is believed here: our own statement is published either way.
 */
import { zstdDecompressSync } from 'node:zlib'
import { AbnError } from '../../format/errors.ts'
import type { RecipeHash } from '../../format/hash.ts'
import { type Attestation, parseAttestation, verifyAttestation } from '../../trust/attestation.ts'
import { decodeBundle, maximumBundleBytes } from '../../trust/bundle.ts'
import type { PublicKey } from '../../trust/key.ts'
import { type SignedSession, verifySession } from '../../trust/session.ts'
import { parseSessionDocument } from '../../trust/session-evidence.ts'
import type { Statement } from '../../trust/statement.ts'
import type { CacheClient } from './remote.ts'
import type { Contradiction } from './tasks.ts'

/** What somebody says, signature not checked, and the session that is to have signed it, if it came along. */
export type Stated = { readonly attestation: Attestation; readonly session: SignedSession | undefined }

/** What a cache has about some recipes. Throws what the cache answers, or ABN_BUNDLE_INVALID. */
export async function statedElsewhere(cache: CacheClient, recipes: readonly RecipeHash[]): Promise<readonly Stated[]> {
  const found: Stated[] = []
  for (let at = 0; at < recipes.length; at += AT_ONCE) {
    const { body } = await cache.read('POST', '/v1/closures', { recipes: recipes.slice(at, at + AT_ONCE) })
    found.push(...statedIn(body))
  }
  return found
}

/** Whether it was said in the name of this key: by itself or by a session that it has signed. */
export function isInNameOf({ attestation: { statement }, session }: Stated, key: PublicKey): boolean {
  if (statement.builder.kind === 'operator') return statement.builder.key === key.id
  return session !== undefined && isSessionOf(session, key)
}

/** Statements of others about the same recipes that do not agree with ours. `own` is the key of the operator here. */
export function contradictionsOf(
  ours: readonly Statement[],
  others: readonly Stated[],
  {
    cache,
    own,
    operators,
  }: { readonly cache: string; readonly own: PublicKey; readonly operators: readonly PublicKey[] },
): readonly Contradiction[] {
  const mine = new Map(ours.map((statement) => [statement.recipe, statement]))
  return others.flatMap((other): Contradiction[] => {
    const { digest: attestation, statement } = other.attestation
    const made = mine.get(statement.recipe)
    if (made === undefined || outputsOf(made) === outputsOf(statement) || isInNameOf(other, own)) return []
    const cause = inputsOf(made) === inputsOf(statement) ? 'build' : 'inputs'
    const signer = operators.find((key) => isInNameOf(other, key))
    const key = signer?.id ?? statement.builder.key
    return [{ cache, recipe: statement.recipe, attestation, key, verified: isGenuine(other, signer), cause }]
  })
}

const AT_ONCE = 5000

function statedIn(body: Uint8Array): readonly Stated[] {
  const evidence = decodeBundle(decompressed(body))
  const parsed = <T>(kind: string, parse: (bytes: Uint8Array) => T): readonly T[] =>
    evidence.flatMap((one) => {
      try {
        return one.kind === kind ? [parse(one.bytes)] : []
      } catch (error) {
        // One that does not parse says nothing.
        if (error instanceof AbnError) return []
        throw error
      }
    })
  const sessions = new Map(parsed('session', parseSessionDocument).map(({ session }) => [session.digest, session]))
  return parsed('attestation', parseAttestation).map((attestation) => {
    const { builder } = attestation.statement
    return { attestation, session: builder.kind === 'session' ? sessions.get(builder.session) : undefined }
  })
}

function decompressed(body: Uint8Array): Uint8Array {
  try {
    return zstdDecompressSync(body, { maxOutputLength: maximumBundleBytes })
  } catch (cause) {
    throw new AbnError('ABN_BUNDLE_INVALID', 'bundle: not a zstd frame, or too large', { cause })
  }
}

/** Many statements share a session, and its signature is checked once. */
const sessionOwners = new WeakMap<SignedSession, string>()

function isSessionOf(session: SignedSession, key: PublicKey): boolean {
  if (session.session.operator !== key.id) return false
  const isVerified = sessionOwners.get(session) === key.id || isTrue(() => verifySession(session, key))
  if (isVerified) sessionOwners.set(session, key.id)
  return isVerified
}

function isGenuine({ attestation, session }: Stated, signer: PublicKey | undefined): boolean {
  if (signer === undefined) return false
  const key = attestation.statement.builder.kind === 'operator' ? signer : session?.session.key
  return key !== undefined && isTrue(() => verifyAttestation(attestation, key))
}

function isTrue(verify: () => unknown): boolean {
  try {
    verify()
    return true
  } catch {
    return false
  }
}

function outputsOf({ outputs }: Statement): string {
  return outputs.map(({ path, digest }) => `${path} ${digest}`).join('\n')
}

function inputsOf({ inputs }: Statement): string {
  return inputs.map(({ path, digest }) => `${path} ${digest}`).join('\n')
}
