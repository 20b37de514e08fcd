import { gnuBuild, recipe, tarball } from 'abnpkg'
import { busybox } from './busybox.ts'
import { tcc } from './tcc.ts'

export const make = recipe({
  name: 'make',
  version: '4.4.1',
  summary: 'builds programs from makefiles',
  homepage: 'https://www.gnu.org/software/make/',
  license: 'GPL-3.0-or-later',

  // without the manual, which is why the upstream archive has another hash
  source: tarball({
    urls: ['mirror://debian/pool/main/m/make-dfsg/make-dfsg_{version}.orig.tar.xz'],
    sha256: '3b16b00ea1079af9f8096bbc71ff7cc00c249fc6a862003da3c42308a0adb0fe',
  }),

  tools: [tcc, busybox],
  env: { AR: 'tcc -ar', RANLIB: 'true' },

  build: gnuBuild({
    configure: {
      before: 'mkdir doc && : > doc/Makefile.in',
      args: ['--without-guile', '--disable-load', 'CFLAGS='],
    },
    build: { replace: 'sh build.sh' },
    check: { off: 'the test suite is written in Perl' },
    install: { files: { 'bin/make': 'make' } },
  }),
  smoke: [['bin/make', '--version']],
})
