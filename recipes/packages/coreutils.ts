import { gnuBuild, recipe, tarball } from 'abnpkg'
import { toolchain } from './toolchain.ts'

export const coreutils = recipe({
  name: 'coreutils',
  version: '9.1',
  summary: 'basic tools for files, text and processes',
  homepage: 'https://www.gnu.org/software/coreutils/',
  license: 'GPL-3.0-or-later',

  source: tarball({
    urls: [
      'mirror://gnu/coreutils/coreutils-{version}.tar.xz',
      'mirror://debian/pool/main/c/coreutils/coreutils_{version}.orig.tar.xz',
    ],
    sha256: '61a1f410d78ba7e7f37a5a4f50e6d1320aca33375484a3255eddf17a38580423',
  }),

  tools: [toolchain],

  build: gnuBuild({ configure: ['--enable-no-install-program=stdbuf'] }),
  smoke: [
    ['bin/ls', '--version'],
    ['bin/sha256sum', '--version'],
  ],
})
