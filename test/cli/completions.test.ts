import { spawnSync } from 'node:child_process'
import test from 'ava'
import { globalOptions } from '../../cli/args.ts'
import { commandGroups, commands } from '../../cli/commands.ts'
import { completionScript } from '../../cli/completions.ts'
import { makeHome } from '../_support/channel.ts'

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

for (const shell of ['bash', 'zsh', 'fish'] as const) {
  test(`${shell}: quotes of summaries end nothing`, (t) => {
    const script = completionScript(
      shell,
      [{ name: 'x', summary: "it's a: b", usage: 'NAME', options: {} }],
      globalOptions,
    )
    t.true(script.includes('x'))
    const isThere = spawnSync(shell, ['-c', 'exit 0']).status === 0
    if (!isThere) return
    const { status, stderr } = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' })
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
