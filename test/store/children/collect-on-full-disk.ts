// Fills a small disk to the last byte and the last inode, and collects garbage on it: a full disk must not keep anybody from that.
import { closeSync, openSync, statfsSync, writeFileSync } from 'node:fs'
import { collectGarbage } from '../../../store/collect-garbage.ts'
import { writeRoot } from '../../../store/roots.ts'
import { openStore } from '../../../store/store.ts'
import { pathOf, registerFiles } from '../support.ts'

const root = process.argv[2] ?? ''
const store = openStore({ root, durable: false })
await registerFiles(store, 'kept', { out: { a: 'a' } })
await registerFiles(store, 'garbage', { out: { a: 'x'.repeat(50_000) } })
writeRoot(store, 'mine', [pathOf('kept')])
try {
  writeFileSync(`${root}/ballast`, Buffer.alloc(statfsSync(root).bfree * statfsSync(root).bsize))
  for (let i = 0; ; i++) closeSync(openSync(`${root}/inode${i}`, 'w'))
} catch (error) {
  process.stdout.write(`${error instanceof Error && 'code' in error ? error.code : error}\n`)
}
const { items } = await collectGarbage(store, {})
const { bfree, bsize } = statfsSync(root)
const names = items.map(({ name }) => name).join()
process.stdout.write(
  `${names} ${store.has(pathOf('kept'))} ${store.has(pathOf('garbage'))} ${bfree * bsize >= 50_000}\n`,
)
