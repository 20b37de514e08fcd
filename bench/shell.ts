// How long `shell` takes with 50 packages that are in the store, beside `node -e 0`: as it is, pure, and in a container. The limit is
// 100 ms where node takes 33 ms; one command of one package is measured too.
//
//   npm run bench:shell [-- ROUNDS]
//
// The packages are made first, in a store of its own. Runs alternate and medians are compared, so that a busy machine slows all.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileAbl } from '../bootstrap/abl/reference.ts'
import { removeDirectory } from '../store/remove-directory.ts'

const limit = 100 / 33
const count = 50
const rounds = Number(process.argv[2] ?? 31)
const launcher = join(import.meta.dirname, '../abnpkg')

type Contender = { readonly name: string; readonly argv: readonly string[]; readonly times: number[] }

const smallRecipe = `import { local, out, recipe, steps } from 'abnpkg'
const small = (name: string) =>
  recipe({
    name, version: '1', summary: 'one of many', license: 'MPL-2.0',
    source: local('recipes/files/tool', { executable: true }),
    build: steps({
      directories: ['bin', 'share/man/man1', 'include', 'lib/pkgconfig'].map((each) => out + '/' + each),
      steps: [['/build/tool', out + '/bin/' + name, out + '/share/man/man1/' + name + '.1', out + '/include/' + name + '.h']],
    }),
  })
`

/** Copies itself to the first argument and makes empty files of the others; without arguments it does nothing. */
const tool = `
asm syscall(number, a, b, c) {
  48 8B 44 24 20  # mov rax,[rsp+32]
  48 8B 7C 24 18  # mov rdi,[rsp+24]
  48 8B 74 24 10  # mov rsi,[rsp+16]
  48 8B 54 24 08  # mov rdx,[rsp+8]
  0F 05           # syscall
  C3              # ret
}
var buffer[1024];
fn main(argc, argv) {
  if (argc < 2) return 0;
  var from = syscall(2, "tool", 0, 0);
  var to = syscall(2, argv[1], 0x41, 0x1ed);
  var got = syscall(0, from, buffer, 8192);
  while (got > 0) { syscall(1, to, buffer, got); got = syscall(0, from, buffer, 8192); }
  var i = 2;
  while (i < argc) { if (syscall(2, argv[i], 0x41, 0x1a4) < 0) return 1; i = i + 1; }
  return 0;
}
`

const directory = mkdtempSync(join(tmpdir(), 'abnpkg-bench-'))
const env = {
  PATH: process.env.PATH,
  HOME: directory,
  ABNPKG_ROOT: join(directory, 'root'),
  ABNPKG_CHANNEL: join(directory, 'channel'),
}
try {
  mkdirSync(join(directory, 'desk'))
  writeChannel(join(directory, 'channel'))
  const names = Array.from({ length: count }, (_, index) => `package${index}`)
  run([launcher, 'build', ...names])
  const contenders: Contender[] = [
    contender('node -e 0', [process.execPath, '-e', '0']),
    contender(`shell, ${count} packages`, [launcher, 'shell', ...names, '--', 'package7']),
    contender(`shell --pure, ${count} packages`, [launcher, 'shell', '--pure', ...names, '--', 'package7']),
    contender(`shell --container, ${count} packages`, [launcher, 'shell', '--container', ...names, '--', 'package7']),
    contender('shell, 1 package', [launcher, 'shell', 'package7', '--', 'package7']),
    contender('run', [launcher, 'run', 'package7']),
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
    console.log(`${name.padEnd(32)} ${(median(times) * 1000).toFixed(1).padStart(6)} ms  ${ratio.toFixed(2)} ×`)
  }
  const ratio = median(contenders[1]?.times ?? []) / base
  const verdict = ratio <= limit ? 'held' : 'MISSED'
  console.log(`shell with ${count} packages: ${ratio.toFixed(2)} × node -e 0, limit ${limit.toFixed(2)}: ${verdict}`)
  if (ratio > limit) process.exitCode = 1
} finally {
  removeDirectory(directory)
}

/** Packages with a program, a manual page and a header, made by a program that copies itself and writes small files. */
function writeChannel(channel: string): void {
  mkdirSync(join(channel, 'recipes/packages'), { recursive: true })
  mkdirSync(join(channel, 'recipes/files'))
  writeFileSync(join(channel, 'recipes/files/tool'), compileAbl([tool]), { mode: 0o755 })
  const recipes = Array.from(
    { length: count },
    (_, index) => `export const package${index} = small('package${index}')\n`,
  )
  writeFileSync(join(channel, 'recipes/packages/small.ts'), `${smallRecipe}${recipes.join('')}`)
}

function contender(name: string, argv: readonly string[]): Contender {
  return { name, argv, times: [] }
}

function run(argv: readonly string[]): number {
  const [program = '', ...args] = argv
  const start = performance.now()
  const { status, stderr } = spawnSync(program, args, { env, cwd: join(directory, 'desk'), encoding: 'utf8' })
  const seconds = (performance.now() - start) / 1000
  if (status !== 0) throw new Error(`${argv.join(' ')} failed:\n${stderr}`)
  return seconds
}

function median(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
