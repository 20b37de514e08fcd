/**
 * A symbolic link forest: one directory that shows the files of many packages as if they were installed together.
 * A directory that only one package brings is one link; where several bring it, it becomes a directory of links.
 * Pure planning first, so that a collision is known before anything is written.
 *
 * Where two packages bring the same file, the higher priority shows its own; equal ones are a collision, unless both are links
 * to one and the same file. Directories merge whatever their priorities, but not with a file: of a file and a directory,
 * the higher priority's stays, and what has the other kind with a lower one is left out whole.
 */
import {
  type Dirent,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { relative } from 'node:path'
import { AbnError } from '../format/errors.ts'
import { compareBytewise } from '../format/order.ts'

/** One output of a package: `directory` is its place on disk, `label` its name in messages. */
export type ForestSource = { readonly label: string; readonly directory: string; readonly priority?: number }

export type ForestNode =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }

/**
 * Paths are relative to the forest, targets places on disk; a directory comes before what is in it. Directories in
 * `expanded` become directories of links even if only one package brings them.
 * Throws ABN_PROFILE_COLLISION.
 */
export function planForest(sources: readonly ForestSource[], expanded: readonly string[] = []): readonly ForestNode[] {
  const nodes: ForestNode[] = []
  merge(
    '',
    sources.map((source) => ({ source, place: source.directory, entry: undefined, links: 0 })),
  )
  return nodes

  function merge(prefix: string, directories: readonly Found[]): void {
    const byName = new Map<string, Found[]>()
    for (const { source, place, links } of directories) {
      for (const entry of readdirSync(place, { withFileTypes: true })) {
        const found = {
          source,
          place: `${place}/${entry.name}`,
          entry,
          links: links + (entry.isSymbolicLink() ? 1 : 0),
        }
        const list = byName.get(entry.name)
        if (list === undefined) byName.set(entry.name, [found])
        else list.push(found)
      }
    }
    for (const [name, found] of [...byName].sort(([a], [b]) => compareBytewise(a, b))) decide(prefix + name, found)
  }

  function decide(path: string, found: readonly Found[]): void {
    const [only, second] = found
    if (only === undefined) return
    if (second === undefined && !(expanded.includes(path) && isDirectory(only))) return void link(path, only)
    const highest = Math.max(...found.map(priorityOf))
    const [first, ...others] = found.filter((one) => priorityOf(one) === highest)
    if (first === undefined) return
    if (isDirectory(first)) {
      const file = others.find((one) => !isDirectory(one))
      if (file !== undefined) throw collision(path, first.source, file.source)
      nodes.push({ kind: 'directory', path })
      merge(`${path}/`, found.filter(isDirectory))
      return
    }
    const rival = others.find((one) => !isSameFile(first, one))
    if (rival !== undefined) throw collision(path, first.source, rival.source)
    link(path, first)
  }

  function link(path: string, { place }: Found): void {
    nodes.push({ kind: 'link', path, target: place })
  }
}

export type WriteForestOptions = {
  /** Where the forest will stand in the end, if not where it is written: relative links are made for that place. */
  readonly place?: string
  /** A program to write instead of a link to the target, or undefined for a link. */
  readonly launcher?: (path: string, target: string) => string | Uint8Array | undefined
  /** A forest whose programs are hard-linked where they are the same: neither of the two is ever changed. */
  readonly previous?: string | undefined
}

/**
 * Writes the forest into an existing, empty directory. Links are relative, so that the whole store can be moved. Gives the
 * programs that were written anew, which are not durable yet.
 */
export function writeForest(
  directory: string,
  nodes: readonly ForestNode[],
  options: WriteForestOptions = {},
): readonly string[] {
  const place = options.place ?? directory
  const written: string[] = []
  for (const node of nodes) {
    const at = `${directory}/${node.path}`
    if (node.kind === 'directory') {
      mkdirSync(at)
      continue
    }
    const program = options.launcher?.(node.path, node.target)
    if (program === undefined) symlinkSync(relative(`${place}/${node.path}/..`, node.target), at)
    else if (options.previous === undefined || !isLinked(`${options.previous}/${node.path}`, at, program)) {
      writeFileSync(at, program, { mode: 0o755 })
      written.push(at)
    }
  }
  return written
}

/** Whatever is in the way only costs time. */
function isLinked(earlier: string, at: string, program: string | Uint8Array): boolean {
  try {
    if (!lstatSync(earlier).isFile() || !readFileSync(earlier).equals(Buffer.from(program))) return false
    linkSync(earlier, at)
    return true
  } catch {
    return false
  }
}

/** What a source has at one path: nothing is known of the top. `links`: how many symbolic links lead there. */
type Found = {
  readonly source: ForestSource
  readonly place: string
  readonly entry: Dirent | undefined
  readonly links: number
}

/** Links in directories that links lead to count as files from a depth on, for they may go in circles. */
const MOST_LINKS = 3

/** Whether a symbolic link leads to a directory is asked only when it matters. */
function isDirectory({ entry, links, place }: Found): boolean {
  if (entry === undefined || entry.isDirectory()) return true
  if (!entry.isSymbolicLink() || links > MOST_LINKS) return false
  return statSync(place, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function priorityOf({ source }: Found): number {
  return source.priority ?? 0
}

/** As when one package shows another's program. */
function isSameFile(a: Found, b: Found): boolean {
  try {
    return realpathSync(a.place) === realpathSync(b.place)
  } catch {
    return false
  }
}

function collision(path: string, first: ForestSource, second: ForestSource): AbnError {
  const [one, other] = [first, second].map(({ label }) => label.replace(/@.*/, ''))
  const number = (first.priority ?? 0) + 1
  const hint =
    one === other
      ? `the outputs of ${one} cannot be shown together`
      : `\`abnpkg install ${one} --priority ${number}\` or \`abnpkg install ${other} --priority ${number}\` settles whose is shown`
  return new AbnError('ABN_PROFILE_COLLISION', `${first.label} and ${second.label} both bring ${path}`, { hint })
}
