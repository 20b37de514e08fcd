// `npm run bench:startup`: how long commands take that only look, as a ratio to `node -e 0`: `install` with nothing to do, `list`, `show`
// and `path`, when they are asked again and nothing has changed. The limit is 1.8. What they take when they are asked for the first
// time is told too, and what they take with two channels more, one of them a directory that is read as it is. Runs alternate (A B A B) and medians are compared, so that a busy machine slows both.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { compileAbl } from '../bootstrap/abl/reference.ts'
import { removeDirectory } from '../store/remove-directory.ts'

const limit = 1.8
const rounds = 41
const house = join(import.meta.dirname, '..')
const launcher = join(house, 'abnpkg')

type Contender = {
  readonly name: string
  readonly argv: readonly string[]
  readonly times: number[]
  readonly limit?: number
  readonly env?: NodeJS.ProcessEnv
}

const directory = mkdtempSync(join(tmpdir(), 'abn-bench-'))
const root = join(directory, 'root')
const env = { ...process.env, HOME: directory, ABNPKG_ROOT: root, ABNPKG_CHANNEL: makeChannel() }
try {
  run([launcher, 'install', 'greet'])
  // Files that were changed less than two seconds ago are never taken for unchanged.
  await delay(2100)
  const base: Contender = { name: 'node -e 0', argv: [process.execPath, '-e', '0'], times: [] }
  const again = ['install greet', 'list', 'show greet', 'path greet'].map((line) => contender(line))
  compare([base, ...again.map((each) => ({ ...each, limit }))], { rounds })
  const withChannels = makeChannels()
  run([launcher, 'install', 'greet'], withChannels)
  await delay(2100)
  const those = ['install greet', 'install pear', 'search pear'].map((line) => ({
    ...contender(line),
    limit,
    env: withChannels,
  }))
  process.stdout.write('with two channels:\n')
  compare([{ ...base, times: [] }, ...those], { rounds: rounds >> 1 })
  const first = ['install greet', 'list', 'show greet', 'path greet', 'search greet', '--version']
  process.stdout.write('the first time:\n')
  compare([{ ...base, times: [] }, ...first.map(contender)], { rounds: rounds >> 1, before: forget })
} finally {
  removeDirectory(directory)
}

function contender(line: string): Contender {
  return { name: `abnpkg ${line}`, argv: [launcher, ...line.split(' ')], times: [] }
}

function forget(): void {
  rmSync(join(root, 'var/cache/answers'), { recursive: true, force: true })
}

/** The first one is what the others are compared with. A first round is not counted. */
function compare(
  contenders: readonly Contender[],
  { rounds, before }: { readonly rounds: number; readonly before?: () => void },
): void {
  for (let round = -1; round < rounds; round++) {
    for (const { argv, times, env: own } of contenders) {
      before?.()
      const seconds = run(argv, own)
      if (round >= 0) times.push(seconds)
    }
  }
  for (const { name, times, limit } of contenders) {
    const ratio = median(times) / median(contenders[0]?.times ?? [])
    const verdict = limit === undefined ? '' : `  limit ${limit}: ${ratio <= limit ? 'held' : 'MISSED'}`
    const shown = `${(median(times) * 1000).toFixed(1).padStart(6)} ms  ${ratio.toFixed(2)} ×`
    process.stdout.write(`${name.padEnd(22)} ${shown}${verdict}\n`)
    if (limit !== undefined && ratio > limit) process.exitCode = 1
  }
}

/** The channel of the tests, whose packages build in no time, and all of our own recipes beside it. */
function makeChannel(): string {
  const channel = join(directory, 'channel')
  const support = join(house, 'test/_support')
  for (const part of ['recipes', 'bootstrap']) cpSync(join(house, part), join(channel, part), { recursive: true })
  cpSync(join(support, 'channel'), channel, { recursive: true })
  mkdirSync(join(channel, 'recipes/files'), { recursive: true })
  const tool = compileAbl([readFileSync(join(support, 'tool.abl'), 'utf8')])
  writeFileSync(join(channel, 'recipes/files/tool'), tool, { mode: 0o755 })
  return channel
}

/** Another home, with two channels configured and a package of each installed. */
function makeChannels(): NodeJS.ProcessEnv {
  const own = { ...env, HOME: join(directory, 'home'), ABNPKG_ROOT: join(directory, 'root-with-channels') }
  mkdirSync(own.HOME)
  const [followed, live] = ['pear', 'plum'].map((fruit) => {
    const channel = join(directory, fruit)
    mkdirSync(join(channel, 'recipes/packages'), { recursive: true })
    const build = `steps({ directories: [\`\${out}/share\`], steps: [['tool', 'write', \`\${out}/share/${fruit}\`, 'x']] })`
    writeFileSync(
      join(channel, `recipes/packages/${fruit}.ts`),
      [
        "import { out, recipe, steps } from 'abnpkg'",
        "import { tool } from 'abnpkg/tool.ts'",
        `const build = ${build}`,
        `export const ${fruit} = recipe({ name: '${fruit}', version: '1', summary: 'x', license: 'MIT', tools: [tool], build })`,
      ].join('\n'),
    )
    return channel
  })
  const git = [
    'git',
    '-C',
    followed ?? '',
    '-c',
    'user.name=a',
    '-c',
    'user.email=a@example.org',
    '-c',
    'commit.gpgsign=false',
  ]
  for (const words of ['init -q -b main', 'add .', 'commit -q -m first']) run([...git, ...words.split(' ')], own)
  run([launcher, 'channel', 'add', 'pears', followed ?? '', '--unsigned'], own)
  run([launcher, 'channel', 'add', 'plums', live ?? '', '--live'], own)
  run([launcher, 'install', 'pear', 'plum'], own)
  return own
}

function run([program = '', ...args]: readonly string[], own: NodeJS.ProcessEnv = env): number {
  const start = performance.now()
  const { status, stderr } = spawnSync(program, args, { env: own, encoding: 'utf8' })
  const seconds = (performance.now() - start) / 1000
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed:\n${stderr}`)
  return seconds
}

function median(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
