import { gnuBuild, recipe, tarball } from 'abnpkg'
import { toolchain } from './toolchain.ts'

export const diffutils = recipe({
  name: 'diffutils',
  version: '3.8',
  summary: 'compares files: diff, cmp, diff3, sdiff',
  homepage: 'https://www.gnu.org/software/diffutils/',
  license: 'GPL-3.0-or-later',

  source: tarball({
    urls: [
      'mirror://gnu/diffutils/diffutils-{version}.tar.xz',
      'mirror://debian/pool/main/d/diffutils/diffutils_{version}.orig.tar.xz',
    ],
    sha256: 'a6bdd7d1b31266d11c4f4de6c1b748d4607ab0231af5188fc2533d0ae2438fec',
  }),

  tools: [toolchain],

  // large-subopt is expected to fail, and passes here
  build: gnuBuild({ check: ['check', 'XFAIL_TESTS='] }),
  smoke: [['bin/diff', '--version']],
})
