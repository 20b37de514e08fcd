/**
 * abnpkg.lock: which bits a project's packages are. Specification: docs/formats/lockfile.md.
 *
 * One paragraph for each channel and each package, sorted, with an empty line between, so that git merges changes to different packages.
 * A package's paragraph holds all that it needs while it runs, also what others need too: a merge must not have to look elsewhere.
 * There is one text for one lock: encodeLockfile(parseLockfile(text)) is the text, or it is refused.
 *
 * It comes with a project, so it is a stranger's text. It can only narrow what is taken: nothing is accepted because a lock says so.
 */
import { AbnError } from './errors.ts'
import { parseRecipeHash, parseSha256, type RecipeHash, type Sha256 } from './hash.ts'
import { compareBytewise, isStrictlySorted } from './order.ts'
import { type PackageGroup, rangePattern, requirePackageKey } from './project.ts'
import {
  parseStoreItem,
  requireOutput,
  requireVersion,
  type StorePath,
  storeItemOf,
  storePathOf,
  storePathOfItem,
} from './store-path.ts'

export type Lockfile = {
  /** Sorted by name. */
  readonly channels: readonly LockedChannel[]
  /** Sorted by name, then by system. */
  readonly packages: readonly LockedPackage[]
}

/** Where recipes came from. For the recipes that come with abnpkg, the channel `abnpkg`, there is the digest only. */
export type LockedChannel = {
  readonly name: string
  readonly url: string | undefined
  readonly commit: string | undefined
  readonly digest: Sha256
}

export type LockedPackage = {
  /** As abnpkg.json has it: NAME, or CHANNEL:NAME. */
  readonly name: string
  readonly system: string
  /** The range that abnpkg.json had. */
  readonly wanted: string
  readonly group: PackageGroup
  readonly version: string
  readonly channel: string
  readonly recipe: RecipeHash
  /** All of them, sorted by name; `path` follows from recipe, name, version and output. */
  readonly outputs: readonly LockedOutput[]
  /** What the outputs refer to, directly or not, but for the outputs themselves. Sorted by path. */
  readonly needs: readonly LockedPath[]
}

export type LockedPath = { readonly path: StorePath; readonly digest: Sha256; readonly acceptance: Acceptance }

export type LockedOutput = LockedPath & { readonly output: string }

/** How the bits came when they were locked. */
export type Acceptance =
  | { readonly kind: 'built' }
  | {
      readonly kind: 'accepted'
      /** Digest of the policy (docs/formats/policy.md). */
      readonly policy: Sha256
      /** Who agreed, sorted: names that this policy gives them. */
      readonly operators: readonly string[]
      /** What was satisfied, sorted: see docs/formats/lockfile.md. */
      readonly factors: readonly string[]
    }

export const maximumLockfileBytes = 16 * 1024 * 1024

const HEADER = [
  'abnpkg.lock 1',
  "# Written by abnpkg; 'abnpkg add', 'remove --project', 'update' and 'lock' change it. Keep it with the project.",
]

/** Throws ABN_LOCKFILE_INVALID for what parseLockfile would refuse. */
export function encodeLockfile(lock: Lockfile): string {
  const text = textOf(lock)
  parseLockfile(text)
  return text
}

/** Throws ABN_LOCKFILE_INVALID, or ABN_LOCKFILE_CONFLICT for a text in which git has left a conflict. */
export function parseLockfile(text: string): Lockfile {
  if (text.length > maximumLockfileBytes) throw invalid(`larger than ${maximumLockfileBytes} bytes`)
  if (/^(?:<{7}|={7}|>{7}|\|{7})/m.test(text)) {
    throw new AbnError('ABN_LOCKFILE_CONFLICT', 'abnpkg.lock holds both sides of a merge', {
      hint: "resolve abnpkg.json if it has a conflict too, then type 'abnpkg lock'",
    })
  }
  const lines = text.split('\n')
  if (lines[0] !== HEADER[0]) throw invalid(`expected "${HEADER[0]}" in the first line`)
  const reader = readerOf(lines)
  reader.skip(HEADER.length)
  const channels: LockedChannel[] = []
  const packages: LockedPackage[] = []
  while (reader.peek() !== undefined) {
    reader.take(/^$/)
    if (reader.peek() === undefined) break
    if (reader.peek()?.startsWith('channel ')) channels.push(readChannel(reader))
    else packages.push(readPackage(reader))
  }
  const lock = { channels, packages }
  requireConsistent(lock)
  const again = textOf(lock)
  if (again !== text) throw invalid(`not in its one form: ${firstDifference(text, again)}`)
  return lock
}

function textOf({ channels, packages }: Lockfile): string {
  const paragraphs = [HEADER, ...channels.map(linesOfChannel), ...packages.map(linesOfPackage)]
  return `${paragraphs.map((lines) => lines.join('\n')).join('\n\n')}\n`
}

function linesOfChannel({ name, url, commit, digest }: LockedChannel): string[] {
  return [
    `channel ${name}`,
    ...(url === undefined ? [] : [`  url ${url}`]),
    ...(commit === undefined ? [] : [`  commit ${commit}`]),
    `  digest ${digest}`,
  ]
}

function linesOfPackage(one: LockedPackage): string[] {
  return [
    `package ${one.name} ${one.system}`,
    `  wanted ${one.wanted}`,
    `  group ${one.group}`,
    `  version ${one.version}`,
    `  channel ${one.channel}`,
    `  recipe ${one.recipe}`,
    ...one.outputs.flatMap((each) => [`  output ${each.output} ${each.digest}`, acceptanceLine(each)]),
    ...one.needs.flatMap((each) => [`  needs ${storeItemOf(each.path)} ${each.digest}`, acceptanceLine(each)]),
  ]
}

function acceptanceLine({ acceptance }: LockedPath): string {
  if (acceptance.kind === 'built') return '    built'
  const { policy, operators, factors } = acceptance
  return `    accepted ${policy} by ${operators.join(',')} with ${factors.join(' ')}`
}

type Reader = {
  readonly peek: () => string | undefined
  readonly skip: (count: number) => void
  /** The groups of the match. Throws ABN_LOCKFILE_INVALID where the line is another one. */
  readonly take: (pattern: RegExp) => readonly string[]
  readonly has: (pattern: RegExp) => boolean
  readonly checked: <T>(check: () => T) => T
}

/** The last line is empty, because every line has its end. */
function readerOf(lines: readonly string[]): Reader {
  let at = 0
  const peek = () => (at < lines.length ? lines[at] : undefined)
  const failed = (reason: string, cause?: unknown) => invalid(`line ${at}: ${reason}`, cause)
  return {
    peek,
    skip: (count) => {
      at += count
    },
    has: (pattern) => pattern.test(peek() ?? ''),
    take: (pattern) => {
      const line = peek()
      at++
      const match = line === undefined ? null : pattern.exec(line)
      if (match === null) throw failed(`expected ${String(pattern)}, got ${JSON.stringify((line ?? '').slice(0, 100))}`)
      return match.slice(1).map((group) => group ?? '')
    },
    checked: (check) => {
      try {
        return check()
      } catch (error) {
        throw error instanceof AbnError ? failed(error.message, error) : error
      }
    },
  }
}

const ADDRESS = /^ {2}url ([!-~]{1,500})$/
const COMMIT = /^ {2}commit ([0-9a-f]{40}|[0-9a-f]{64})$/
const OPERATOR = '[a-z0-9][a-z0-9._-]{0,63}'
const FACTOR = '[a-z][a-z0-9-]*(?::[a-z0-9._,-]+)*'
const ACCEPTED = new RegExp(
  `^ {4}accepted ([0-9a-f]{64}) by (${OPERATOR}(?:,${OPERATOR})*) with (${FACTOR}(?: ${FACTOR})*)$`,
)

function readChannel(reader: Reader): LockedChannel {
  const [name = ''] = reader.take(/^channel ([a-z0-9][a-z0-9._-]{0,63})$/)
  const url = reader.has(/^ {2}url /) ? reader.take(ADDRESS)[0] : undefined
  const commit = reader.has(/^ {2}commit /) ? reader.take(COMMIT)[0] : undefined
  const [digest = ''] = reader.take(/^ {2}digest ([0-9a-f]{64})$/)
  return { name, url, commit, digest: parseSha256(digest) }
}

function readPackage(reader: Reader): LockedPackage {
  const [name = '', system = ''] = reader.take(/^package (\S{1,97}) ([a-z0-9_]{1,32}-[a-z0-9]{1,32})$/)
  const [wanted = ''] = reader.take(/^ {2}wanted (.{1,100})$/)
  const [group] = reader.take(/^ {2}group (packages|devPackages)$/)
  const [version = ''] = reader.take(/^ {2}version (\S{1,64})$/)
  const [channel = ''] = reader.take(/^ {2}channel ([a-z0-9][a-z0-9._-]{0,63})$/)
  const [hash = ''] = reader.take(/^ {2}recipe ([0-9a-f]{64})$/)
  const recipe = parseRecipeHash(hash)
  const key = reader.checked(() => {
    requireVersion(version)
    return requirePackageKey(name)
  })
  if (key.channel !== undefined && key.channel !== channel) throw invalid(`${name} is from the channel ${channel}`)
  if (!rangePattern.test(wanted)) throw invalid(`${name}: not a range: ${JSON.stringify(wanted)}`)
  const outputs: LockedOutput[] = []
  while (reader.has(/^ {2}output /)) {
    const [output = '', digest = ''] = reader.take(/^ {2}output (\S{1,16}) ([0-9a-f]{64})$/)
    reader.checked(() => requireOutput(output))
    const path = storePathOf(recipe, key.name, version, output)
    outputs.push({ output, path, digest: parseSha256(digest), acceptance: readAcceptance(reader) })
  }
  const needs: LockedPath[] = []
  while (reader.has(/^ {2}needs /)) {
    const [item = '', digest = ''] = reader.take(/^ {2}needs (\S{1,180}) ([0-9a-f]{64})$/)
    const path = reader.checked(() => storePathOfItem(parseStoreItem(item)))
    needs.push({ path, digest: parseSha256(digest), acceptance: readAcceptance(reader) })
  }
  const of = group === 'devPackages' ? 'devPackages' : 'packages'
  return { name, system, wanted, group: of, version, channel, recipe, outputs, needs }
}

function readAcceptance(reader: Reader): Acceptance {
  if (reader.has(/^ {4}built$/)) {
    reader.skip(1)
    return { kind: 'built' }
  }
  const [policy = '', operators = '', factors = ''] = reader.take(ACCEPTED)
  return { kind: 'accepted', policy: parseSha256(policy), operators: operators.split(','), factors: factors.split(' ') }
}

/** What the form alone does not say. A merge of two locks can come to contradict itself. */
function requireConsistent({ channels, packages }: Lockfile): void {
  requireSorted(
    channels.map(({ name }) => name),
    'channels',
  )
  requireSorted(
    packages.map(({ name, system }) => `${name} ${system}`),
    'packages',
  )
  const known = new Set(channels.map(({ name }) => name))
  const digests = new Map<StorePath, Sha256>()
  for (const { name, channel, outputs, needs } of packages) {
    if (!known.has(channel)) throw invalid(`${name} is from the channel ${channel}, of which there is no paragraph`)
    requireSorted(
      outputs.map(({ output }) => output),
      `outputs of ${name}`,
    )
    requireSorted(
      needs.map(({ path }) => path),
      `needs of ${name}`,
    )
    if (!outputs.some(({ output }) => output === 'out')) throw invalid(`${name} has no output "out"`)
    const own = new Set(outputs.map(({ path }) => path))
    for (const { path, digest, acceptance } of [...outputs, ...needs]) {
      const other = digests.get(path)
      if (other !== undefined && other !== digest) {
        throw invalid(`${path} has two digests, ${other} and, below ${name}, ${digest}`)
      }
      digests.set(path, digest)
      if (acceptance.kind !== 'accepted') continue
      requireSorted(acceptance.operators, `operators of ${path}`)
      requireSorted(acceptance.factors, `factors of ${path}`)
    }
    if (needs.some(({ path }) => own.has(path))) throw invalid(`${name} needs an output of its own`)
  }
}

function requireSorted(texts: readonly string[], what: string): void {
  if (!isStrictlySorted(texts)) throw invalid(`${what}: not sorted bytewise, or one occurs twice`)
}

/** In the order of the file. */
export function sortedLock({ channels, packages }: Lockfile): Lockfile {
  const byName = (a: { name: string }, b: { name: string }) => compareBytewise(a.name, b.name)
  return {
    channels: [...channels].sort(byName),
    packages: [...packages].sort((a, b) => compareBytewise(`${a.name} ${a.system}`, `${b.name} ${b.system}`)),
  }
}

function firstDifference(got: string, expected: string): string {
  const [gotLines, expectedLines] = [got.split('\n'), expected.split('\n')]
  const at = expectedLines.findIndex((line, i) => line !== gotLines[i])
  const line = at < 0 ? expectedLines.length : at
  return `line ${line + 1}, expected ${JSON.stringify(expectedLines[line] ?? '')}, got ${JSON.stringify((gotLines[line] ?? '').slice(0, 100))}`
}

function invalid(reason: string, cause?: unknown): AbnError {
  return new AbnError('ABN_LOCKFILE_INVALID', `abnpkg.lock: ${reason}`, {
    hint: "if nobody meant to change it by hand, take it from version control; 'abnpkg lock' makes what is missing",
    ...(cause === undefined ? {} : { cause }),
  })
}
