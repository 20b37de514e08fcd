/**
 * A symbolic link forest: one directory that shows the files of many packages as if they were installed together.
 * A directory that only one package brings is one link; where several bring it, it becomes a directory of links.
 * Pure planning first, so that a collision is known before anything is written.
 */
import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { AbnError } from '../format/errors.ts'
import { compareBytewise } from '../format/order.ts'

/** One output of a package: `directory` is its place on disk, `label` its name in messages. */
export type ForestSource = { readonly label: string; readonly directory: string }

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
  merge('', sources)
  return nodes

  function merge(prefix: string, places: readonly ForestSource[]): void {
    const byName = new Map<string, ForestSource[]>()
    for (const { label, directory } of places) {
      for (const name of readdirSync(directory)) {
        const list = byName.get(name) ?? []
        list.push({ label, directory: `${directory}/${name}` })
        byName.set(name, list)
      }
    }
    for (const [name, found] of [...byName].sort(([a], [b]) => compareBytewise(a, b))) decide(prefix + name, found)
  }

  function decide(path: string, found: readonly ForestSource[]): void {
    const [first, second] = found
    if (first === undefined) return
    const areDirectories = (second !== undefined || expanded.includes(path)) && found.every(isDirectory)
    if (areDirectories) {
      nodes.push({ kind: 'directory', path })
      merge(`${path}/`, found)
    } else if (second === undefined) nodes.push({ kind: 'link', path, target: first.directory })
    else throw collision(path, first, second)
  }
}

export type WriteForestOptions = {
  /** Where the forest will stand in the end, if not where it is written: relative links are made for that place. */
  readonly place?: string
  /** A program to write instead of a link to the target, or undefined for a link. */
  readonly launcher?: (path: string, target: string) => string | Uint8Array | undefined
}

/** Writes the forest into an existing, empty directory. Links are relative, so that the whole store can be moved. */
export function writeForest(directory: string, nodes: readonly ForestNode[], options: WriteForestOptions = {}): void {
  const place = options.place ?? directory
  for (const node of nodes) {
    const at = `${directory}/${node.path}`
    if (node.kind === 'directory') {
      mkdirSync(at)
      continue
    }
    const program = options.launcher?.(node.path, node.target)
    if (program !== undefined) writeFileSync(at, program, { mode: 0o755 })
    else symlinkSync(relative(`${place}/${node.path}/..`, node.target), at)
  }
}

function isDirectory({ directory }: ForestSource): boolean {
  return statSync(directory, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function collision(path: string, first: ForestSource, second: ForestSource): AbnError {
  return new AbnError('ABN_PROFILE_COLLISION', `${first.label} and ${second.label} both bring ${path}`, {
    hint: `remove one of them: \`abnpkg remove ${first.label.replace(/@.*/, '')}\``,
  })
}
