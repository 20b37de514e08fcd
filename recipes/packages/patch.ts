import { gnuBuild, recipe, tarball } from 'abnpkg'
import { bash } from './bash.ts'
import { toolchain } from './toolchain.ts'

export const patch = recipe({
  name: 'patch',
  version: '2.7.6',
  summary: 'applies the differences that diff found',
  homepage: 'https://www.gnu.org/software/patch/',
  license: 'GPL-3.0-or-later',

  source: tarball({
    urls: [
      'mirror://gnu/patch/patch-{version}.tar.xz',
      'mirror://debian/pool/main/p/patch/patch_{version}.orig.tar.xz',
    ],
    sha256: 'ac610bda97abe0d9f6b7c963255a11dcb196c25e337c61f94e4778d632f1d8fd',
  }),

  tools: [bash, toolchain], // bash for the tests

  build: gnuBuild({
    // need-filename wants "ed - FILE", which busybox's ed does not understand; the others are expected to fail upstream
    check: ['check', `LOG_COMPILER=${bash}/bin/bash`, 'XFAIL_TESTS=need-filename dash-o-append context-format'],
  }),
  smoke: [['bin/patch', '--version']],
})
