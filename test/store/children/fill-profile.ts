/**
 * Makes the second generation of a profile on a disk with less and less space or with no inode left, then with enough. Each line: the
 * error's code or "ok", the current generation, all generations, workspaces left, programs that the profile shows.
 */
import { readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { currentNumber, listGenerations, profileRoot, switchToNewGeneration } from '../../../store/profiles.ts'
import { openStore } from '../../../store/store.ts'
import { pathOf, recipeOf, registerFiles } from '../support.ts'

const root = process.argv[2] ?? ''
const store = openStore({ root, durable: false })
let attempts = 0
const names = Array.from({ length: 10 }, (_, i) => `p${i}`)
for (const name of names) await registerFiles(store, name, { out: { [`bin/${name}`]: { program: name } } })
await make(names.slice(0, 9))

const ballast = `${root}/ballast`
for (const free of [0, 1, 2, 4, 8]) {
  const { bfree, bsize } = statfsSync(root)
  writeFileSync(ballast, Buffer.alloc((bfree - free) * bsize))
  await attempt()
  rmSync(ballast)
}
for (const free of [0, 1, 5, 10]) {
  const fillers: string[] = []
  for (let left = statfsSync(root).ffree; left > free; left--) {
    fillers.push(`${root}/filler-${left}`)
    writeFileSync(`${root}/filler-${left}`, '')
  }
  await attempt()
  for (const filler of fillers) rmSync(filler)
}
await attempt()

async function attempt(): Promise<void> {
  const result = await make(names).then(
    () => 'ok',
    (error) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)),
  )
  const shown = readdirSync(`${profileRoot(store, 'default')}/bin`).length
  const left = readdirSync(store.layout.temporary).length
  console.log(result, currentNumber(store, 'default'), String(listGenerations(store, 'default')), left, shown)
}

/** With launchers of half a block that are new each time, so that blocks are needed. */
async function make(list: readonly string[]): Promise<void> {
  const program = Buffer.alloc(2048, ++attempts)
  const packages = list.map((name) => {
    return { name, version: '1', recipe: recipeOf(name), paths: [pathOf(name)], requested: name, priority: 0 }
  })
  await switchToNewGeneration(store, 'default', { packages, now: 1, launcher: () => program })
}
