import { gnuBuild, recipe, tarball } from 'abnpkg'
import { toolchain } from './toolchain.ts'

export const xz = recipe({
  name: 'xz',
  version: '5.4.1',
  summary: 'compressor with high ratios',
  homepage: 'https://tukaani.org/xz/',
  license: 'LGPL-2.1-or-later AND GPL-2.0-or-later',

  source: tarball({
    urls: [
      'https://tukaani.org/xz/xz-{version}.tar.xz',
      'mirror://debian/pool/main/x/xz-utils/xz-utils_{version}.orig.tar.xz',
    ],
    sha256: '5d9827aa1875b21c288f78864bb26d2650b436ea8d2cad364e4921eb6266a5a5',
  }),

  tools: [toolchain],

  build: gnuBuild({ configure: ['--disable-shared', '--disable-assembler'] }),
  smoke: [['bin/xz', '--version']],
})
