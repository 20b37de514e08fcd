/**
 * A derivation: a recipe lowered to plain data, everything that can affect the bits of its outputs and nothing else.
 * Specification and worked example: docs/formats/derivation.md. What leaves parseDerivation is checked completely; the
 * recipe hash covers the canonical bytes, so two derivations with the same meaning in other words have other hashes.
 */
import { canonicalJson, parseCanonicalJson } from './canonical-json.ts'
import { checkDerivation } from './derivation-schema.ts'
import { parseRecipeHash, type RecipeHash, type Sha256, sha256Of } from './hash.ts'
import type { StorePath } from './store-path.ts'

export type Derivation = {
  readonly name: string
  readonly version: string
  readonly system: 'x86_64-linux'
  /** Sorted bytewise, unique, holds 'out'. */
  readonly outputs: readonly string[]
  /** Sorted by path, unique. */
  readonly inputs: readonly DerivationInput[]
  /** Sorted by `to`, unique. */
  readonly sources: readonly DerivationSource[]
  /** Made, with their parents, before the first step: relative to /build, or below `@{output}`. Sorted. */
  readonly directories: readonly string[]
  /** Written before the first step. Sorted by path. */
  readonly files: readonly DerivationFile[]
  /** Symbolic links in the sandbox's root outside /build. Sorted by path. */
  readonly links: readonly DerivationLink[]
  readonly env: Readonly<Record<string, string>>
  readonly steps: readonly DerivationStep[]
}

/** `path` is the store path of that output of that recipe. */
export type DerivationInput = { readonly recipe: RecipeHash; readonly output: string; readonly path: StorePath }

export type DerivationSource = {
  /** Relative to /build: a directory for what is unpacked ('.' allowed), else a file. */
  readonly to: string
  /** Of the file as published; for git, of the canonical archive of the tree. */
  readonly sha256: Sha256
  readonly unpack: Unpack
  /** Unified diffs, applied strictly, in this order, with one leading path component removed. */
  readonly patches: readonly Sha256[]
}

export type Unpack =
  | { readonly kind: 'file'; readonly executable: boolean }
  | { readonly kind: 'tar'; readonly compression: Compression; readonly strip: number }
  | { readonly kind: 'zip'; readonly strip: number }
  | { readonly kind: 'git' }

export type Compression = 'none' | 'gzip' | 'bzip2' | 'xz' | 'zstd'

/** `path` is relative to /build, or below `@{output}`. */
export type DerivationFile = { readonly path: string; readonly text: string; readonly executable: boolean }

export type DerivationLink = { readonly path: string; readonly target: string }

export type DerivationStep = {
  readonly args: readonly string[]
  /** '/build' is written out. */
  readonly cwd: string
  /** Added to the derivation's env. */
  readonly env: Readonly<Record<string, string>>
  /** May run beside neighbouring parallel steps. */
  readonly parallel: boolean
}

/** Largest derivation that is accepted. */
export const maximumDerivationBytes = 4 * 1024 * 1024

/** Throws ABN_JSON_INVALID or ABN_DERIVATION_INVALID. */
export function parseDerivation(bytes: Uint8Array): Derivation {
  return checkDerivation(parseCanonicalJson(bytes, { bytes: maximumDerivationBytes }))
}

/** Canonical bytes. Throws ABN_DERIVATION_INVALID for what parseDerivation would refuse. */
export function encodeDerivation(derivation: Derivation): Uint8Array {
  return Buffer.from(canonicalJson(checkDerivation(derivation)), 'utf8')
}

/** SHA-256("abnpkg-derivation-v1\n" + canonical bytes). Does not check the derivation again. */
export function recipeHashOf(derivation: Derivation): RecipeHash {
  return recipeHashOfCanonical(canonicalJson(derivation))
}

/** The same, of the canonical text of a derivation. */
export function recipeHashOfCanonical(text: string): RecipeHash {
  return parseRecipeHash(sha256Of(`abnpkg-derivation-v1\n${text}`))
}

/**
 * Hash of the resolved derivation: the derivation with each input's `recipe` replaced by its `outputDigest`, so that it says
 * what is built from what bits. SHA-256("abnpkg-resolved-derivation-v1\n" + canonical bytes). `digests` holds every input.
 */
export function resolvedHashOf(derivation: Derivation, digests: ReadonlyMap<StorePath, Sha256>): Sha256 {
  const inputs = derivation.inputs.map(({ output, path }) => {
    const outputDigest = digests.get(path)
    if (outputDigest === undefined) throw new TypeError(`resolvedHashOf: no output digest for ${path}`)
    return { output, outputDigest, path }
  })
  return sha256Of(`abnpkg-resolved-derivation-v1\n${canonicalJson({ ...derivation, inputs })}`)
}

/** Replaces `@{output}` by that output's store path. `paths` holds every output of the derivation. */
export function expandPlaceholders(text: string, paths: ReadonlyMap<string, StorePath>): string {
  if (!text.includes('@{')) return text
  return text.replace(/@\{([a-z][a-z0-9]{0,15})\}/g, (_, output: string) => {
    const path = paths.get(output)
    if (path === undefined) throw new TypeError(`expandPlaceholders: no output ${output}`)
    return path
  })
}
