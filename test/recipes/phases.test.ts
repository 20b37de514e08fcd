// The scripts really run, with the machine's sh: phases in order, an end at the first failure, and what fixup does.
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { gnuBuild, makeBuild } from '../../recipes/api/index.ts'
import { bench, context } from './build-script.ts'

const note = (name: string) =>
  `#!/bin/sh\nprintf '%s' "${name}" >> "$PWD/log"\nfor arg; do printf ' [%s]' "$arg" >> "$PWD/log"; done\necho >> "$PWD/log"\n`

test('configure, make, make check, make install', (t) => {
  using desk = bench()
  desk.write('configure', note('configure'), 0o755)
  desk.write('tools/make', note('make'), 0o755)
  mkdirSync(desk.out)
  const { status, stdout } = desk.run(gnuBuild({ configure: ["--with=it's $HOME"], make: ['A=b c'] }))
  t.is(status, 0)
  t.deepEqual(stdout.split('\n'), [
    'phase: configure',
    'phase: build',
    'phase: check',
    'phase: install',
    'phase: fixup',
    '',
  ])
  t.deepEqual(desk.read('log').split('\n'), [
    `configure [--prefix=${desk.out}] [--build=x86_64-pc-linux-musl] [--disable-nls] [--disable-dependency-tracking] [--with=it's $HOME]`,
    'make [-j3] [A=b c]',
    'make [-j3] [A=b c] [check]',
    'make [A=b c] [install]',
    '',
  ])
})

test('the first command that fails ends the build', (t) => {
  using desk = bench()
  desk.write('configure', '#!/bin/sh\nexit 7\n', 0o755)
  desk.write('tools/make', note('make'), 0o755)
  const { status, stdout } = desk.run(gnuBuild({ configure: { before: 'touch before', after: 'touch after' } }))
  t.is(status, 7)
  t.is(stdout, 'phase: configure\n')
  t.true(existsSync(join(desk.build, 'before')))
  t.false(existsSync(join(desk.build, 'after')))
  t.false(existsSync(join(desk.build, 'log')))
})

test('a variable that is not set ends the build', (t) => {
  using desk = bench()
  const { status, stderr } = desk.run(makeBuild({ configure: { replace: 'rm -rf "$nothing/x"' } }))
  t.not(status, 0)
  t.regex(stderr, /nothing/)
})

test('one phase alone', (t) => {
  using desk = bench()
  desk.write('tools/make', note('make'), 0o755)
  t.is(desk.run(gnuBuild(), 'check').stdout, 'phase: check\n')
  t.is(desk.read('log'), 'make [-j3] [check]\n')
})

test('a phase cannot leave its directory or variables to the next', (t) => {
  using desk = bench()
  const build = makeBuild({
    configure: { replace: 'mkdir deep; cd deep; X=1' },
    build: { replace: `pwd; echo "\${X-unset}"` },
    check: { off: 'no' },
    install: { off: 'no' },
    fixup: { off: 'no' },
  })
  t.is(desk.run(build).stdout, `phase: configure\nphase: build\n${desk.build}\nunset\n`)
})

test('building outside the source', (t) => {
  using desk = bench()
  desk.write('src/configure', note('configure'), 0o755)
  const off = { off: 'not here' }
  const build = gnuBuild({
    directory: 'src',
    buildDirectory: 'a/b',
    omit: 'all',
    build: off,
    check: off,
    install: off,
    fixup: off,
  })
  t.is(desk.run(build).status, 0)
  t.is(desk.read('src/a/b/log'), 'configure\n')
})

test('files are installed with their modes', (t) => {
  using desk = bench()
  desk.write('src/lua', 'x', 0o755)
  desk.write('a page', 'y')
  const off = { off: 'not here' }
  const install = { files: { 'bin/lua': 'src/lua', 'share/man/man1/lua.1': 'a page' } }
  const { status, stderr } = desk.run(makeBuild({ build: off, check: off, install, fixup: off }))
  t.is(status, 0, stderr)
  t.is(readFileSync(join(desk.out, 'share/man/man1/lua.1'), 'utf8'), 'y')
  t.is(statSync(join(desk.out, 'bin/lua')).mode & 0o111, 0o111)
})

test('fixup', (t) => {
  using desk = bench()
  const off = { off: 'not here' }
  const write = (path: string, text: string, mode = 0o755) => desk.write(join(desk.out, path), text, mode)
  const sh = context.shell ?? ''
  desk.write('tools/perl', '#!/bin/sh\n', 0o755)
  const scripts: Readonly<Record<string, readonly [before: string, after: string]>> = {
    sh: ['#!/bin/sh\necho 1\n', `#!${sh}\necho 1\n`],
    space: ['#! /bin/sh -e\necho $*\n', `#!${sh} -e\necho $*\n`],
    perl: ['#!/usr/bin/perl -w\n1;\n', `#!${desk.build}/tools/perl -w\n1;\n`],
    env: ['#!/usr/bin/env perl\n1;\n', `#!${desk.build}/tools/perl\n1;\n`],
    unknown: ['#!/usr/bin/not-a-program -x\n', '#!/usr/bin/not-a-program -x\n'],
    store: ['#!/abn/store/x/bin/sh\n', '#!/abn/store/x/bin/sh\n'],
    empty: ['', ''],
    bare: ['#!\n', '#!\n'],
    text: ['echo #!/bin/sh\n#!/bin/sh\n', 'echo #!/bin/sh\n#!/bin/sh\n'],
    'with space': ['#!/bin/sh', `#!${sh}\n`],
    star: ['#!/bin/sh *\n', `#!${sh} *\n`],
  }
  for (const [name, [before]] of Object.entries(scripts)) write(`bin/${name}`, before)
  write('bin/elf', '\x7fELF\0\x01#!/bin/sh\n\0')
  write('share/doc/example', '#!/bin/sh\n', 0o644)
  write('share/info/dir', 'x', 0o644)
  write('lib/libx.la', 'x', 0o644)
  write('lib/libx.a', 'x', 0o644)
  symlinkSync('sh', join(desk.out, 'bin/link'))
  const { status, stdout, stderr } = desk.run(makeBuild({ build: off, check: off, install: off }))
  t.is(status, 0, stderr)
  for (const [name, [, after]] of Object.entries(scripts)) {
    const text = readFileSync(join(desk.out, 'bin', name), 'utf8')
    t.is(name === 'with space' ? `${text.trimEnd()}\n` : text, after, name)
    t.is(statSync(join(desk.out, 'bin', name)).mode & 0o777, 0o755)
  }
  t.is(readFileSync(join(desk.out, 'bin/elf'), 'latin1'), '\x7fELF\0\x01#!/bin/sh\n\0')
  t.is(readFileSync(join(desk.out, 'share/doc/example'), 'utf8'), '#!/bin/sh\n')
  t.false(existsSync(join(desk.out, 'share/info/dir')))
  t.false(existsSync(join(desk.out, 'lib/libx.la')))
  t.true(existsSync(join(desk.out, 'lib/libx.a')))
  t.regex(stdout, /left as it is: #!\/usr\/bin\/not-a-program -x/)
})
