// The scripts of gnuBuild and makeBuild, word for word: test/recipes/scripts. ACCEPT=1 writes them anew.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { gnuBuild, makeBuild } from '../../recipes/api/index.ts'
import type { Build, BuildContext } from '../../recipes/api/plan.ts'
import { context, scriptOf } from './build-script.ts'

const directory = join(import.meta.dirname, 'scripts')

const scripts: Readonly<Record<string, { readonly build: Build; readonly context?: Partial<BuildContext> }>> = {
  'gnu-plain': { build: gnuBuild() },
  'gnu-configure': {
    build: gnuBuild({
      configure: ['--enable-nls', '--with-shell=@{out}/bin/sh', "--title=it's here", '--prefix=@{out}/libexec'],
      omit: ['--build'],
      make: ['V=1', 'CFLAGS=-O2 -g'],
    }),
  },
  'gnu-phases': {
    build: gnuBuild({
      directory: 'src',
      buildDirectory: 'objects/all',
      configure: {
        before: 'touch a',
        args: ['--disable-shared'],
        after: '\n      touch b\n      if true; then\n        touch c\n      fi\n    ',
      },
      build: { args: ['-C', 'lib'] },
      check: { off: 'needs perl' },
      install: { files: { 'bin/a': 'src/a', 'bin/b': 'b c', 'share/man/man1/a.1': 'a.1', top: 'top' } },
      fixup: { off: 'nothing to do' },
      parallel: false,
    }),
  },
  'gnu-hand-written-configure': { build: gnuBuild({ omit: 'all', configure: ['--static', '--prefix=@{out}'] }) },
  'gnu-outputs': { build: gnuBuild({ check: { replace: './test' } }), context: { outputs: ['dev', 'out'] } },
  'make-plain': { build: makeBuild() },
  'make-phases': {
    build: makeBuild({
      directory: 'src',
      make: ['AR=ar rc', 'PREFIX=@{out}/usr', 'MYLIBS='],
      configure: { replace: './configure --static' },
      build: ['all', 'extra'],
      check: ['test'],
      install: { after: 'rm @{out}/bin/x' },
    }),
  },
}

for (const [name, { build, context: more }] of Object.entries(scripts)) {
  test(name, (t) => {
    const path = join(directory, `${name}.sh`)
    const script = scriptOf(build({ ...context, ...more }))
    if (process.env.ACCEPT === '1') writeFileSync(path, script)
    t.is(script, readFileSync(path, 'utf8'))
  })
}

test('no script is left over', (t) => {
  const names = readdirSync(directory).filter((name) => name.endsWith('.sh'))
  t.deepEqual(
    names.sort(),
    Object.keys(scripts)
      .map((name) => `${name}.sh`)
      .sort(),
  )
})

test('the environment of a build', (t) => {
  const plan = gnuBuild()({ ...context, libraries: ['/abn/store/zlib', '/abn/store/xz'] })
  t.deepEqual(plan.env, {
    AR: 'ar',
    CC: 'tcc',
    CFLAGS: '',
    CONFIG_SHELL: '/abn/store/busybox/bin/sh',
    CPPFLAGS: '-I/abn/store/zlib/include -I/abn/store/xz/include',
    LDFLAGS: '-L/abn/store/zlib/lib -L/abn/store/xz/lib',
    PKG_CONFIG_PATH: '/abn/store/zlib/lib/pkgconfig:/abn/store/xz/lib/pkgconfig',
    SHELL: '/abn/store/busybox/bin/sh',
  })
  t.deepEqual(plan.steps, [['/abn/store/busybox/bin/sh', '.abn/build.sh']])
})

test('flags of the toolchain come after those of the libraries', (t) => {
  const plan = gnuBuild()({ ...context, libraries: ['/abn/store/zlib'], variables: { LDFLAGS: '-static' } })
  t.is(plan.env?.LDFLAGS, '-L/abn/store/zlib/lib -static')
})
