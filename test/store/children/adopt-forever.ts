/** Adopts items by the dozen, each of which refers to the one before it, until it is killed. `adopt-forever.ts ROOT [durable]`. */
import { lutimesSync, mkdirSync, writeFileSync } from 'node:fs'
import { sha256Of } from '../../../format/hash.ts'
import { storeItemOf } from '../../../format/store-path.ts'
import { createAdopter } from '../../../store/adopt.ts'
import { finishDirectory } from '../../../store/canonicalise.ts'
import { inspectOutput } from '../../../store/register.ts'
import { openStore } from '../../../store/store.ts'
import { pathOf, recipeOf } from '../support.ts'

const store = openStore({ root: process.argv[2] ?? '', durable: process.argv[3] === 'durable' })
const workspace = await store.createWorkspace()
const adopter = createAdopter(store, workspace)
console.log('ready')
for (let first = 0; ; first += 12) {
  let before: Promise<void> = Promise.resolve()
  for (let i = first; i < first + 12; i++) {
    const path = pathOf(`n${i}`)
    if (store.has(path)) continue
    const references = i === first ? [] : [pathOf(`n${i - 1}`)]
    const directory = `${workspace.directory}/${storeItemOf(path)}`
    mkdirSync(`${directory}/share`, { recursive: true })
    writeFileSync(`${directory}/share/text`, `n${i} after ${references.join()}`, { mode: 0o444 })
    lutimesSync(`${directory}/share/text`, 1, 1)
    finishDirectory(`${directory}/share`)
    const { outputDigest, bytes } = inspectOutput(directory, path, references)
    const item = {
      format: 1,
      path,
      recipe: recipeOf(`n${i}`),
      name: `n${i}`,
      version: '1',
      output: 'out',
      outputDigest,
      bytes,
      references,
      origin: { kind: 'substituted', at: 1, system: 'x86_64-linux', from: 'http://a', decision: sha256Of('why') },
    } as const
    before = adopter.adopt([{ item, directory }], before)
  }
  await before
}
