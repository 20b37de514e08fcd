// The log of a cache: how fast it takes entries, how long proofs take, and what it needs of memory and disk.
//
//   node bench/log.ts [--entries N | --million]
//
// Entries are envelopes of real statements' size. That a cache keeps them is no matter of the log, and only printed; what the log adds
// is timed: the notes that they are pending, written in groups of 100 and durably, and then, in a process of its own (log-process.ts),
// giving them their places, in tiles and entries that are durable too. Limit: 5,000 entries a second, both together. Then proofs are
// made from the files as for an answer. N is 50,000 unless told; --million takes some minutes.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openSequencer } from '../cache-server/log/sequencer.ts'
import { openTreeFiles } from '../cache-server/log/tree-files.ts'
import type { Change } from '../cache-server/storage/index.ts'
import { openLevelIndex } from '../cache-server/storage/level-index.ts'
import { judge } from './cache/judge.ts'
import { lookalike } from './cache/statements.ts'

const { values } = parseArgs({
  options: { entries: { type: 'string', default: '50000' }, million: { type: 'boolean' } },
})
const count = values.million === true ? 1_000_000 : Number(values.entries)
const scratch = mkdtempSync(join(tmpdir(), 'abn-bench-log-'))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))

const { bytes, keeping, noting } = await fill()
console.log(`${count} entries of ${(bytes / count).toFixed(0)} bytes, kept at ${(count / keeping).toFixed(0)}/s`)
console.log(`noted as pending at ${(count / noting).toFixed(0)}/s`)
// Whatever hangs, this does not.
const timeout = (5 + count / 25_000) * 60_000
const child = spawnSync(process.execPath, [join(import.meta.dirname, 'log-process.ts'), scratch, String(noting)], {
  stdio: 'inherit',
  timeout,
})
if (child.status !== 0) process.exitCode = 1
const onDisk = sizeOf(join(scratch, 'log'))
console.log(
  `on the disk: log ${(onDisk / 1e6).toFixed(1)} MB; index ${(sizeOf(join(scratch, 'index')) / 1e6).toFixed(1)} MB, with the envelopes`,
)
judge('bytes of the log an entry, besides the entry itself', (onDisk - bytes) / count, '<=', 40)

/** Times in seconds. */
async function fill(): Promise<{ readonly bytes: number; readonly keeping: number; readonly noting: number }> {
  const index = await openLevelIndex(join(scratch, 'index'))
  const log = await openSequencer({ index, files: openTreeFiles(join(scratch, 'log')) })
  let keeping = 0
  let noting = 0
  let sum = 0
  const write = async (changes: readonly Change[]): Promise<number> => {
    const started = performance.now()
    await index.write(changes, { durable: true })
    return (performance.now() - started) / 1000
  }
  for (let i = 0; i < count; ) {
    const evidence: Change[] = []
    const notes: Change[] = []
    for (let k = 0; k < 100 && i < count; k++, i++) {
      const { digest, bytes: entry } = lookalike(`entry ${i}`)
      sum += entry.length
      const record = `attestation/${digest}`
      evidence.push({ kind: 'put', key: record, value: entry })
      notes.push(log.pending({ digest, record }))
    }
    keeping += await write(evidence)
    noting += await write(notes)
  }
  await index.close()
  return { bytes: sum, keeping, noting }
}

/** Of the files below, as they are on the disk. */
function sizeOf(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .reduce((sum, one) => sum + statSync(join(one.parentPath, one.name)).size, 0)
}
