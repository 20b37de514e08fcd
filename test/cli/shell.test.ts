// Shells and commands with packages in them, as a person starts them: variables, signals, terminals, and what keeps them alive.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { bashStartupFile } from '../../builder/environment/shells.ts'
import { parseArguments } from '../../cli/args.ts'
import { commands } from '../../cli/commands.ts'
import { type Home, house, launcher, makeHome } from '../_support/channel.ts'

function abnpkg(
  home: Home,
  args: readonly string[],
  { env = {}, cwd = home.directory }: { env?: object; cwd?: string } = {},
) {
  return spawnSync(launcher, args, { env: { ...home.env, ...env }, cwd, encoding: 'utf8' })
}

test('variables: packages in front of what was there, few of the caller when pure', (t) => {
  using home = makeHome()
  writeFileSync(join(home.channel, 'recipes/packages/library.ts'), library)
  t.is(abnpkg(home, ['build', 'greet', 'library']).status, 0)
  const variables = (args: readonly string[], env: object = {}) => {
    const { stdout, status, stderr } = abnpkg(home, ['shell', 'greet', 'library', ...args, '--', '/usr/bin/env'], {
      env,
    })
    t.is(status, 0, stderr)
    return new Map(stdout.split('\n').map((line) => [line.split('=')[0] ?? '', line.slice(line.indexOf('=') + 1)]))
  }
  const store = '/abn/store/[a-z2-7]{32}'
  const inherited = variables([], { CPATH: '/mine', LUA_INIT: 'x' })
  t.regex(inherited.get('PATH') ?? '', new RegExp(`^${store}-greet-1.1.0/bin:${home.env.PATH}$`))
  t.regex(
    inherited.get('XDG_DATA_DIRS') ?? '',
    new RegExp(`^${store}-greet-1.1.0/share:${store}-library-1/share:/usr/local/share:/usr/share$`),
  )
  t.regex(inherited.get('CPATH') ?? '', new RegExp(`^${store}-library-1/include:/mine$`))
  t.regex(inherited.get('LIBRARY_PATH') ?? '', new RegExp(`^${store}-library-1/lib$`))
  t.regex(inherited.get('PKG_CONFIG_PATH') ?? '', new RegExp(`^${store}-library-1/lib/pkgconfig$`))
  t.regex(inherited.get('MANPATH') ?? '', new RegExp(`^${store}-library-1/share/man:$`))
  t.is(inherited.get('LUA_INIT'), 'x')
  t.is(inherited.get('ABNPKG_SHELL'), 'greet library')

  const pure = variables(['--pure', '--keep', 'LUA_INIT'], { CPATH: '/mine', LUA_INIT: 'x', OTHER: 'y' })
  t.regex(pure.get('PATH') ?? '', new RegExp(`^${store}-greet-1.1.0/bin$`))
  t.regex(pure.get('CPATH') ?? '', new RegExp(`^${store}-library-1/include$`))
  t.deepEqual(
    ['HOME', 'LANG', 'LUA_INIT', 'OTHER', 'ABNPKG_ROOT'].map((name) => pure.has(name)),
    [true, true, true, false, false],
  )
})

test('the status is the command’s, and what it reads and writes is its own', (t) => {
  using home = makeHome()
  t.is(abnpkg(home, ['build', 'greet']).status, 0)
  t.is(abnpkg(home, ['shell', 'greet', '--', 'sh', '-c', 'exit 7']).status, 7)
  t.is(abnpkg(home, ['shell', 'greet', '--', 'sh', '-c', 'kill -KILL $$']).status, 128 + 9)
  t.is(
    abnpkg(home, ['shell', 'greet@^1.0.0', '--', 'sh', '-c', 'greet from $PWD'], { cwd: house }).stdout,
    `greet from ${house}\n`,
  )
  const nested = [
    'shell',
    'greet',
    '--',
    launcher,
    'shell',
    'greet@1.0.0',
    '--',
    'sh',
    '-c',
    'echo $ABNPKG_SHELL; command -v greet',
  ]
  t.regex(abnpkg(home, nested).stdout, /^greet greet\n\/abn\/store\/.*-greet-1\.0\.0\/bin\/greet\n$/)
  const asShell = spawnSync(launcher, ['shell', 'greet'], {
    env: { ...home.env, SHELL: '/bin/sh' },
    input: 'greet typed\nexit 5\n',
    encoding: 'utf8',
  })
  t.is(asShell.stdout, 'greet typed\n')
  t.is(asShell.status, 5)
})

test('a running shell holds its packages, and a dead one does not', async (t) => {
  using home = makeHome()
  t.is(abnpkg(home, ['build', 'greet']).status, 0)
  const work = join(home.directory, 'work')
  mkdirSync(work)
  const holds = () => {
    const directory = join(home.root, 'var/holds')
    const names = existsSync(directory) ? readdirSync(directory).filter((name) => !name.endsWith('.lock')) : []
    return names.map((name) => `${name.split('-')[0]} ${readFileSync(join(directory, name), 'utf8').trim().slice(43)}`)
  }
  for (const container of [false, true]) {
    const args = ['shell', 'greet', ...(container ? ['tool', '--container'] : []), '--']
    const command = container ? ['tool', 'hang', 'here'] : ['sh', '-c', 'echo here; exec sleep 1000']
    const child = spawn(launcher, [...args, ...command], {
      env: home.env,
      cwd: work,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    await once(child.stdout, 'data')
    t.regex(holds().join(), /^shell -greet-1\.1\.0/)
    child.kill('SIGTERM')
    const [status] = await once(child, 'exit')
    t.is(status, 128 + 15, 'a signal is passed on')
    t.deepEqual(holds(), [])
  }
})

test('in a container: the directory, the packages, and nothing else', (t) => {
  using home = makeHome()
  const work = join(home.directory, 'work')
  mkdirSync(work)
  t.is(abnpkg(home, ['build', 'greet', 'tool']).status, 0)
  const inside = (command: readonly string[], cwd = work) =>
    abnpkg(home, ['shell', 'greet', 'tool', '--container', '--', ...command], { cwd })
  t.is(inside(['tool', 'write', 'made', 'by me']).status, 0)
  t.is(readFileSync(join(work, 'made'), 'utf8'), 'by me\n')
  t.is(inside(['greet', 'hello']).stdout, 'greet hello\n')
  t.is(inside(['tool', 'copy', '/etc/hostname', 'copied']).status, 1)
  t.is(inside(['tool', 'copy', home.env.ABNPKG_ROOT ?? '', 'copied']).status, 1)
  inside(['tool', 'write', '../outside', 'x']) // in the container's own /tmp, if that is where the test's home is
  t.false(existsSync(join(home.directory, 'outside')))
  t.is(inside(['tool', 'fail', 'x']).status, 7)
  t.regex(inside(['absent']).stderr, /error\[ABN_PROGRAM_UNKNOWN\]/)
  for (const cwd of ['/', '/proc', '/dev/shm', home.directory, join(home.root, 'var')])
    t.regex(inside(['greet'], cwd).stderr, /error\[ABN_CONTAINER_DIRECTORY\]/)
  t.regex(
    abnpkg(home, ['shell', 'greet', '--container'], { cwd: work }).stderr,
    /error\[ABN_CONTAINER_SHELL\].*\nhint: name a package/,
  )
})

test('on a terminal: Ctrl-C ends the program, not the shell; the terminal is given back', (t) => {
  using home = makeHome()
  t.is(abnpkg(home, ['build', 'greet', 'tool']).status, 0)
  const work = join(home.directory, 'work')
  mkdirSync(work)
  // The shell that `script` starts reads the terminal after each; a terminal that was not given back would stop it.
  const lines = [
    `"${launcher}" shell greet -- sh -c 'kill -INT $$'; echo "status $?"`,
    `"${launcher}" shell greet tool --container -- greet inside; echo "status $?"`,
    'read answer; echo "got $answer"',
  ]
  const { stdout } = spawnSync('script', ['-qec', lines.join('\n'), '/dev/null'], {
    env: { ...home.env, TERM: 'dumb', SHELL: '/bin/sh' },
    cwd: work,
    input: 'an answer\n',
    encoding: 'utf8',
    timeout: 120_000,
  })
  t.regex(stdout, /status 130\r\n(.*\n)*greet inside\r\nstatus 0\r\n(.*\n)*got an answer/)
})

const bash = ['/bin/bash', '/usr/bin/bash'].find((path) => existsSync(path))

;(bash === undefined ? test.skip : test)('bash: the user’s start-up file is read, and loses', (t) => {
  using home = makeHome()
  writeFileSync(join(home.directory, '.bashrc'), 'PATH=/mine:$PATH\nPS1="mine> "\nMINE=yes\n')
  const shown = (env: object) =>
    spawnSync(bash ?? '', ['--rcfile', bashStartupFile, '-i', '-c', 'echo "$PATH|$PS1|$MINE|$ABNPKG_SHELL_PATH"'], {
      env: {
        HOME: home.directory,
        PATH: '/abn/store/x/bin:/usr/bin:/bin',
        ABNPKG_SHELL_PATH: '/abn/store/x/bin',
        ...env,
      },
      encoding: 'utf8',
    }).stdout.trim()
  t.is(shown({}), '/abn/store/x/bin:/mine:/abn/store/x/bin:/usr/bin:/bin|[abn] mine> |yes|')
  t.regex(shown({ ABNPKG_SHELL_PURE: '1' }), /^\/abn\/store\/x\/bin\|\[abn\] .*\|\|$/)
})

test('what contradicts itself is refused before anything is done', (t) => {
  using home = makeHome()
  for (const args of [
    ['--pure', '--container'],
    ['--network'],
    ['--keep', 'HOME'],
    ['--pure', '--keep', 'A=B'],
    ['--json'],
  ]) {
    const { status, stderr } = abnpkg(home, ['shell', 'greet', ...args, '--', 'true'])
    t.is(status, 2, args.join(' '))
    t.regex(stderr, /error\[ABN_USAGE\]/)
  }
  t.is(abnpkg(home, ['shell']).status, 2)
  t.false(existsSync(home.root))
})

test('every command in docs/environments.md is understood', async (t) => {
  const text = readFileSync(join(house, 'docs/environments.md'), 'utf8')
  const lines = [...text.matchAll(/^\$ abnpkg ([a-z-]+)([^#\n]*)/gm)]
  t.true(lines.length > 10)
  for (const [line, name = '', rest = ''] of lines) {
    const command = await commands[name]?.load()
    if (command === undefined) t.fail(line)
    else t.notThrows(() => parseArguments(rest.trim().split(/\s+/).filter(Boolean), command.options), line)
  }
})

const imports = ["{ out, recipe, steps } from 'abnpkg'", "{ tool } from './tool.ts'"]
const library = `${imports.map((what) => `import ${what}\n`).join('')}
export const library = recipe({
  name: 'library', version: '1', summary: 'brings what a library brings', license: 'MPL-2.0', tools: [tool],
  build: steps({
    directories: ['include', 'lib/pkgconfig', 'share/man/man1'].map((each) => out + '/' + each),
    steps: [['tool', 'print', 'nothing to do']],
  }),
})
`
