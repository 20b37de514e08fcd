// Environments of real packages: what a person makes phase by phase is what `build` makes, and a container has a shell that works.
//
// Builds lua and what it needs from the seed. ABNPKG_SOURCE_CACHE is used if it is set.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { launcher } from '../_support/channel.ts'
import { temporaryDirectory } from '../_support/temporary.ts'

test.serial('develop: the phases by hand make the bits that build makes', (t) => {
  const directory = temporaryDirectory(t)
  const desk = join(directory, 'desk')
  mkdirSync(desk)
  const env = { ...process.env, ABNPKG_ROOT: join(directory, 'root'), HOME: directory, SHELL: '/bin/sh' }
  const abnpkg = (args: readonly string[], input = '') => {
    const { stdout, stderr, status } = spawnSync(launcher, args, { env, cwd: desk, input, encoding: 'utf8' })
    return { stdout: stdout.trim(), stderr, status }
  }
  const whole = (args: readonly string[], input = '') => {
    const { stdout, stderr, status } = abnpkg(args, input)
    t.is(status, 0, stderr)
    return stdout
  }
  whole(['develop', 'lua', '--', 'configure'])
  whole(['develop', 'lua', '--', 'build'])
  t.true(existsSync(join(desk, 'lua-5.4.4/src/lua')))
  // As a person types it: a shell that reads its commands.
  const typed = whole(['develop', 'lua'], '. "$ENV"\ncheck && install && fixup && echo "all of $phases"\n')
  t.regex(typed, /^all of configure build check install fixup$/m)
  const built = whole(['build', 'lua'])
  // In the store, the name of the item would be part of what is hashed.
  cpSync(built, join(directory, 'built'), { recursive: true })
  t.is(whole(['hash', join(desk, 'lua-5.4.4/.abn/outputs/out')]), whole(['hash', join(directory, 'built')]))

  // A mistake in the sources is a failing phase, and its status.
  writeFileSync(join(desk, 'lua-5.4.4/src/lua.c'), 'mistake\n')
  t.not(abnpkg(['develop', 'lua', '--', 'build']).status, 0)

  // A container without a command has the shell of busybox, when that is what there is, and files are the user's.
  t.is(
    whole(['shell', 'lua', 'busybox', '--container'], 'lua -e "print(6*7)"; echo mine > made; ls /\n').replaceAll(
      /\s+/g,
      ' ',
    ),
    '42 abn bin dev etc proc tmp usr',
  )
  t.is(readFileSync(join(desk, 'made'), 'utf8'), 'mine\n')
})
