// Adds items, keeps some by a profile and collects the rest, over and over, until it is killed.
import { collectGarbage } from '../../../store/collect-garbage.ts'
import { readProfile, switchToNewGeneration } from '../../../store/profiles.ts'
import { openStore } from '../../../store/store.ts'
import { pathOf, recipeOf, registerFiles } from '../support.ts'

const store = openStore({ root: process.argv[2] ?? '', durable: false })
for (let i = readProfile(store, 'default')?.number ?? 0; ; i++) {
  const [low, high] = [`low${i}`, `high${i}`]
  await registerFiles(store, low, { out: { a: 'a', 'b/c': 'c' } })
  await registerFiles(store, high, { out: { a: pathOf(low) } }, { candidates: [pathOf(low)] })
  if (i % 3 === 0) {
    const one = {
      name: high,
      version: '1',
      recipe: recipeOf(high),
      paths: [pathOf(high)],
      requested: high,
      priority: 0,
    }
    await switchToNewGeneration(store, 'default', { packages: [one], now: 1 })
  }
  process.stdout.write('.')
  await collectGarbage(store, {})
}
