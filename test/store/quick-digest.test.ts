// The quick way to an output digest gives what the definition gives, and refuses what it refuses.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { outputDigestOfDirectory } from '../../store/output-digest.ts'
import { quickOutputDigest } from '../../store/quick-digest.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import { item, longItem, type PlainEntry, tree } from '../format/archive/support.ts'

function write(directory: string, entries: readonly PlainEntry[]): void {
  for (const entry of entries) {
    const at = join(directory, entry.path)
    if (entry.kind === 'directory') mkdirSync(at, { recursive: true })
    else if (entry.kind === 'link') symlinkSync(entry.target, at)
    else writeFileSync(at, entry.bytes, { mode: entry.executable ? 0o755 : 0o644 })
  }
}

test('trees of all kinds', (t) => {
  const top = temporaryDirectory(t)
  let count = 0
  fc.assert(
    fc.property(tree, fc.constantFrom(item, longItem), (entries, of) => {
      const directory = join(top, String(count++))
      // Names may become the same, or too long for a file system.
      try {
        write(directory, entries)
      } catch {
        return
      }
      t.is(quickOutputDigest(directory, of), outputDigestOfDirectory(directory, of).outputDigest)
    }),
    { numRuns: 300 },
  )
})

const gathered = 512 * 1024
for (const sizes of [
  [0, 1, 511, 512, 513],
  [gathered - 1024, 5],
  [gathered - 1536, 5],
  [gathered - 512, gathered, gathered + 1],
  [3 * gathered + 17, 100, 2 * gathered],
  Array.from({ length: 300 }, (_, i) => 2000 + i),
]) {
  test(`files of ${sizes.slice(0, 5).join(', ')} bytes`, (t) => {
    const directory = temporaryDirectory(t)
    for (const [i, size] of sizes.entries()) writeFileSync(join(directory, `f${i}`), Buffer.alloc(size, i + 1))
    t.is(quickOutputDigest(directory, item), outputDigestOfDirectory(directory, item).outputDigest)
  })
}

const refused: Readonly<Record<string, (directory: string) => void>> = {
  'a named pipe': (d) => void spawnSync('mkfifo', [join(d, 'p')]),
  'a set-user-ID bit': (d) => {
    writeFileSync(join(d, 'p'), '')
    chmodSync(join(d, 'p'), 0o4755)
  },
  'a link out of the store': (d) => symlinkSync('/etc/passwd', join(d, 'l')),
  'a name that is not UTF-8': (d) => writeFileSync(Buffer.concat([Buffer.from(`${d}/a`), Buffer.from([0xff])]), ''),
  'a directory that is none': (d) => {
    spawnSync('rmdir', [d])
    writeFileSync(d, '')
  },
}
for (const [title, prepare] of Object.entries(refused)) {
  test(`${title} is refused by both in the same words`, (t) => {
    const directory = join(temporaryDirectory(t), 'item')
    mkdirSync(directory)
    prepare(directory)
    const expected = t.throws(() => outputDigestOfDirectory(directory, item))
    t.is(t.throws(() => quickOutputDigest(directory, item))?.message, expected?.message)
  })
}
