// `npm run bench:gc [-- ITEMS] [--rounds N]`: collecting a store of 1,000 items of which no root leads to any, as the whole command from its
// start to its end, beside `rm -rf` of the same. Every run has a file system of its own where root runs this; contenders alternate,
// a first round is not counted, medians are compared.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fillStore } from './store-items.ts'
import { canMount, freshGround } from './substitute/ground.ts'

const LIMIT = 1.05
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '5' } },
})
const items = Number(positionals[0] ?? 1000)
const scratch = mkdtempSync(join(tmpdir(), 'abn-bench-'))
const launcher = join(import.meta.dirname, '../abnpkg')

type Contender = { readonly name: string; readonly run: (root: string) => void; readonly seconds: number[] }
const contenders: readonly Contender[] = [
  { name: 'abnpkg gc', run: (root) => run(launcher, ['gc', '--root', root]), seconds: [] },
  { name: 'rm -rf', run: (root) => removeByRm(root), seconds: [] },
]

try {
  const mount = canMount(scratch)
  let shape = ''
  for (let round = -1; round < Number(values.rounds); round++) {
    for (const contender of contenders) {
      using ground = freshGround(scratch, { mount, megabytes: items * 8 + 200 })
      const root = join(ground.directory, 'root')
      const filled = fillStore(root, items)
      shape = `${filled.items} items, ${filled.files} files, ${Math.round(filled.bytes / 1e6)} MB`
      execFileSync('sync')
      const started = performance.now()
      contender.run(root)
      const seconds = (performance.now() - started) / 1000
      if (readdirSync(join(root, 'store')).length > 0) throw new Error(`${contender.name} left items`)
      if (round >= 0) contender.seconds.push(seconds)
    }
  }
  print(`${shape}; ${mount ? 'each run on a new ext4 file system' : 'each run in a new directory'}`)
  for (const { name, seconds } of contenders) {
    print(`  ${name.padEnd(10)} ${median(seconds).toFixed(2)} s  (${seconds.map((one) => one.toFixed(2)).join(' ')})`)
  }
  const [ours, theirs] = contenders.map(({ seconds }) => median(seconds))
  const ratio = (ours ?? 0) / (theirs ?? 1)
  print(`  ratio ${ratio.toFixed(2)}, limit ${LIMIT}: ${ratio <= LIMIT ? 'holds' : 'DOES NOT HOLD'}`)
  if (ratio > LIMIT) process.exitCode = 1
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

/** rm as an ordinary user cannot empty a read-only directory. */
function removeByRm(root: string): void {
  const places = ['store', 'var/items'].map((name) => join(root, name))
  const writable = process.geteuid?.() === 0 ? '' : 'chmod -R u+w "$@" && '
  run('sh', ['-c', `${writable}cd "$1" && rm -rf -- * && cd "$2" && rm -rf -- *`, 'sh', ...places])
}

function run(command: string, args: readonly string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
