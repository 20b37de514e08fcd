/** Reads a store of somebody else and tries to change it. */
import { openStore } from '../../../store/store.ts'
import { pathOf, recipeOf } from '../support.ts'

const store = openStore({ root: process.argv[2] ?? '' })
const { path } = store.readItem(pathOf('n'))
try {
  await store.lockDerivation(recipeOf('m'))
} catch (error) {
  console.log(store.has(path), error instanceof Error && 'code' in error ? error.code : error)
}
