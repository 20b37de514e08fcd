/**
 * A build statement: which outputs a builder got for a recipe hash, and from which inputs. An in-toto Statement v1 whose
 * predicate is SLSA Provenance v1, in canonical JSON with exactly the fields of docs/formats/statement.md.
 * A statement is a claim. Who made it is known by its attestation only; whether it counts is for the policy.
 */
import { canonicalJson, parseCanonicalJson } from '../format/canonical-json.ts'
import { AbnError } from '../format/errors.ts'
import type { Place } from '../format/fields.ts'
import type { RecipeHash, Sha256 } from '../format/hash.ts'
import type { StorePath } from '../format/store-path.ts'
import { utf8 } from './bytes.ts'
import type { KeyId } from './key.ts'
import { jsonOfStatement, statementOfJson } from './statement-schema.ts'

export type Statement = {
  readonly recipe: RecipeHash
  readonly name: string
  readonly version: string
  readonly system: string
  /** Every output of the derivation, sorted by path. */
  readonly outputs: readonly StatedOutput[]
  /** Every input of the derivation, sorted by path, with the bits that were used. */
  readonly inputs: readonly StatedInput[]
  /** Sources and patches, sorted, each once. */
  readonly sources: readonly Sha256[]
  readonly builder: StatedBuilder
  /** Whether the signer built the outputs itself or took them from elsewhere under its own policy. */
  readonly origin: 'built' | 'substituted'
  /** The builder's own name for this build, `[A-Za-z0-9._-]{1,64}`. */
  readonly invocation: string
  /** By the builder's clock, in seconds since 1970. */
  readonly started: number
  readonly finished: number
  /** From when on the statement no longer holds. */
  readonly expires: number
  /** Of the build log as it was written, uncompressed; null when none was kept. */
  readonly log: Sha256 | null
  /** Of the report of the smoke tests; null when there were none. */
  readonly tests: Sha256 | null
}

export type StatedOutput = {
  readonly output: string
  readonly path: StorePath
  /** The output digest. */
  readonly digest: Sha256
  /** Size of the canonical archive. */
  readonly bytes: number
  /** Sorted; the output itself is among them when it refers to itself. */
  readonly references: readonly StorePath[]
}

export type StatedInput = {
  readonly path: StorePath
  readonly recipe: RecipeHash
  readonly output: string
  readonly digest: Sha256
}

/** Who built, and with which software: names and versions such as { abnpkg: '0.1.0' }. Another kind is refused. */
export type StatedBuilder =
  | { readonly kind: 'operator'; readonly key: KeyId; readonly software: Software }
  | {
      readonly kind: 'session'
      /** The session's own key, which signs. */
      readonly key: KeyId
      /** SHA-256 of the session as its operator signed it. A key alone could be claimed by another operator's session. */
      readonly session: Sha256
      readonly software: Software
    }

type Software = Readonly<Record<string, string>>

export const statementPayloadType = 'application/vnd.in-toto+json'
export const maximumStatementBytes = 1024 * 1024

/** Throws ABN_STATEMENT_INVALID or ABN_JSON_INVALID. */
export function parseStatement(bytes: Uint8Array): Statement {
  return statementOfJson(parseCanonicalJson(bytes, { bytes: maximumStatementBytes, depth: 12 }), PLACE)
}

/** Canonical bytes. Throws ABN_STATEMENT_INVALID for what parseStatement would refuse. */
export function encodeStatement(statement: Statement): Uint8Array {
  const json = jsonOfStatement(statement)
  statementOfJson(json, PLACE)
  return utf8(canonicalJson(json))
}

const PLACE: Place = {
  path: '',
  fail: (reason) => new AbnError('ABN_STATEMENT_INVALID', `statement: ${reason}`),
}
