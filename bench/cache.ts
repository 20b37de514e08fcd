// What the cache server can do, beside other servers in the same run.
//
//   node bench/cache.ts [reads] [writes] [lookups] [--statements N | --million]
//
// reads: archives of several sizes, as a ratio to nginx where it is installed (limit 0.5) and beside a plain node:http server.
// writes: statements accepted per second in requests of 100 (limit 2,000) and of 1. lookups: latency of one recipe among N
// statements (default 50,000; --million takes some minutes to fill) and the server's memory (limits 2 ms, 300 MB).
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { lookups } from './cache/lookups.ts'
import { reads } from './cache/reads.ts'
import { writes } from './cache/writes.ts'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { statements: { type: 'string', default: '50000' }, million: { type: 'boolean' } },
})
const chosen = positionals.length === 0 ? ['reads', 'writes', 'lookups'] : positionals
const statements = values.million === true ? 1_000_000 : Number(values.statements)
const scratch = mkdtempSync(join(tmpdir(), 'abn-bench-cache-'))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))

// Whatever hangs, this does not.
const minutes = 5 + statements / 50_000
setTimeout(() => {
  console.error(`given up after ${minutes} minutes`)
  process.exit(1)
}, minutes * 60_000).unref()

if (chosen.includes('reads')) await reads(scratch)
if (chosen.includes('writes')) await writes(scratch)
if (chosen.includes('lookups')) await lookups(scratch, statements)
