import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { globalOptions } from '../../cli/args.ts'
import { commandGroups, commands } from '../../cli/commands.ts'
import { completionScript } from '../../cli/completions.ts'
import { makeHome } from '../_support/channel.ts'
import { temporaryDirectory } from '../_support/temporary.ts'

test('bash completes commands, options, first words and names', (t) => {
  using home = makeHome()
  t.is(spawnSync('abnpkg', ['install', 'greet'], { env: home.env }).status, 0)
  const lines: readonly (readonly [readonly string[], string])[] = [
    [['ins'], 'install'],
    [['install', 'gre'], 'greet'],
    [['install', '--jo'], '--jobs'],
    [['--root', '/x', 'inst'], 'install'],
    [['remove', ''], 'greet'],
    [['help', 'grap'], 'graph'],
    [['config', 'un'], 'unset'],
    [['gc', ''], 'roots add-root remove-root'],
    [['run', 'greet', '--', ''], ''],
  ]
  const script = [
    'set -u',
    'eval "$(abnpkg completions bash)"',
    'complete -p abnpkg >/dev/null',
    `t() { COMP_WORDS=(abnpkg "$@"); COMP_CWORD=$#; COMPREPLY=(); _abnpkg; echo "\${COMPREPLY[*]-}"; }`,
    ...lines.map(([words]) => `t ${words.map((word) => `'${word}'`).join(' ')}`),
  ].join('\n')
  const { stdout, stderr, status } = spawnSync('bash', ['--norc', '-c', script], { env: home.env, encoding: 'utf8' })
  t.is(status, 0, stderr)
  t.deepEqual(stdout.split('\n'), [...lines.map(([, expected]) => expected), ''])
})

/** What is typed, and what it becomes with a tab. */
const typed: readonly (readonly [string, string])[] = [
  ['abnpkg ins', 'abnpkg install '],
  ['abnpkg install gre', 'abnpkg install greet '],
  ['abnpkg install --jo', 'abnpkg install --jobs '],
  ['abnpkg --root /x inst', 'abnpkg --root /x install '],
  ['abnpkg remove ', 'abnpkg remove greet '],
  ['abnpkg remove --profile default g', 'abnpkg remove --profile default greet '],
  ['abnpkg help grap', 'abnpkg help graph '],
  ['abnpkg config un', 'abnpkg config unset '],
  ['abnpkg gc add', 'abnpkg gc add-root '],
  ['abnpkg gc gre', 'abnpkg gc gre'],
  ['abnpkg gc add-root mine gre', 'abnpkg gc add-root mine greet '],
  ['abnpkg run greet -- chan', 'abnpkg run greet -- channel/'],
  ['abnpkg apply chan', 'abnpkg apply channel/'],
  ['abnpkg install --root chan', 'abnpkg install --root channel/'],
]

const isThere = (shell: string) => spawnSync(shell, ['-c', 'exit 0']).status === 0

;(isThere('zsh') ? test : test.skip)('zsh, at a terminal, completes what is typed', (t) => {
  using home = makeHome()
  t.is(spawnSync('abnpkg', ['install', 'greet'], { env: home.env }).status, 0)
  // A shell in a terminal of its own; ^X prints what the line has become.
  const script = `
zmodload zsh/zpty || exit 77
zpty shell zsh -f -i
tell() { zpty -w -n shell "$1" }
# Reads until a line has what is looked for between << and >>.
answer() {
  local text='' more
  while [[ $text != *'<<'*'>>'* ]]; do zpty -r shell more || exit 3; text+=$more; done
  text=\${text##*<<}
  print -r -- \${text%%>>*}
}
tell $'stty -echo; PS1= PS2= RPS1=; unsetopt zle_bracketed_paste beep; autoload -U compinit; compinit -u -D\n'
tell $'eval "$(abnpkg completions zsh)"\n'
tell $'show() { local line=$BUFFER; BUFFER=; print -r -- "<""<$line>>" }; zle -N show; bindkey "^X" show\n'
tell $'print -r -- "<""<ready>>"\n'
answer
${typed.map(([line]) => `tell $'${line}\t\x18'; answer`).join('\n')}
zpty -d shell
`
  const { stdout, stderr, status } = spawnSync('zsh', ['-f', '-c', script], {
    env: { ...home.env, TERM: 'dumb' },
    cwd: home.directory,
    encoding: 'utf8',
    timeout: 120_000,
  })
  t.is(status, 0, stderr)
  t.deepEqual(stdout.split('\n'), ['ready', ...typed.map(([, becomes]) => becomes), ''])
})

;(isThere('fish') ? test : test.skip)('fish completes what is typed', (t) => {
  using home = makeHome()
  t.is(spawnSync('abnpkg', ['install', 'greet'], { env: home.env }).status, 0)
  const script = [
    'abnpkg completions fish | source',
    ...typed.map(([line]) => `complete -C '${line}' | string replace -r '\t.*' ''; echo =`),
  ].join('\n')
  const { stdout, stderr, status } = spawnSync('fish', ['--no-config', '-c', script], {
    env: home.env,
    cwd: home.directory,
    encoding: 'utf8',
  })
  t.is(status, 0, stderr)
  t.is(stderr, '')
  const words = typed.map(([line, becomes]) => (line === becomes ? '' : `${becomes.trim().split(' ').at(-1)}\n`))
  t.deepEqual(stdout.split('=\n'), [...words, ''])
})

for (const shell of ['bash', 'zsh', 'fish'] as const) {
  ;(isThere(shell) ? test : test.skip)(`${shell}: quotes of summaries end nothing`, (t) => {
    const script = completionScript(
      shell,
      [{ name: 'x', summary: "it's a: b", usage: 'NAME', options: {} }],
      globalOptions,
    )
    t.true(script.includes('x'))
    const file = join(temporaryDirectory(t), 'script')
    writeFileSync(file, script)
    const { status, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' })
    t.is(status, 0, stderr)
  })
}

test('every command is in one group of the help', (t) => {
  const grouped = Object.values(commandGroups).flat()
  t.deepEqual(
    grouped.filter((name, index) => grouped.indexOf(name) !== index),
    [],
  )
  t.deepEqual(
    Object.keys(commands).filter((name) => !grouped.includes(name)),
    [],
  )
})
