/**
 * Lowers a recipe to a derivation, after those that were made before it, so that every input has its recipe hash before it is
 * needed. In texts of recipes `@{#<number>:<output>}` stands for a store path, and each one that occurs is an input.
 */

import { canonicalJson } from '../../format/canonical-json.ts'
import {
  type Derivation,
  type DerivationInput,
  type DerivationSource,
  maximumDerivationBytes,
  recipeHashOfCanonical,
} from '../../format/derivation.ts'
import { checkDerivation } from '../../format/derivation-schema.ts'
import { AbnError } from '../../format/errors.ts'
import { parseSha256, type RecipeHash, type Sha256 } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import { type StorePath, storePathOf } from '../../format/store-path.ts'
import type { MadeRecipe, Origin, ReferenceData } from '../../recipes/api/registry.ts'
import type { SourceHint } from '../fetch/hint.ts'
import { checkAddress, parseHttpUrl } from '../fetch/mirrors.ts'
import { mainChannel } from './channel.ts'
import type { PackageMetadata } from './package.ts'
import { clean } from './problem.ts'

/** SHA-256 of a file of a channel. Throws ABN_RECIPE_LOCAL_FILE. */
export type HashLocal = (channel: string, path: string) => Sha256

/** A package without the name under which it is exported; the derivation only as text, which is how it is kept. */
export type Lowered = {
  readonly name: string
  readonly version: string
  readonly recipeHash: RecipeHash
  readonly outputs: ReadonlyMap<string, StorePath>
  /** Canonical JSON, as bytes: thousands of long texts would keep the garbage collector busy. */
  readonly derivation: Uint8Array
  readonly metadata: Pick<PackageMetadata, 'summary' | 'homepage' | 'license' | 'smoke' | 'sources' | 'hidden'>
  /** The numbers of the recipes that are inputs. */
  readonly inputs: ReadonlySet<number>
}

export type Lowering = {
  /** The recipe with that number. Throws when it is broken or was not made before. */
  readonly recipeAt: (index: number) => Lowered
  readonly hashLocal: HashLocal
}

/** Throws ABN_RECIPE_…, ABN_DERIVATION_INVALID or ABN_SOURCE_ADDRESS. */
export function lower(recipe: MadeRecipe, { recipeAt, hashLocal }: Lowering): Lowered {
  const inputs = new Inputs(recipeAt)
  for (const reference of recipe.inputs) inputs.pathOf(reference)
  const text = (value: string) => inputs.fillIn(value)
  const record = (values: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [key, text(value)]))
  const sources = new Map<Sha256, SourceHint>()
  const hashOf = (origin: Origin) => {
    checkOrigin(origin)
    const sha256 = origin.kind === 'local' ? hashLocal(channelAt(origin.at), origin.path) : parseSha256(origin.sha256)
    if (!sources.has(sha256)) sources.set(sha256, hintOf(origin))
    return sha256
  }
  const from = recipe.sources.map(
    (source): DerivationSource => ({
      to: source.to,
      sha256: hashOf(source.from),
      unpack: source.unpack,
      patches: source.patches.map(hashOf),
    }),
  )
  const { name, version, plan } = recipe
  const filled = {
    directories: [...new Set(plan.directories.map(text))].sort(compareBytewise),
    files: sorted(
      plan.files.map((file) => ({ ...file, path: text(file.path), text: text(file.text) })),
      (file) => file.path,
    ),
    links: sorted(
      plan.links.map((link) => ({ path: text(link.path), target: text(link.target) })),
      (link) => link.path,
    ),
    env: record(plan.env),
    steps: plan.steps.map((step) => ({
      ...step,
      args: step.args.map(text),
      cwd: text(step.cwd),
      env: record(step.env),
    })),
  }
  const checked = checkDerivation({
    name,
    version,
    system: 'x86_64-linux',
    outputs: [...recipe.outputs].sort(compareBytewise),
    inputs: [],
    sources: sorted(from, (source) => source.to),
    ...filled,
  })
  // Nothing of the recipe is in these, and to check them is to hash them all again.
  const derivation: Derivation = { ...checked, inputs: inputs.sorted() }
  const canonical = canonicalJson(derivation)
  const bytes = bytesOf(canonical)
  if (bytes.length > maximumDerivationBytes) {
    throw new AbnError('ABN_RECIPE_SIZE_LIMIT', `a derivation may have ${maximumDerivationBytes} bytes`)
  }
  const recipeHash = recipeHashOfCanonical(canonical)
  return {
    name,
    version,
    recipeHash,
    outputs: new Map(derivation.outputs.map((output) => [output, storePathOf(recipeHash, name, version, output)])),
    derivation: bytes,
    metadata: {
      summary: clean(recipe.summary),
      homepage: clean(recipe.homepage),
      license: clean(recipe.license),
      smoke: recipe.smoke,
      sources: Object.fromEntries([...sources].sort(([a], [b]) => compareBytewise(a, b))),
      hidden: recipe.hidden,
    },
    inputs: inputs.used,
  }
}

let room = Buffer.alloc(0)

/** In UTF-8. Many texts share one piece of memory, because the garbage collector looks after each piece. */
function bytesOf(text: string): Uint8Array {
  const length = Buffer.byteLength(text)
  if (length > room.length) room = Buffer.allocUnsafeSlow(Math.max(length, 1 << 20))
  const bytes = room.subarray(0, room.write(text))
  room = room.subarray(length)
  return bytes
}

/** Collects the inputs of one recipe while its texts are filled in. */
class Inputs {
  readonly used = new Set<number>()
  readonly #recipeAt: (index: number) => Lowered
  readonly #inputs = new Map<StorePath, DerivationInput>()

  constructor(recipeAt: (index: number) => Lowered) {
    this.#recipeAt = recipeAt
  }

  fillIn(text: string): string {
    if (!text.includes('@{#')) return text
    return text.replace(/@\{#([0-9]{1,7}):([a-z0-9]{1,16})\}/g, (_, index: string, output: string) =>
      this.pathOf({ index: Number(index), output }),
    )
  }

  pathOf({ index, output }: ReferenceData): StorePath {
    const { name, recipeHash, outputs } = this.#recipeAt(index)
    const path = outputs.get(output)
    if (path === undefined) throw invalid(`${name} has no output ${JSON.stringify(output)}`)
    if (!this.#inputs.has(path)) {
      this.used.add(index)
      this.#inputs.set(path, { recipe: recipeHash, output, path })
    }
    return path
  }

  sorted(): readonly DerivationInput[] {
    return sorted([...this.#inputs.values()], (input) => input.path)
  }
}

/** Now rather than after hours of building what comes before. Throws ABN_SOURCE_ADDRESS. */
function checkOrigin(origin: Origin): void {
  if (origin.kind === 'urls') for (const url of origin.urls) checkAddress(url)
  if (origin.kind === 'git') parseHttpUrl(origin.url)
}

function hintOf(origin: Origin): SourceHint {
  if (origin.kind === 'local') return { kind: 'local', path: origin.path }
  if (origin.kind === 'git') return { kind: 'git', url: origin.url, commit: origin.commit }
  return { kind: 'urls', urls: origin.urls, ...(origin.size === undefined ? {} : { size: origin.size }) }
}

/** Of a position or module identifier: '<channel>:<path>', or a path alone for ours. */
export function channelAt(position: string): string {
  return /^([^:/]+):[^:]*\.ts(?::\d+:\d+)?$/.exec(position)?.[1] ?? mainChannel
}

function invalid(reason: string): AbnError {
  return new AbnError('ABN_RECIPE_INVALID', reason)
}

function sorted<T>(values: readonly T[], key: (value: T) => string): T[] {
  return [...values].sort((a, b) => compareBytewise(key(a), key(b)))
}
