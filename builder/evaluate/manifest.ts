/**
 * Evaluates the manifest of a profile, one module, in the same sandbox as recipes, without any. In there 'abnpkg' is
 * `manifest` alone. What comes out is checked as if an enemy had written it.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JsonValue } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import { below, fieldsOf, listOf, type Place, requireThat, textOf } from '../../format/fields.ts'
import { highestPriority, isPriority } from '../../store/manifest.ts'
import { codeRoot } from './code.ts'
import { parsePackageSpec } from './find.ts'
import { clean, problemError } from './problem.ts'
import { apiModule, apiPrefix } from './resolve.ts'
import { type ModuleText, runSandbox, type SandboxLimits } from './sandbox.ts'

/** `spec`: what is asked for, as on the command line. */
export type ManifestEntry = { readonly spec: string; readonly priority: number }

/** Largest manifest, in bytes, and most packages in one. */
export const maximumManifestBytes = 1 << 20
const MOST_PACKAGES = 10_000

/** `fileName` stands in messages. Throws ABN_MANIFEST_INVALID, ABN_EVALUATOR_FAILED or the reason of `signal`. */
export async function evaluateManifest(
  { fileName, text }: { readonly fileName: string; readonly text: string },
  signal?: AbortSignal,
): Promise<readonly ManifestEntry[]> {
  const id = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$/.test(fileName) ? fileName : 'manifest.ts'
  const fail = (reason: string, cause?: unknown) =>
    new AbnError('ABN_MANIFEST_INVALID', `${id}: ${reason}`, { hint: HINT, cause })
  if (text.length > maximumManifestBytes) throw fail(`it has more than ${maximumManifestBytes} characters`)
  let taken = ''
  const { broken } = await runSandbox(
    { channels: [], modules: [{ id, text }], others: [], api: apiModules(), limits: LIMITS },
    () => (_, text) => {
      taken = text
    },
    signal,
  )
  const problem = broken.get(id)
  if (problem !== undefined) throw explained(problemError(problem))
  return entriesOf(taken, fail)
}

const HINT = 'docs/profiles.md shows what a manifest looks like'

/** It is a list: it needs none of what recipes may take. */
const LIMITS: SandboxLimits = { seconds: 5, memoryBytes: 64 << 20, resultLength: 4 << 20 }

/** 'abnpkg' without recipes, and the encoder that the sandbox calls under the name of that of recipes. */
function apiModules(): readonly ModuleText[] {
  const file = (name: string) => readFileSync(join(codeRoot, 'recipes/api', name), 'utf8')
  return [
    { id: apiModule, text: "export { manifest } from './manifest.ts'" },
    { id: `${apiPrefix}noting.ts`, text: "export { collect, take } from './manifest.ts'" },
    ...['manifest.ts', 'check.ts'].map((name) => ({ id: `${apiPrefix}${name}`, text: file(name) })),
  ]
}

/** The sandbox speaks of recipes. */
function explained(error: AbnError): AbnError {
  const hint =
    error.code === 'ABN_RECIPE_IMPORT' ? "a manifest imports { manifest } from 'abnpkg' and nothing else" : HINT
  return new AbnError('ABN_MANIFEST_INVALID', `the manifest cannot be evaluated: ${error.message}`, {
    hint,
    cause: error,
  })
}

function entriesOf(exportsText: string, fail: Place['fail']): readonly ManifestEntry[] {
  const top: Place = { path: '', fail }
  const { manifests } = fieldsOf(parseJson(exportsText, fail), top, ['manifests'])
  const found = listOf(manifests, below(top, 'manifests'), (one, place) => {
    const entries = listOf(one, place, entryOf)
    requireThat(entries.length <= MOST_PACKAGES, place, `more than ${MOST_PACKAGES} packages`)
    return entries
  })
  const [first, second] = found
  if (first === undefined) throw fail('it exports no manifest: write `export const mine = manifest({ packages: […] })`')
  if (second !== undefined) throw fail(`it exports ${found.length} manifests, expected one`)
  const seen = new Map<string, string>()
  for (const { spec } of first) {
    const { name } = parsePackageSpec(spec)
    const before = seen.get(name)
    if (before !== undefined) throw fail(`'${clean(before)}' and '${clean(spec)}' are the same package`)
    seen.set(name, spec)
  }
  return first
}

function entryOf(value: JsonValue, place: Place): ManifestEntry {
  const fields = fieldsOf(value, place, ['package', 'priority'])
  requireThat(
    isPriority(fields.priority),
    below(place, 'priority'),
    `expected a whole number from -${highestPriority} to ${highestPriority}`,
  )
  const spec = textOf(fields.package, below(place, 'package'))
  parsePackageSpec(spec)
  return { spec, priority: fields.priority }
}

function parseJson(text: string, fail: Place['fail']): JsonValue {
  try {
    return JSON.parse(text)
  } catch {
    throw fail('it did not come out of the sandbox as it should')
  }
}
