import { local, out, recipe, steps, tarball } from 'abnpkg'
import { busyboxFiles } from './busybox-files.ts'
import { compile, objects, sources } from './compile.ts'
import { kit } from './kit.ts'
import { tcc } from './tcc.ts'

const cc = `${tcc}/bin/tcc`

const flags = [
  ...['-w', '-I/build/include', '-I/build/libbb', '-include', 'autoconf.h'],
  '-D__attribute__=__attribute__', // or a header turns __attribute__ off for tcc, and PACKED is lost silently
  ...['-funsigned-char', '-D_GNU_SOURCE', '-DNDEBUG', '-D_FILE_OFFSET_BITS=64', '-DBB_VER="1.35.0"'],
]

/** Where applets and their help are declared; od.c includes one file more. */
const declaring = [...sources(busyboxFiles), 'coreutils/od_bloaty.c']

const links = `
for applet in $(bin/busybox --list); do
  [ $applet = busybox ] || bin/busybox ln -s busybox bin/$applet || exit 1
done
`

export const busybox = recipe({
  name: 'busybox',
  version: '1.35.0',
  summary: 'shell and many small Unix tools in one program',
  homepage: 'https://busybox.net/',
  license: 'GPL-2.0-only',

  sources: [
    tarball({
      urls: [
        'https://busybox.net/downloads/busybox-{version}.tar.bz2',
        'mirror://debian/pool/main/b/busybox/busybox_{version}.orig.tar.bz2',
      ],
      sha256: 'faeeb244c35a348a334f4a59e44626ee870fb07b6884d68c10ae8bc19f83a694',
      patches: ['recipes/patches/busybox.patch'],
    }),
    local('recipes/files/busybox.config', { to: 'abn/config' }),
  ],

  // what the makefiles do with a shell and sed, done with kit: there is no shell yet
  build: steps({
    directories: [`${out}/bin`],
    files: [
      {
        path: 'include/common_bufsiz.h',
        text: 'enum { COMMON_BUFSIZE = 1024 };\nextern char bb_common_bufsiz1[];\n#define setup_common_bufsiz() ((void)0)\n',
      },
    ],
    steps: [
      [`${kit}/bin/kit`, 'autoconf', 'abn/config', 'include/autoconf.h', '.'],
      [`${kit}/bin/kit`, 'applets', 'include/applets.src.h', 'include/applets.h', ...declaring],
      [`${kit}/bin/kit`, 'usage', 'include/usage.src.h', 'include/usage.h', ...declaring],
      [cc, '-Iinclude', '-o', 'applets/applet_tables', 'applets/applet_tables.c'],
      [cc, '-Iinclude', '-o', 'applets/usage', 'applets/usage.c'],
      ['/build/applets/applet_tables', 'include/applet_tables.h', 'include/NUM_APPLETS.h'],
      ['/build/applets/usage', 'include/usage_compressed.h'],
      ...compile([cc, ...flags], busyboxFiles),
      [cc, '-o', `${out}/bin/busybox`, ...objects(busyboxFiles)],
      { args: [`${out}/bin/busybox`, 'sh', '-c', links], cwd: out },
    ],
  }),
  smoke: [['bin/busybox', 'sh', '-c', 'test $((6 * 7)) = 42']],
  provides: { sh: 'bin/sh', env: 'bin/env' },
})
