/** Registers the same output on a disk with less and less, then again with enough space. */
import { linkSync, readdirSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs'
import { openStore } from '../../../store/store.ts'
import { pathOf, registerFiles } from '../support.ts'

const root = process.argv[2] ?? ''
const store = openStore({ root, durable: false })
const ballast = `${root}/ballast`

for (const free of [0, 4096, 8192, 16384, 32768, 65536]) {
  const { bfree, bsize } = statfsSync(root)
  writeFileSync(ballast, Buffer.alloc(bfree * bsize))
  truncateSync(ballast, bfree * bsize - free)
  await attempt()
  rmSync(ballast)
}
await attempt()

async function attempt(): Promise<void> {
  let result = 'ok'
  try {
    // The hard link is split, which needs space while registering.
    const prepare = (directory: string) => linkSync(`${directory}/a`, `${directory}/b`)
    await registerFiles(store, 'hello', { out: { a: 'x'.repeat(20000) } }, { prepare })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    // Staging is the test's own doing, and fails in its own way.
    result = code === 'ENOSPC' ? 'ABN_DISK_FULL' : code
  }
  console.log(
    result,
    ...[store.layout.store, store.layout.items, store.layout.temporary].map((d) => readdirSync(d).length),
  )
  if (result === 'ok' && store.has(pathOf('hello'))) process.exit(0)
}
