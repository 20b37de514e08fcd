// What `abnpkg env` prints, run by the shells that are here; the quoting of those that are not, by their rules.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { environmentOf, linesFor, quotedForFish, quotedForSh } from '../../../cli/profiles/shell-env.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

const awkward = `a 'b' "c" $HOME $(exit 1) \`exit 1\` \\ * é\nline`
/** The scripts run with another PATH than this process. */
const whereIs = (name: string) => spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim()
const variables = ['PATH', 'MANPATH', 'INFOPATH', 'XDG_DATA_DIRS']

/** The variables after the lines ran once and twice, and the output of `more`. */
function runIn(shell: 'bash' | 'zsh' | 'fish', program: string, { root, env = {}, more = '' }: Run) {
  const lines = linesFor(shell, root).join('\n')
  const print = 'env -0'
  const separator = 'printf "%s" "======"'
  const script = [lines, print, separator, lines, print, separator, more].join('\n')
  // fish complains where it cannot keep its history.
  const home = mkdtempSync(join(tmpdir(), 'abn-home-'))
  const { stdout, stderr, status } = spawnSync(whereIs(program), ['-c', script], {
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: home, ...env },
    encoding: 'utf8',
  })
  rmSync(home, { recursive: true, force: true })
  if (status !== 0 || stderr !== '') throw new Error(`${program}: status ${status}\n${stderr}`)
  const [once = '', twice = '', rest = ''] = stdout.split('======')
  return { once: valuesIn(once), twice: valuesIn(twice), rest }
}

type Run = { readonly root: string; readonly env?: Readonly<Record<string, string>>; readonly more?: string }

function valuesIn(text: string): readonly (string | undefined)[] {
  const all = text.split('\0')
  return variables.map((name) => all.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1))
}

const shells = [
  ['bash', 'bash'],
  ['bash', 'dash'],
  ['zsh', 'zsh'],
  ['fish', 'fish'],
] as const

for (const [shell, program] of shells) {
  const when = whereIs(program) !== '' ? test : test.skip
  when(`${program}: variables that are not set, and a root with all that needs quotes`, (t) => {
    const root = `/${awkward}`
    const { once, twice } = runIn(shell, program, { root })
    t.deepEqual(once, [
      `${root}/bin:${root}/sbin:/usr/local/bin:/usr/bin:/bin`,
      `${root}/share/man:`,
      `${root}/share/info:`,
      `${root}/share:/usr/local/share:/usr/share`,
    ])
    t.deepEqual(twice, once, 'nested shells do not grow them')
  })

  when(`${program}: variables that are set stay behind`, (t) => {
    const env = { MANPATH: '/my/man:', INFOPATH: '/my/info', XDG_DATA_DIRS: '/my/share' }
    const { once } = runIn(shell, program, { root: '/r', env })
    t.deepEqual(once.slice(1), ['/r/share/man:/my/man:', '/r/share/info:/my/info', '/r/share:/my/share'])
  })

  when(`${program}: two profiles, one after the other`, (t) => {
    const more = `${linesFor(shell, '/other').join('\n')}\nenv -0`
    const { rest } = runIn(shell, program, { root: '/r', more })
    t.is(valuesIn(rest)[0], '/other/bin:/other/sbin:/r/bin:/r/sbin:/usr/local/bin:/usr/bin:/bin')
  })
}

const hasMan = spawnSync('man', ['-w', 'no-such-page-anywhere']).status === 16
;(hasMan ? test : test.skip)('man finds the pages of the profile, and still those of the system', (t) => {
  const root = join(temporaryDirectory(t), awkward.replace(/\n.*/, ''))
  mkdirSync(join(root, 'share/man/man1'), { recursive: true })
  writeFileSync(join(root, 'share/man/man1/abn-test-page.1'), '.TH X 1\n')
  const { rest } = runIn('bash', 'bash', { root, more: 'man -w abn-test-page; manpath -q' })
  const [page, places = ''] = rest.split('\n')
  t.is(page, join(root, 'share/man/man1/abn-test-page.1'))
  t.true(
    places.split(':').some((place) => place.startsWith('/usr/')),
    places,
  )
})

const loader = '/usr/share/bash-completion/bash_completion'
const hasLoader = spawnSync('bash', ['-c', `. ${loader} && type _comp_load || type __load_completion`]).status === 0
;(hasLoader ? test : test.skip)('bash-completion finds the completions of the profile', (t) => {
  const root = join(temporaryDirectory(t), 'a home')
  mkdirSync(join(root, 'share/bash-completion/completions'), { recursive: true })
  writeFileSync(join(root, 'share/bash-completion/completions/abn-test'), 'complete -W "one two" abn-test\n')
  const more = `. ${loader}; type _comp_load >/dev/null 2>&1 && _comp_load abn-test || __load_completion abn-test; complete -p abn-test`
  const { rest } = runIn('bash', 'bash', { root, more })
  t.regex(rest, /complete -W 'one two' abn-test/)
})

const hasZsh = whereIs('zsh') !== ''
;(hasZsh ? test : test.skip)('zsh finds completions once, before its own', (t) => {
  const more = `${linesFor('zsh', '/other').join('\n')}\nprint -rl -- $fpath`
  const { rest } = runIn('zsh', 'zsh', { root: `/${awkward.replace(/\n/, ' ')}`, more })
  const lines = rest.trim().split('\n')
  t.is(lines[0], '/other/share/zsh/site-functions')
  t.is(lines.filter((line) => line.startsWith('/a ')).length, 1)
})

;(hasZsh ? test : test.skip)('compinit finds the completions of the profile', (t) => {
  const root = join(temporaryDirectory(t), awkward.replace(/\n.*/, ''))
  mkdirSync(join(root, 'share/zsh/site-functions'), { recursive: true })
  writeFileSync(join(root, 'share/zsh/site-functions/_abn-test'), '#compdef abn-test\ncompadd one two\n')
  const more = 'autoload -U compinit; compinit -u -D; print -r -- $_comps[abn-test]; whence -v _abn-test'
  const { rest } = runIn('zsh', 'zsh', { root, more })
  t.regex(rest, /^_abn-test\n_abn-test is an autoload shell function/)
})

;(whereIs('fish') !== '' ? test : test.skip)('fish finds the completions and functions of the profile', (t) => {
  const root = join(temporaryDirectory(t), awkward.replace(/\n.*/, ''))
  const files = {
    'vendor_completions.d/abn-test.fish': 'complete -c abn-test -f -a "one two"\n',
    'vendor_functions.d/abn-function.fish': 'function abn-function; echo called; end\n',
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, 'share/fish', path, '..'), { recursive: true })
    writeFileSync(join(root, 'share/fish', path), text)
  }
  // Only of programs that are there it looks for completions.
  mkdirSync(join(root, 'bin'))
  writeFileSync(join(root, 'bin/abn-test'), '#!/bin/sh\n', { mode: 0o755 })
  const { rest } = runIn('fish', 'fish', { root, more: "complete -C 'abn-test t'; abn-function" })
  t.deepEqual(rest.trim().split('\n'), ['two', 'called'])
})

test('quoting follows the rules of each shell', (t) => {
  t.is(quotedForSh("a'b"), "'a'\\''b'")
  t.is(quotedForSh('a\\b$c'), "'a\\b$c'")
  // fish: within single quotes only \\' and \\\\ are escapes.
  t.is(quotedForFish("a'b"), "'a\\'b'")
  t.is(quotedForFish('a\\b$c(d)'), "'a\\\\b$c(d)'")
  t.is(quotedForFish("\\'"), "'\\\\\\''")
})

test('a root with a colon cannot stand in PATH', (t) => {
  t.throws(() => environmentOf('/a:b'), { code: 'ABN_STORE_UNUSABLE' })
})
