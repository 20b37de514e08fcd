// How long a profile with 1,000 packages takes to make, change and switch, as a ratio to making as many symbolic links in a row.
// The limit is 1 s for each.
//
//   node bench/profile.ts [PACKAGES]
//
// With launchers is how it is where the store is not at /abn/store, with links where it is. Rounds alternate, medians are compared.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { changeProfile } from '../cli/profiles/profile.ts'
import { parseRecipeHash, sha256Of } from '../format/hash.ts'
import { storeItemOf, storePathOf } from '../format/store-path.ts'
import { encodeItem } from '../store/item.ts'
import type { ProfilePackage } from '../store/manifest.ts'
import { profileRoot, switchToGeneration, switchToNewGeneration } from '../store/profiles.ts'
import { removeDirectory } from '../store/remove-directory.ts'
import { openStore, type Store } from '../store/store.ts'

const limitSeconds = 1
const rounds = 5
const count = Number(process.argv[2] ?? 1000)

const directory = mkdtempSync(join(tmpdir(), 'abnpkg-profile-'))
try {
  const store = openStore({ root: join(directory, 'root') })
  const packages = Array.from({ length: count }, (_, i) => makeItem(store, `p${i}`, '1'))
  const newer = makeItem(store, 'p0', '2')
  const others = [newer, ...packages.slice(1)]
  const now = 1
  const links: number[] = []
  const times = new Map<string, number[]>()
  const measure = async (name: string, action: () => Promise<unknown>) => {
    const start = performance.now()
    await action()
    const list = times.get(name) ?? []
    list.push((performance.now() - start) / 1000)
    times.set(name, list)
  }
  const command = (...args: readonly string[]) => {
    const { status, stderr } = spawnSync(join(import.meta.dirname, '../abnpkg'), [...args, '--root', store.root], {
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(stderr)
  }
  await changeProfile(store, 'warm', () => packages)
  for (let round = 0; round < rounds; round++) {
    const { number: first } = await switchToNewGeneration(store, 'linked', { packages, now })
    const made = linksBelow(join(profileRoot(store, 'linked')))
    links.push(made.length)
    await measure('symlink(2) in a row', async () => makeLinks(join(directory, `links-${round}`), made))
    await measure('new generation, links', () => switchToNewGeneration(store, 'linked', { packages: others, now }))
    await measure('new generation, launchers', () =>
      changeProfile(store, 'default', () => (round % 2 ? packages : others)),
    )
    await measure('switch to a generation that is there', () => switchToGeneration(store, 'linked', first))
    await measure('abnpkg switch', async () => command('switch', String(round + 1), '--profile', 'linked'))
    await measure('abnpkg list', async () => command('list'))
  }
  const base = median(times.get('symlink(2) in a row') ?? [])
  console.log(`${count} packages, ${median(links)} links`)
  for (const [name, list] of times) {
    const seconds = median(list)
    const held = seconds <= limitSeconds ? 'held' : 'MISSED'
    console.log(
      `${name.padEnd(38)} ${seconds.toFixed(3)} s  ${(seconds / base).toFixed(2)} ×  limit ${limitSeconds} s: ${held}`,
    )
    if (seconds > limitSeconds) process.exitCode = 1
  }
} finally {
  removeDirectory(directory)
}

/** A small valid item, written without the care that a real one gets. */
function makeItem(store: Store, name: string, version: string): ProfilePackage {
  const recipe = parseRecipeHash(sha256Of(`${name} ${version}`))
  const path = storePathOf(recipe, name, version, 'out')
  const at = store.physicalPath(path)
  for (const part of ['bin', 'share/man/man1', `share/doc/${name}`]) mkdirSync(join(at, part), { recursive: true })
  writeFileSync(join(at, 'bin', name), name, { mode: 0o555 })
  writeFileSync(join(at, 'share/man/man1', `${name}.1`), name)
  writeFileSync(join(at, 'share/doc', name, 'README'), name)
  const digest = sha256Of(name)
  const origin = {
    kind: 'built',
    at: 1,
    seconds: 1,
    system: 'x86_64-linux',
    resolved: digest,
    inputs: [],
    log: '',
  } as const
  const item = {
    format: 1,
    path,
    recipe,
    name,
    version,
    output: 'out',
    outputDigest: digest,
    bytes: 1,
    references: [],
    origin,
  } as const
  writeFileSync(join(store.layout.items, `${storeItemOf(path)}.json`), encodeItem(item))
  return { name, version, recipe, paths: [path], requested: name, priority: 0 }
}

function linksBelow(place: string): readonly string[] {
  return readdirSync(place, { withFileTypes: true, recursive: true }).flatMap((entry) =>
    entry.isSymbolicLink() ? join(entry.parentPath, entry.name).slice(place.length + 1) : [],
  )
}

function makeLinks(place: string, links: readonly string[]): void {
  mkdirSync(place)
  for (const [i] of links.entries())
    symlinkSync(`../../../../../../store/${'x'.repeat(40)}/bin/p${i}`, join(place, String(i)))
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
