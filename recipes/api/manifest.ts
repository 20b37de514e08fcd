/**
 * What a profile shall hold, for `abnpkg apply`: `export const mine = manifest({ packages: ['lua@^5.4', 'jq'] })`. A manifest
 * is evaluated as recipes are, by itself, and imports nothing but this.
 */
import { expectFields, expectLine, expectList, fail, kindOf } from './check.ts'

export type ManifestOptions = {
  /** As on the command line: `jq`, `lua@5.4.6` or `lua@^5.4`; or with a priority. Every package once. */
  readonly packages: readonly (string | ManifestPackage)[]
}

export type ManifestPackage = {
  /** `jq`, `lua@5.4.6` or `lua@^5.4`. */
  readonly package: string
  /** Of two packages that bring the same file, the one with the higher number shows its own. 0 unless told, -1000 to 1000. */
  readonly priority?: number
}

declare const checked: unique symbol

/** A module exports one. */
export type Manifest = { readonly [checked]: true }

export function manifest(options: ManifestOptions): Manifest {
  const given = expectFields(options, 'manifest', ['packages'])
  const packages = expectList(given.packages, 'manifest: packages').map((one, i) => {
    const where = `manifest: packages[${i}]`
    if (typeof one === 'string') return { package: expectLine(one, where), priority: 0 }
    const fields = expectFields(one, where, ['package', 'priority'])
    return {
      package: expectLine(fields.package, `${where}.package`),
      priority: expectPriority(fields.priority ?? 0, `${where}.priority`),
    }
  })
  const made = Object.freeze({})
  contents.set(made, packages)
  return made as unknown as Manifest
}

type Contents = readonly Required<ManifestPackage>[]

const contents = new WeakMap<object, Contents>()

const HIGHEST = 1000

function expectPriority(value: unknown, where: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= HIGHEST) return value
  return fail(where, `expected a whole number from -${HIGHEST} to ${HIGHEST}, got ${kindOf(value)}`)
}

const manifests: Contents[] = []

/** How manifests leave the sandbox, in the place of noting.ts: there are no recipes then. */
export function collect(module: Readonly<Record<string, unknown>>): void {
  for (const value of Object.values(module)) {
    const found = typeof value === 'object' && value !== null ? contents.get(value) : undefined
    if (found !== undefined) manifests.push(found)
  }
}

export function take(): string {
  return JSON.stringify({ manifests })
}
