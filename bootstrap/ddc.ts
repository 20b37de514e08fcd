/**
 * Diverse double-compiling (David A. Wheeler, 2009): is the tcc that grows from the seed what its source says?
 *
 * Two compilers that have nothing in common compile tcc: our cc, made from the seed, and this machine's gcc. The two tccs
 * differ in every byte, but what *they* compile must be the same to the last bit: tcc once more, all of musl, and tcc
 * with that musl. A difference means that our compiler, our libc, tcc itself or gcc is wrong, or has been tampered with.
 *
 * `npm run bootstrap:ddc` is cli/bootstrap-ddc.ts, which downloads the sources and shows the verdict. Needs gcc, tar, patch
 * and sed.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { runLadder } from './ladder.ts'
import { tccByTcc, tccWithMusl } from './tcc/commands.ts'

/** What it compiles; `urls` as in a recipe. */
export const ddcSources = {
  tcc: {
    file: 'tcc_0.9.27+git20200814.62c30a4a.orig.tar.bz2',
    sha256: 'd63c113bcdd657f51c8ee197a0b0a24203603313e19a52b5f678d40ab7f5df35',
    urls: ['mirror://debian/pool/main/t/tcc/tcc_0.9.27+git20200814.62c30a4a.orig.tar.bz2'],
    strip: 0,
    patch: 'recipes/patches/tcc.patch',
  },
  musl: {
    file: 'musl_1.2.3.orig.tar.gz',
    sha256: '7d5b0b6062521e4627e099e4c9dc8248d32a30285e959b7eecaa780cf8cfd4a4',
    urls: ['mirror://debian/pool/main/m/musl/musl_1.2.3.orig.tar.gz'],
    strip: 1,
    patch: 'recipes/patches/musl.patch',
  },
} as const

/** SHA-256 of what each of the two tccs made. */
export type Comparison = { readonly what: string; readonly bySeedTcc: string; readonly byGccTcc: string }

export type Verdict = {
  readonly same: boolean
  readonly comparisons: readonly Comparison[]
  /** SHA-256 of tcc compiled by tcc compiled by … with musl: all must be equal. */
  readonly generations: readonly string[]
}

export type DdcOptions = {
  /** Paths of the two tarballs. */
  readonly tarballs: Readonly<Record<keyof typeof ddcSources, string>>
  /** An empty directory to work in. */
  readonly directory: string
  readonly report?: (line: string) => void
}

const here = fileURLToPath(new URL('.', import.meta.url))
const run = promisify(execFile)

/** Carries out the whole comparison. Throws where a step fails; a difference is not an error but in the verdict. */
export async function diverseDoubleCompile({ tarballs, directory, report = () => {} }: DdcOptions): Promise<Verdict> {
  const tccSource = join(directory, 'tcc-source')
  await unpack('tcc', tarballs.tcc, tccSource)
  writeFileSync(join(tccSource, 'config.h'), '')
  const seedTcc = await tccFromSeed(tccSource, join(directory, 'from-seed'))
  report(`compiler   ${digest(seedTcc)}  tcc from the seed`)
  const gccTcc = await tccFromGcc(tccSource, join(directory, 'from-gcc'))
  report(`compiler   ${digest(gccTcc)}  tcc from gcc`)

  const comparisons: Comparison[] = []
  const compare = (what: string, file: string) => {
    const [bySeedTcc = '', byGccTcc = ''] = branches.map(({ out }) => digest(join(out, file)))
    comparisons.push({ what, bySeedTcc, byGccTcc })
    const both = bySeedTcc === byGccTcc ? `same       ${bySeedTcc}` : `DIFFERENT  ${bySeedTcc} ${byGccTcc}`
    report(`${both}  ${what}`)
  }

  const branches = [
    { tcc: seedTcc, out: join(directory, 'by-seed-tcc') },
    { tcc: gccTcc, out: join(directory, 'by-gcc-tcc') },
  ] as const
  for (const { tcc, out } of branches) {
    mkdirSync(out)
    await runIn(here, tccByTcc({ compiler: tcc, tccSource, output: join(out, 'tcc') }))
    await buildMusl(tcc, tarballs.musl, tccSource, join(out, 'musl'))
    await runIn(tccSource, tccWithMusl({ compiler: tcc, output: join(out, 'tcc-musl'), musl: join(out, 'musl') }))
  }
  compare('tcc with our libc', 'tcc')
  compare("musl's libc.a", 'musl/lib/libc.a')
  compare("musl's crt1.o", 'musl/lib/crt1.o')
  compare('tcc with musl', 'tcc-musl')

  const { out } = branches[0]
  const first = join(out, 'tcc-musl')
  const generations = [digest(first)]
  for (let compiler = first; generations.length < 3; ) {
    const output = join(out, `tcc-musl-${generations.length + 1}`)
    await runIn(tccSource, tccWithMusl({ compiler, output, musl: join(out, 'musl') }))
    generations.push(digest(output))
    compiler = output
  }
  const isFixpoint = generations.every((generation) => generation === generations[0])
  report(`${isFixpoint ? 'same      ' : 'DIFFERENT '} ${generations.at(-1)}  tcc with musl, by itself, by itself`)
  const same = isFixpoint && comparisons.every(({ bySeedTcc, byGccTcc }) => bySeedTcc === byGccTcc)
  return { same, comparisons, generations }
}

/** The program made by cc, from the seed up: tcc's first life, in which no tcc has had a hand. */
async function tccFromSeed(tccSource: string, outDir: string): Promise<string> {
  const rungs = await runLadder({ outDir, through: 'tcc-by-cc', directories: { 'tcc-source': tccSource } })
  const path = rungs.at(-1)?.path
  assert(path !== undefined)
  return path
}

/** The program made by this machine's gcc, with this machine's C library: nothing of ours is in it. */
async function tccFromGcc(tccSource: string, outDir: string): Promise<string> {
  mkdirSync(outDir)
  const output = join(outDir, 'tcc')
  const defines = ['-DTCC_TARGET_X86_64=1', '-DTCC_MUSL=1', '-DCONFIG_TCC_STATIC=1', '-DTCC_VERSION="0.9.27"']
  await runIn(tccSource, ['gcc', '-w', '-O1', ...defines, '-o', output, 'tcc.c'])
  return output
}

/**
 * musl's static library for x86-64, by musl's Makefile's rule: a file in an x86_64 directory replaces the C file of the
 * same name, except where it is inline assembly that tcc does not understand. Without src/complex: tcc has no _Complex.
 */
async function buildMusl(tcc: string, tarball: string, tccSource: string, out: string): Promise<void> {
  const source = join(out, 'source')
  await unpack('musl', tarball, source)
  const include = join(out, 'include')
  cpSync(join(source, 'include'), include, { recursive: true })
  for (const bits of ['arch/generic/bits', 'arch/x86_64/bits'])
    cpSync(join(source, bits), join(include, 'bits'), { recursive: true })
  const alltypes = ['sed', '-f', 'tools/mkalltypes.sed', 'arch/x86_64/bits/alltypes.h.in', 'include/alltypes.h.in']
  writeFileSync(join(include, 'bits/alltypes.h'), await runIn(source, alltypes))
  const calls = readFileSync(join(source, 'arch/x86_64/bits/syscall.h.in'), 'utf8')
  writeFileSync(join(include, 'bits/syscall.h'), calls + calls.replaceAll('__NR_', 'SYS_'))
  writeFileSync(join(source, 'src/internal/version.h'), '#define VERSION "1.2.3"\n')

  const searched = ['arch/x86_64', 'arch/generic', 'src/include', 'src/internal'].map((d) => `-I${join(source, d)}`)
  const compile = [tcc, '-nostdinc', '-w', '-std=c99', '-D_XOPEN_SOURCE=700', ...searched, `-I${include}`, '-c']
  const objects: string[] = []
  for (const [directory, names] of muslFiles(source)) {
    await runIn(join(source, directory), [...compile, ...names])
    objects.push(...names.map((name) => join(directory, name.replace(/\.[^.]*$/, '.o'))))
  }
  const runtime = ['libtcc1.c', 'va_list.c', 'alloca86_64.S', 'alloca86_64-bt.S']
  cpSync(join(tccSource, 'lib'), join(source, 'tcc-lib'), { recursive: true })
  await runIn(join(source, 'tcc-lib'), [tcc, '-nostdinc', `-I${join(tccSource, 'include')}`, '-c', ...runtime])
  objects.push(...runtime.map((name) => join('tcc-lib', name.replace(/\.[^.]*$/, '.o'))))
  mkdirSync(join(out, 'lib'))
  await runIn(source, [tcc, '-ar', 'rcs', join(out, 'lib/libc.a'), ...objects])
  await runIn(join(source, 'crt'), [...compile, 'crt1.c', '-o', join(out, 'lib/crt1.o')])
}

/** Pairs of a directory and the names of its files to compile, sorted. */
function muslFiles(source: string): [string, string[]][] {
  const directories = readdirSync(join(source, 'src')).filter((name) => name !== 'complex')
  return [...directories, 'malloc/mallocng'].toSorted().flatMap((name): [string, string[]][] => {
    const generic = `src/${name}`
    const special = `${generic}/x86_64`
    const replacing = (existsSync(join(source, special)) ? sourcesIn(join(source, special)) : []).filter(
      (file) => file === 'sqrtl.c' || !((name === 'math' && /\.c$|^expl\.s$/.test(file)) || name === 'fenv'),
    )
    const replaced = new Set(replacing.map((file) => file.replace(/\.[^.]*$/, '')))
    const kept = sourcesIn(join(source, generic)).filter((file) => !replaced.has(file.replace(/\.[^.]*$/, '')))
    const pairs: [string, string[]][] = [
      [generic, kept],
      [special, replacing],
    ]
    return pairs.filter(([, names]) => names.length > 0)
  })
}

const sourcesIn = (directory: string) =>
  readdirSync(directory)
    .filter((name) => /\.[csS]$/.test(name))
    .toSorted()

async function unpack(name: keyof typeof ddcSources, tarball: string, to: string): Promise<void> {
  const { sha256, strip, patch } = ddcSources[name]
  assert.equal(digest(tarball), sha256, `${tarball} is not ${ddcSources[name].file}`)
  mkdirSync(to, { recursive: true })
  await run('tar', ['-xf', tarball, '-C', to, `--strip-components=${strip}`, '--no-same-owner'])
  await run('patch', ['-p1', '-s', '-d', to, '-i', join(here, '..', patch)])
}

async function runIn(cwd: string, [program, ...args]: readonly string[]): Promise<string> {
  assert(program !== undefined)
  return (await run(program, args, { cwd, maxBuffer: 1 << 24 })).stdout
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}
