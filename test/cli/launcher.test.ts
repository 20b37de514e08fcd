import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { house, launcher } from '../_support/channel.ts'

test('the launcher finds its own place through links, relative and absolute', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'abnpkg-test-'))
  try {
    mkdirSync(join(directory, 'bin'))
    symlinkSync(launcher, join(directory, 'first'))
    symlinkSync('../first', join(directory, 'bin/abnpkg'))
    const env = { PATH: `${join(directory, 'bin')}:/usr/bin:/bin`, HOME: directory }
    const { stdout, stderr } = spawnSync('sh', ['-c', 'abnpkg --version'], { cwd: '/', env, encoding: 'utf8' })
    t.regex(stdout, /^abnpkg \d+\.\d+\.\d+\n$/)
    t.is(stderr, '')
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('what the launcher sets for itself is not inherited by programs', (t) => {
  const program = 'import "./cli/main.ts"; process.stderr.write(String(process.env.NODE_COMPILE_CACHE))'
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: house,
    env: { NODE_COMPILE_CACHE: '/nonexistent' },
    encoding: 'utf8',
  })
  t.regex(stderr, /undefined$/)
})

test('without dependencies and without npm it says what is missing', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'abnpkg-test-'))
  try {
    copyFileSync(launcher, join(directory, 'abnpkg'))
    mkdirSync(join(directory, 'bin'))
    symlinkSync('/bin/uname', join(directory, 'bin/uname'))
    const env = { PATH: join(directory, 'bin') }
    const { stderr, status } = spawnSync('/bin/sh', [join(directory, 'abnpkg'), 'list'], { env, encoding: 'utf8' })
    t.regex(stderr, /^error\[ABN_SETUP\]: npm is needed once.*\nhint: install Node/)
    t.is(status, 1)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('dependencies behind a symbolic link are left alone', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'abnpkg-test-'))
  try {
    copyFileSync(launcher, join(directory, 'abnpkg'))
    mkdirSync(join(directory, 'elsewhere'))
    symlinkSync('elsewhere', join(directory, 'node_modules'))
    mkdirSync(join(directory, 'bin'))
    symlinkSync('/bin/uname', join(directory, 'bin/uname'))
    writeFileSync(join(directory, 'bin/npm'), '#!/bin/sh\n: > elsewhere/touched\n', { mode: 0o755 })
    const env = { PATH: join(directory, 'bin') }
    const { stderr, status } = spawnSync('/bin/sh', [join(directory, 'abnpkg'), 'list'], { env, encoding: 'utf8' })
    t.regex(stderr, /^error\[ABN_SETUP\]: .*node_modules is a symbolic link/)
    t.is(status, 1)
    t.deepEqual(readdirSync(join(directory, 'elsewhere')), [])
  } finally {
    rmSync(directory, { recursive: true })
  }
})
