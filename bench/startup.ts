// How long `install` takes when there is nothing to do, as a ratio to `node -e 0`. The limit is 2.
//
//   npm run bench:startup [-- ROOT]    ROOT is a store in which hello is installed; without it one is made first
//
// Runs alternate (A B A B) and medians are compared, so that a busy machine slows both.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const limit = 2
const rounds = 41
const house = join(import.meta.dirname, '..')
const launcher = join(house, 'abnpkg')

type Contender = { readonly name: string; readonly argv: readonly string[]; readonly times: number[] }

const given = process.argv[2]
const root = given ?? mkdtempSync(join(tmpdir(), 'abnpkg-startup-'))
try {
  run([launcher, 'install', 'hello'])
  const contenders: Contender[] = [
    { name: 'node -e 0', argv: [process.execPath, '-e', '0'], times: [] },
    ...['install hello', 'list', 'path hello', 'show hello', 'search hello'].map((command) => ({
      name: `abnpkg ${command}`,
      argv: [launcher, ...command.split(' ')],
      times: [],
    })),
  ]
  for (let round = -2; round < rounds; round++) {
    for (const { argv, times } of contenders) {
      const seconds = run(argv)
      if (round >= 0) times.push(seconds)
    }
  }
  const base = median(contenders[0]?.times ?? [])
  for (const { name, times } of contenders) {
    const ratio = median(times) / base
    console.log(`${name.padEnd(22)} ${(median(times) * 1000).toFixed(1).padStart(6)} ms  ${ratio.toFixed(2)} ×`)
  }
  const ratio = median(contenders[1]?.times ?? []) / base
  console.log(
    `install with nothing to do: ${ratio.toFixed(2)} × node -e 0, limit ${limit}: ${ratio <= limit ? 'held' : 'MISSED'}`,
  )
  if (ratio > limit) process.exitCode = 1
} finally {
  if (given === undefined) rmSync(root, { recursive: true, force: true })
}

function run(argv: readonly string[]): number {
  const [program = '', ...args] = argv
  const start = performance.now()
  const { status, stderr } = spawnSync(program, args, { env: { ...process.env, ABNPKG_ROOT: root }, encoding: 'utf8' })
  const seconds = (performance.now() - start) / 1000
  if (status !== 0) throw new Error(`${argv.join(' ')} failed:\n${stderr}`)
  return seconds
}

function median(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
