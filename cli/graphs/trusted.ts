// Every byte that is trusted when a package is made: what it is made from, and what of this machine takes part.
// The list is complete for bits: recipes are covered by the recipe hash, and nothing else enters a sandbox.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { version as kernelVersion, release } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Channel } from '../../builder/evaluate/channel.ts'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import type { SourceHint } from '../../builder/fetch/hint.ts'
import { type Sha256, sha256Of, sha256Stream } from '../../format/hash.ts'
import { countText, type Output } from '../output.ts'

export type Trusted = {
  readonly packages: readonly { readonly name: string; readonly version: string; readonly recipeHash: string }[]
  /** Programs that are run as they are: the seed. */
  readonly seeds: readonly LocalFile[]
  readonly downloads: readonly { readonly sha256: Sha256; readonly from: readonly string[] }[]
  /** Texts of this repository that builds read: sources of the bootstrap, patches. */
  readonly files: readonly LocalFile[]
  readonly machine: readonly Part[]
  readonly abnpkg: readonly Part[]
}

type LocalFile = { readonly sha256: Sha256; readonly path: string; readonly bytes: number | undefined }
type Part = {
  readonly name: string
  readonly version: string
  readonly path?: string
  readonly sha256?: Sha256
  readonly integrity?: string
}

const house = join(import.meta.dirname, '../..')
const codeRooms = ['format', 'store', 'recipes/api', 'bootstrap/abl', 'builder', 'cli']

export function trustedBy(packages: readonly EvaluatedPackage[], channels: readonly Channel[]): Trusted {
  const seeds = new Map<Sha256, LocalFile>()
  const files = new Map<Sha256, LocalFile>()
  const downloads = new Map<Sha256, readonly string[]>()
  let usesGit = false
  for (const { derivation, metadata } of packages) {
    const directory = channels.find(({ name }) => name === metadata.channel)?.directory ?? house
    for (const { sha256, unpack, patches } of derivation.sources) {
      const isProgram = unpack.kind === 'file' && unpack.executable
      for (const hash of [sha256, ...patches]) {
        const hint = metadata.sources[hash]
        usesGit ||= hint?.kind === 'git'
        if (hint?.kind !== 'local') downloads.set(hash, placesOf(hint))
        else if (isProgram) seeds.set(hash, localFile(hash, hint.path, directory))
        else files.set(hash, localFile(hash, hint.path, directory))
      }
    }
  }
  return {
    packages: packages.map(({ derivation: { name, version }, recipeHash }) => ({ name, version, recipeHash })),
    seeds: [...seeds.values()],
    downloads: [...downloads].map(([sha256, from]) => ({ sha256, from })),
    files: [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1)),
    machine: machineParts(usesGit),
    abnpkg: codeParts(),
  }
}

export function printTrusted(
  { packages, seeds, downloads, files, machine, abnpkg }: Trusted,
  { line, paint }: Output,
): void {
  const top = packages.at(-1)
  line(`${top?.name} ${top?.version}: ${countText(packages.length, 'package')}, made from`)
  line(`  ${top?.recipeHash}  recipe hash of ${top?.name}; it covers everything below but this machine and abnpkg`)
  line(`\n${paint('bold', 'the seed')}, run as it is`)
  for (const { sha256, path, bytes } of seeds) line(`  ${sha256}  ${path}, ${bytes ?? '?'} bytes`)
  line(`\n${paint('bold', countText(downloads.length, 'upstream source'))}`)
  for (const { sha256, from } of downloads) {
    line(`  ${sha256}  ${from[0] ?? ''}`)
    for (const other of from.slice(1)) line(`${' '.repeat(68)}${other}`)
  }
  line(`\n${paint('bold', countText(files.length, 'text'))} of the channel`)
  for (const { sha256, path } of files) line(`  ${sha256}  ${path}`)
  const part = ({ name, version, path, sha256, integrity }: Part) =>
    line(`  ${sha256 ?? integrity ?? '-'.padEnd(64)}  ${name} ${version}${path ? ` (${path})` : ''}`)
  line(`\n${paint('bold', 'this machine')}`)
  machine.forEach(part)
  line(`\n${paint('bold', 'abnpkg')} and its libraries`)
  abnpkg.forEach(part)
}

function placesOf(hint: SourceHint | undefined): readonly string[] {
  if (hint?.kind === 'urls') return hint.urls
  return hint?.kind === 'git' ? [`${hint.url} ${hint.commit}`] : []
}

function localFile(sha256: Sha256, path: string, directory: string): LocalFile {
  return { sha256, path, bytes: statSync(join(directory, path), { throwIfNoEntry: false })?.size }
}

function machineParts(usesGit: boolean): Part[] {
  return [
    { name: 'Linux', version: `${release()} ${kernelVersion()}` },
    {
      name: 'node',
      version: process.versions.node,
      path: process.execPath,
      sha256: sha256Of(readFileSync(process.execPath)),
    },
    program('unshare'),
    ...(usesGit ? [program('git')] : []),
  ]
}

function program(name: string): Part {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/bin']
  const path = directories.map((directory) => join(directory, name)).find((file) => existsSync(file))
  if (path === undefined) return { name, version: '(not found)' }
  return { name, version: '', path, sha256: sha256Of(readFileSync(path)) }
}

/** abnpkg's own code as one hash over its files, and the libraries as package-lock.json pins them. */
function codeParts(): Part[] {
  const manifest: { version: string } = JSON.parse(readFileSync(join(house, 'package.json'), 'utf8'))
  const lock: { packages: Record<string, { version: string; integrity?: string; dev?: boolean }> } = JSON.parse(
    readFileSync(join(house, 'package-lock.json'), 'utf8'),
  )
  const stream = sha256Stream()
  const files = codeRooms.flatMap((room) => filesBelow(room))
  for (const path of files) stream.update(Buffer.from(`${sha256Of(readFileSync(join(house, path)))}  ${path}\n`))
  const libraries = Object.entries(lock.packages).flatMap(([path, { version, integrity, dev }]) =>
    path === '' || dev || integrity === undefined
      ? []
      : [{ name: path.replace('node_modules/', ''), version, integrity }],
  )
  return [
    { name: 'abnpkg', version: manifest.version, path: `${files.length} files`, sha256: stream.digest() },
    ...libraries,
  ]
}

function filesBelow(room: string): string[] {
  return readdirSync(join(house, room), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(house.length + 1))
    .sort()
}
