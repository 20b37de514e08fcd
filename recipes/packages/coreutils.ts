import { gnuBuild, out, recipe, tarball } from 'abnpkg'
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

  build: gnuBuild({
    configure: ['--enable-no-install-program=stdbuf'],
    // an example in the manual that looks as if the output named the directory of the build
    install: { after: `sed -i s,/build,/srv, ${out}/share/info/coreutils.info` },
  }),
  smoke: [
    ['bin/ls', '--version'],
    ['bin/sha256sum', '--version'],
  ],
})
