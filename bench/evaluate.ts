// `npm run bench:evaluate [-- RECIPES]`: evaluating 10,000 generated recipes cold (nothing remembered), with one of them changed, and
// with nothing changed; `abnpkg search` over them, with another word each time. Each in a process of its own; medians. Cold, a
// second and third time with all of them written so that they have to be interpreted, to see what that costs: no limit.
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { evaluate } from '../builder/evaluate/evaluate.ts'
import { layoutVersion } from '../store/layout.ts'
import { generateChannel, pathOf } from './generated-channel.ts'

const ROUNDS = 5
const channelOf = (directory: string) => ({ name: 'abnpkg', directory, modules: 'recipes/packages' })
const [role = '', ...words] = process.argv.slice(2)
if (role === 'child') await child(words[0] ?? '', words[1] ?? '')
else await main(Number(role || 10_000))

/** Prints how long it took. */
async function child(channel: string, cacheDirectory: string): Promise<void> {
  const start = performance.now()
  const { broken } = await evaluate([channelOf(channel)], { cacheDirectory })
  if (broken.length > 0) throw new Error(JSON.stringify(broken[0]))
  process.stdout.write(String(performance.now() - start))
}

async function main(count: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'abn-bench-'))
  try {
    const channel = join(directory, 'channel')
    generateChannel(channel, count)
    const root = join(directory, 'root')
    const cache = join(root, 'var/cache/evaluations')
    mkdirSync(join(root, 'var'), { recursive: true })
    writeFileSync(join(root, 'var/version'), `${layoutVersion}\n`)
    const module = (i: number) => join(channel, 'recipes/packages', pathOf(i))
    print(`${count} recipes on ${availableParallelism()} cores; node -e 0 takes ${node().toFixed(0)} ms`)

    const cold = times(() => {
      rmSync(cache, { recursive: true, force: true })
      return evaluated(channel, cache)
    })
    report('cold', cold, 1000)
    const changed = times((round) => {
      appendFileSync(module(round), '\n')
      return evaluated(channel, cache)
    })
    report('one changed', changed)
    // Files that were changed less than two seconds ago are never taken for unchanged.
    await delay(2100)
    evaluated(channel, cache)
    report(
      'nothing changed',
      times(() => evaluated(channel, cache)),
      50,
    )
    const abnpkg = join(import.meta.dirname, '../abnpkg')
    const env = { ...process.env, ABNPKG_ROOT: root, ABNPKG_CHANNEL: channel }
    report(
      'abnpkg search',
      times((round) => run([abnpkg, 'search', `word${round + 10}`], env).milliseconds),
      100,
    )
    for (let i = 0; i < count; i++) writeFileSync(module(i), `${readFileSync(module(i), 'utf8')}\n;[].length\n`)
    const interpreted = times(() => {
      rmSync(cache, { recursive: true, force: true })
      return evaluated(channel, cache)
    }, 2)
    report('cold, all of them interpreted', interpreted)
    nix(directory, count)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function evaluated(channel: string, cache: string): number {
  // As the launcher does it.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(import.meta.dirname, '../node_modules/.cache/compile') }
  return Number(run([process.execPath, import.meta.filename, 'child', channel, cache], env).stdout)
}

function node(): number {
  return median(times(() => run([process.execPath, '-e', '0']).milliseconds))
}

/** As many derivations in the Nix language, where it is installed: it has to make their hashes too. No limit. */
function nix(directory: string, count: number): void {
  if (spawnSync('nix-instantiate', ['--version']).status !== 0) {
    print('nix-instantiate is not installed, and not compared with')
    return
  }
  const file = join(directory, 'all.nix')
  const one = `{ name = "p\${toString i}"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "make \${toString i}" ]; }`
  writeFileSync(file, `map (d: d.drvPath) (builtins.genList (i: derivation ${one}) ${count})\n`)
  const env = { ...process.env, NIX_STATE_DIR: join(directory, 'nix'), NIX_STORE_DIR: join(directory, 'nix-store') }
  const argv = ['nix-instantiate', '--eval', '--strict', '--readonly-mode', file]
  report(
    'nix-instantiate, as many derivations from one file',
    times(() => run(argv, env).milliseconds, 3),
  )
}

function report(name: string, milliseconds: readonly number[], limit?: number): void {
  const all = milliseconds.map((each) => each.toFixed(0)).join(', ')
  const isHeld = limit === undefined || median(milliseconds) <= limit
  const verdict = limit === undefined ? '' : `, limit ${limit} ms: ${isHeld ? 'held' : 'MISSED'}`
  print(`${name.padEnd(30)} ${median(milliseconds).toFixed(0).padStart(6)} ms (${all})${verdict}`)
  if (!isHeld) process.exitCode = 1
}

function times(measure: (round: number) => number, rounds = ROUNDS): readonly number[] {
  return Array.from({ length: rounds }, (_, round) => measure(round))
}

function run([program = '', ...args]: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const start = performance.now()
  const { status, stdout, stderr } = spawnSync(program, args, { env, encoding: 'utf8', maxBuffer: 1 << 30 })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed:\n${stderr}`)
  return { stdout, milliseconds: performance.now() - start }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
