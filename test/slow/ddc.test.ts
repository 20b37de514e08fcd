// The whole diverse double-compilation, with real sources; cc compared with gcc on random programs. Both need gcc.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import fc from 'fast-check'
import { compileAbl } from '../../bootstrap/abl/reference.ts'
import { diverseDoubleCompile } from '../../bootstrap/ddc.ts'
import { ccModules } from '../../bootstrap/tcc/commands.ts'
import { ddcTarballs } from '../../cli/bootstrap-ddc.ts'
import { randomC } from './_support/random-c.ts'

const hasGcc = spawnSync('gcc', ['--version']).status === 0
const withGcc = hasGcc ? test : test.skip
const house = fileURLToPath(new URL('../../', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'abnpkg-slow-ddc-'))
test.after.always(() => rmSync(directory, { recursive: true, force: true }))

withGcc('tcc from the seed and tcc from gcc make the same bits', async (t) => {
  const tarballs = await ddcTarballs(process.env.ABNPKG_SOURCE_CACHE ?? join(directory, 'sources'))
  const work = join(directory, 'ddc')
  mkdirSync(work)
  const verdict = await diverseDoubleCompile({ tarballs, directory: work, report: (line) => t.log(line) })
  t.true(verdict.same)
  for (const { what, bySeedTcc, byGccTcc } of verdict.comparisons) t.is(bySeedTcc, byGccTcc, what)
  t.is(verdict.comparisons.length, 4)
  t.deepEqual(new Set(verdict.generations).size, 1)
})

/** What a C file prints when cc compiles it, and when gcc does. */
function printedByBoth(cc: string, source: string): { cc: string; gcc: string } {
  const libc = join(house, 'bootstrap/libc')
  const [mine, theirs] = [join(directory, 'mine'), join(directory, 'theirs')]
  execFileSync(cc, [`-I${libc}/include`, mine, join(libc, 'libc.c'), source])
  execFileSync('gcc', ['-w', '-fwrapv', '-O0', '-ffp-contract=off', '-o', theirs, source])
  const run = (program: string) => {
    const { status, stdout } = spawnSync(program, [], { cwd: directory, encoding: 'latin1', env: {} })
    return `${stdout}status ${status}`
  }
  return { cc: run(mine), gcc: run(theirs) }
}

function builtCc(): string {
  const cc = join(directory, 'cc')
  const modules = ccModules.map((path) => readFileSync(join(house, 'bootstrap', path), 'latin1'))
  writeFileSync(cc, compileAbl(modules), { mode: 0o755 })
  return cc
}

withGcc('the expected output of the cases of cc is what gcc makes of them', (t) => {
  const cc = builtCc()
  const cases = join(house, 'bootstrap/cc/cases')
  for (const name of readdirSync(cases).filter((file) => file.endsWith('.c'))) {
    const printed = printedByBoth(cc, join(cases, name))
    t.is(printed.cc, printed.gcc, name)
    t.is(printed.gcc, `${readFileSync(join(cases, name.replace(/\.c$/, '.expected')), 'latin1')}status 0`, name)
  }
})

withGcc('random programs print the same, compiled by cc and by gcc', (t) => {
  t.timeout(10 * 60 * 1000)
  const cc = builtCc()
  const source = join(directory, 'random.c')
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
      writeFileSync(source, randomC(seed))
      const printed = printedByBoth(cc, source)
      t.is(printed.cc, printed.gcc, `seed ${seed}`)
    }),
    { numRuns: 100 },
  )
})
