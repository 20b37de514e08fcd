// Kills builds at chosen instants and looks at the store each time.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { parseStoreItem, storePathOfItem } from '../../../../format/store-path.ts'
import { outputDigestOfDirectory } from '../../../../store/output-digest.ts'
import { removeDirectory } from '../../../../store/remove-directory.ts'
import { openStore, type Store } from '../../../../store/store.ts'

export type Ids = { readonly uid: number; readonly gid: number }

/** Runs the driver; resolves to its exit status and output. */
export function drive(
  directory: string,
  salt: string,
  options: { ids?: Ids; killAfterMs?: number; env?: object } = {},
) {
  const driver = spawn(process.execPath, [join(import.meta.dirname, 'driver.ts'), directory, salt], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...options.env },
    ...options.ids,
  })
  if (options.killAfterMs !== undefined) void delay(options.killAfterMs).then(() => driver.kill('SIGKILL'))
  let text = ''
  driver.stdout.on('data', (data: Buffer) => {
    text += data.toString()
  })
  return new Promise<{ readonly code: number | null; readonly text: string }>((resolve, reject) => {
    driver.on('error', reject)
    driver.on('close', (code) => resolve({ code, text }))
  })
}

/** Every record is right: its item is there, with the registered contents, and so is all that it refers to. */
export function requireWhole(t: ExecutionContext, store: Store): number {
  const records = readdirSync(store.layout.items).filter((name) => name.endsWith('.json') && !name.startsWith('.'))
  for (const name of records) {
    const item = parseStoreItem(name.slice(0, -'.json'.length))
    const { path, outputDigest, references } = store.readItem(storePathOfItem(item))
    t.is(outputDigestOfDirectory(store.physicalPath(path), item).outputDigest, outputDigest)
    for (const reference of references) t.true(store.has(reference), `${path} refers to ${reference}`)
  }
  return records.length
}

/** Kills `times` builds, each at another instant; then one is let through. */
export async function killAndLook(t: ExecutionContext, times: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'abn-kill-'))
  try {
    let killed = 0
    for (let i = 0; i < times; i++) {
      // A step that is prime to the range visits all parts of it; two runs in a row work on the same packages.
      const { code } = await drive(directory, `salt ${i >> 1}`, { killAfterMs: 90 + ((i * 67) % 400) })
      if (code === null) killed++
      requireWhole(t, openStore({ root: join(directory, 'root') }))
    }
    t.true(killed > 0, 'at least one was killed before it was done')
    const { code } = await drive(directory, 'salt 0')
    t.is(code, 0, 'nothing is in the way of the next build')
    const store = openStore({ root: join(directory, 'root') })
    t.true(requireWhole(t, store) >= 10)
    t.deepEqual(readdirSync(store.layout.temporary), [])
  } finally {
    removeDirectory(directory)
  }
}
