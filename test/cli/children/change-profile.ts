/**
 * Changes the profile 'default' of a store that has the packages p0, p1, …: with a number, adds that one and ends; without, does
 * whatever can be done to generations, one thing after another, until it is killed.
 */
import { changeProfile } from '../../../cli/profiles/profile.ts'
import { currentNumber, listGenerations, removeGeneration, switchToGeneration } from '../../../store/profiles.ts'
import { openStore } from '../../../store/store.ts'
import { pathOf, recipeOf } from '../../store/support.ts'

const [root = '', only] = process.argv.slice(2)
const store = openStore({ root, durable: false })
if (only !== undefined) await toggle(Number(only))
else {
  for (let i = 0; ; i++) {
    await toggle(i % 10)
    console.log(i)
    const numbers = listGenerations(store, 'default')
    const [first = 0] = numbers
    if (i % 3 === 0) await switchToGeneration(store, 'default', first)
    if (numbers.length > 5 && first !== currentNumber(store, 'default')) await removeGeneration(store, 'default', first)
  }
}

/** Takes a package out, or in. */
async function toggle(number: number): Promise<void> {
  const name = `p${number}`
  await changeProfile(store, 'default', (packages) => {
    const others = packages.filter((one) => one.name !== name)
    if (others.length < packages.length) return others
    const paths = [pathOf(name)]
    return [...others, { name, version: '1', recipe: recipeOf(name), paths, requested: name, priority: 0 }]
  })
}
