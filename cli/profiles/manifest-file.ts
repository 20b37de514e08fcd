// Files of manifests: reading one for apply, writing one for profile export.
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { resolve } from 'node:path'
import { maximumManifestBytes } from '../../builder/evaluate/manifest.ts'
import { AbnError } from '../../format/errors.ts'
import type { ProfilePackage } from '../../store/manifest.ts'
import type { Generation } from '../../store/profiles.ts'
import { writeDurably } from '../../store/write-durably.ts'

/** Its text; '-' is standard input. Throws ABN_MANIFEST_FILE. */
export function readManifestFile(file: string): string {
  const bytes = file === '-' ? readAtMost(0, 'standard input') : readPlainFile(file)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new AbnError('ABN_MANIFEST_FILE', `${file} is not a text in UTF-8`, { cause })
  }
}

export type ManifestTextOptions = {
  readonly profile: string
  /** Versions as they are, instead of what was asked for. */
  readonly isExact: boolean
}

/** A module that `apply` makes the same profile of, as long as the recipes are the same. */
export function manifestText(generation: Generation | undefined, { profile, isExact }: ManifestTextOptions): string {
  const packages = generation?.manifest.packages ?? []
  const what = `Profile ${profile}, generation ${generation?.number ?? 0}.`
  return [
    `// ${what} \`abnpkg apply\` makes a profile exactly this.`,
    "import { manifest } from 'abnpkg'",
    '',
    packages.length === 0 ? 'export const packages = manifest({ packages: [] })' : 'export const packages = manifest({',
    ...(packages.length === 0
      ? []
      : ['  packages: [', ...packages.map((one) => `    ${entryText(one, isExact)},`), '  ],', '})']),
    '',
  ].join('\n')
}

/** Throws ABN_MANIFEST_FILE when there is a file already. */
export function writeManifestFile(file: string, text: string, { force }: { readonly force: boolean }): void {
  if (!force && existsSync(file)) {
    throw new AbnError('ABN_MANIFEST_FILE', `there is a file ${file} already`, { hint: '--force overwrites it' })
  }
  writeDurably(resolve(file), text)
}

function entryText({ name, version, requested, priority }: ProfilePackage, isExact: boolean): string {
  const spec = quoted(isExact ? `${name}@${version}` : requested)
  return priority === 0 ? spec : `{ package: ${spec}, priority: ${priority} }`
}

/** In single quotes where it needs no escapes, else as JSON, which JavaScript reads as the same text. */
function quoted(text: string): string {
  return /^[A-Za-z0-9+._@^~<>=|* -]*$/.test(text) ? `'${text}'` : JSON.stringify(text)
}

function readPlainFile(file: string): Buffer {
  let descriptor: number
  try {
    descriptor = openSync(file, 'r')
  } catch (cause) {
    throw unreadable(file, cause instanceof Error ? cause.message : String(cause), cause)
  }
  try {
    if (fstatSync(descriptor).isDirectory()) throw unreadable(file, 'it is a directory')
    return readAtMost(descriptor, file)
  } finally {
    closeSync(descriptor)
  }
}

function readAtMost(descriptor: number, name: string): Buffer {
  const buffer = Buffer.alloc(maximumManifestBytes + 1)
  let length = 0
  for (;;) {
    const count = readSync(descriptor, buffer, length, buffer.length - length, null)
    length += count
    if (length > maximumManifestBytes) throw unreadable(name, `it has more than ${maximumManifestBytes} bytes`)
    if (count === 0) return buffer.subarray(0, length)
  }
}

function unreadable(name: string, reason: string, cause?: unknown): AbnError {
  return new AbnError('ABN_MANIFEST_FILE', `cannot read the manifest ${name}: ${reason}`, {
    hint: '`abnpkg profile export FILE` writes one',
    cause,
  })
}
