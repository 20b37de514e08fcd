// The directory of `develop`: made whole or not at all, gone on with, and never a way out for what hostile sources leave in it.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { commandsOf, phasesOf } from '../../../builder/environment/commands.ts'
import { openWorkbench, type WorkbenchOptions } from '../../../builder/environment/workbench.ts'
import type { Derivation } from '../../../format/derivation.ts'
import { parseSha256, type Sha256 } from '../../../format/hash.ts'
import { parseStorePath } from '../../../format/store-path.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

const shell = '/abn/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-sh-1/bin/sh'
const out = parseStorePath('/abn/store/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-example-1')
const outputs = new Map([['out', out]])

const script = ['configure', 'build', 'install']
  .map((phase) => `phase_${phase}() (\n  echo ${phase} @{out}\n)`)
  .join('\n\n')

type Given = { readonly source: string }

/** A package of one plain file, and where its sources are. */
function example(directory: string, { source }: Given) {
  const files = new Map<Sha256, string>()
  const add = (content: string): Sha256 => {
    const sha256 = parseSha256(createHash('sha256').update(content).digest('hex'))
    writeFileSync(join(directory, sha256), content)
    files.set(sha256, join(directory, sha256))
    return sha256
  }
  const derivation: Derivation = {
    name: 'example',
    version: '1',
    system: 'x86_64-linux',
    outputs: ['out'],
    inputs: [],
    sources: [
      {
        to: 'hello.txt',
        sha256: add(source),
        unpack: { kind: 'file', executable: false },
        patches: [],
      },
    ],
    directories: ['@{out}/bin'],
    files: [{ path: '.abn/build.sh', text: script, executable: false }],
    links: [],
    env: {},
    steps: [{ args: [shell, '.abn/build.sh'], cwd: '/build', env: {}, parallel: false }],
  }
  let asked = 0
  const options = (place: string, until: 'unpack' | 'patch' = 'patch'): WorkbenchOptions => ({
    directory: place,
    outputs,
    files: async () => {
      asked++
      return files
    },
    until,
    signal: new AbortController().signal,
  })
  return { derivation, options, asked: () => asked }
}

test('sources are unpacked once, and what is done to them stays', async (t) => {
  const directory = temporaryDirectory(t)
  const place = join(directory, 'work')
  const { derivation, options, asked } = example(directory, { source: 'hello\n' })
  const first = await openWorkbench(derivation, options(place))
  t.true(first.changed)
  t.is(readFileSync(join(place, 'hello.txt'), 'utf8'), 'hello\n')
  t.true(existsSync(join(first.outputs.get('out') ?? '', 'bin')))
  t.true(readFileSync(join(place, '.abn/build.sh'), 'utf8').includes(`echo build ${out}`))
  t.deepEqual(
    readdirSync(directory).filter((name) => name.includes('unpacking')),
    [],
  )

  writeFileSync(join(place, 'hello.txt'), 'mine\n')
  const changed = { ...derivation, files: [{ path: '.abn/build.sh', text: 'new script', executable: false }] }
  const second = await openWorkbench(changed, options(place))
  t.false(second.changed)
  t.is(asked(), 1)
  t.is(readFileSync(join(place, 'hello.txt'), 'utf8'), 'mine\n')
  t.is(readFileSync(join(place, '.abn/build.sh'), 'utf8'), 'new script', 'a changed recipe is tried at once')
})

test('what was only unpacked is patched later, once', async (t) => {
  const directory = temporaryDirectory(t)
  const place = join(directory, 'work')
  mkdirSync(join(directory, 'example-1'))
  writeFileSync(join(directory, 'example-1/hello.txt'), 'hello\n')
  spawnSync('tar', ['-cf', 'example.tar', 'example-1'], { cwd: directory })
  writeFileSync(join(directory, 'change.patch'), '--- a/hello.txt\n+++ b/hello.txt\n@@ -1 +1 @@\n-hello\n+changed\n')
  const { derivation, options } = example(directory, { source: 'unused\n' })
  const [archive, patch] = ['example.tar', 'change.patch'].map((name) => ({
    name,
    sha256: hashOf(join(directory, name)),
  }))
  if (archive === undefined || patch === undefined) throw new TypeError('two files make two hashes')
  const unpack = { kind: 'tar', compression: 'none', strip: 1 } as const
  const patched = { ...derivation, sources: [{ to: '.', sha256: archive.sha256, unpack, patches: [patch.sha256] }] }
  const files = async () => new Map([archive, patch].map(({ name, sha256 }) => [sha256, join(directory, name)]))
  const content = async (until: 'unpack' | 'patch') => {
    const { changed } = await openWorkbench(patched, { ...options(place, until), files })
    return [changed, readFileSync(join(place, 'hello.txt'), 'utf8')]
  }
  t.deepEqual(await content('unpack'), [true, 'hello\n'])
  t.deepEqual(await content('unpack'), [false, 'hello\n'])
  t.deepEqual(await content('patch'), [true, 'changed\n'])
  t.deepEqual(await content('patch'), [false, 'changed\n'])
  t.deepEqual(await content('unpack'), [false, 'changed\n'])
})

test('other sources, other files and no directory are refused', async (t) => {
  const directory = temporaryDirectory(t)
  const place = join(directory, 'work')
  const { derivation, options } = example(directory, { source: 'hello\n' })
  await openWorkbench(derivation, options(place))
  const other = example(directory, { source: 'other\n' })
  const code = 'ABN_DEVELOP_DIRECTORY'
  await t.throwsAsync(openWorkbench(other.derivation, other.options(place)), { code, message: /sources of example 1/ })
  mkdirSync(join(directory, 'full'))
  writeFileSync(join(directory, 'full/file'), '')
  await t.throwsAsync(openWorkbench(derivation, options(join(directory, 'full'))), { code, message: /not empty/ })
  await t.throwsAsync(openWorkbench(derivation, options(join(directory, 'full/file'))), {
    code,
    message: /not a directory/,
  })
  mkdirSync(join(directory, 'empty'))
  t.true((await openWorkbench(derivation, options(join(directory, 'empty')))).changed)
})

test('an unpacking that fails leaves nothing', async (t) => {
  const directory = temporaryDirectory(t)
  const { derivation, options } = example(directory, { source: 'hello\n' })
  const broken = { ...derivation, files: [{ path: 'hello.txt/below', text: '', executable: false }] }
  await t.throwsAsync(openWorkbench(broken, options(join(directory, 'work'))), { code: 'ABN_SOURCE_COLLISION' })
  t.deepEqual(
    readdirSync(directory).filter((name) => name.startsWith('work')),
    [],
  )
})

for (const [what, replace] of [
  ['.abn', (place: string) => rmSync(join(place, '.abn'), { recursive: true })],
  ['.abn/outputs', (place: string) => rmSync(join(place, '.abn/outputs'), { recursive: true })],
  ['.abn/outputs/out', (place: string) => rmSync(join(place, '.abn/outputs/out'), { recursive: true })],
] as const) {
  test(`${what} as a symbolic link is not followed`, async (t) => {
    const directory = temporaryDirectory(t)
    const place = join(directory, 'work')
    const { derivation, options } = example(directory, { source: 'hello\n' })
    await openWorkbench(derivation, options(place))
    const state = readFileSync(join(place, '.abn/develop.json'))
    mkdirSync(join(directory, 'victim/outputs/out'), { recursive: true })
    writeFileSync(join(directory, 'victim/develop.json'), state)
    replace(place)
    symlinkSync(join(directory, 'victim'), join(place, what))
    await t.throwsAsync(openWorkbench(derivation, options(place)), { code: 'ABN_DEVELOP_DIRECTORY' })
    t.deepEqual(readdirSync(join(directory, 'victim')).sort(), ['develop.json', 'outputs'])
  })
}

test('files of abnpkg that are symbolic links are replaced, not written through', async (t) => {
  const directory = temporaryDirectory(t)
  const place = join(directory, 'work')
  const { derivation, options } = example(directory, { source: 'hello\n' })
  await openWorkbench(derivation, options(place))
  writeFileSync(join(directory, 'victim'), 'untouched')
  for (const name of ['build.sh', 'commands.sh']) {
    rmSync(join(place, '.abn', name))
    symlinkSync(join(directory, 'victim'), join(place, '.abn', name))
  }
  await openWorkbench(derivation, options(place))
  t.is(readFileSync(join(directory, 'victim'), 'utf8'), 'untouched')
})

test('the phases are found in the script, and are commands of a shell', (t) => {
  const directory = temporaryDirectory(t)
  const { derivation } = example(directory, { source: 'hello\n' })
  t.deepEqual(phasesOf(derivation), ['configure', 'build', 'install'])
  writeFileSync(join(directory, 'commands.sh'), commandsOf(derivation, outputs))
  const run = (lines: string) =>
    spawnSync('sh', ['-c', `. ./commands.sh; abn_build() { echo "run $*"; }; ${lines}`], {
      cwd: directory,
      encoding: 'utf8',
    })
  t.is(
    run('configure; build; install').stdout,
    'run .abn/build.sh configure\nrun .abn/build.sh build\nrun .abn/build.sh install\n',
  )
  t.is(run('echo $phases').stdout, 'configure build install\n')
  const check = run('check')
  t.is(check.status, 1)
  t.is(check.stderr, 'example has no phase check\n')
  t.regex(run('unpack').stderr, /^unpack: abnpkg did it/)
})

test('steps without a script are one phase, which stops at the first that fails', (t) => {
  const directory = temporaryDirectory(t)
  const { derivation } = example(directory, { source: 'hello\n' })
  const step = (args: string[], env = {}) => ({ args, cwd: directory, env, parallel: false })
  const steps = [
    step(['sh', '-c', 'echo "$1 $WHAT"', 'sh', "it's @{out}"], { WHAT: 'a b' }),
    step(['sh', '-c', 'exit 3']),
    step(['echo', 'never']),
  ]
  const plain = { ...derivation, files: [], steps }
  t.deepEqual(phasesOf(plain), [])
  const text = commandsOf(plain, outputs).replaceAll('cd /build', `cd '${directory}'`)
  writeFileSync(join(directory, 'commands.sh'), text)
  const { stdout, status } = spawnSync('sh', ['-c', '. ./commands.sh; build'], { cwd: directory, encoding: 'utf8' })
  t.is(stdout, `it's ${out} a b\n`)
  t.is(status, 3)
})

function hashOf(path: string): Sha256 {
  return parseSha256(createHash('sha256').update(readFileSync(path)).digest('hex'))
}
