/** Registers items with two outputs, one after another, and makes a profile of each, until it is killed. */
import { existsSync, writeFileSync } from 'node:fs'
import { switchToNewGeneration } from '../../../store/profiles.ts'
import { openStore } from '../../../store/store.ts'
import { pathOf, recipeOf, registerFiles } from '../support.ts'

const root = process.argv[2] ?? ''
const store = openStore({ root, durable: false })
console.log('ready')
for (let i = 0; ; i++) {
  const name = `n${i}`
  if (store.has(pathOf(name, 'dev'))) continue
  writeFileSync(`${root}/next`, String(i))
  const isLeft = existsSync(store.physicalPath(pathOf(name)))
  await registerFiles(store, name, { out: { a: `${i}` }, dev: { a: pathOf(name) } })
  if (isLeft) console.log('replaced', name)
  await switchToNewGeneration(store, 'default', {
    packages: [{ name, version: '1', recipe: recipeOf(name), paths: [pathOf(name)], requested: name, priority: 0 }],
    now: 1,
  })
}
