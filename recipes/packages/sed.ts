import { gnuBuild, recipe, tarball } from 'abnpkg'
import { toolchain } from './toolchain.ts'

export const sed = recipe({
  name: 'sed',
  version: '4.9',
  summary: 'stream editor',
  homepage: 'https://www.gnu.org/software/sed/',
  license: 'GPL-3.0-or-later',

  source: tarball({
    urls: ['mirror://gnu/sed/sed-{version}.tar.xz', 'mirror://debian/pool/main/s/sed/sed_{version}.orig.tar.xz'],
    sha256: '6e226b732e1cd739464ad6862bd1a1aba42d7982922da7a53519631d24975181',
  }),

  tools: [toolchain],

  build: gnuBuild(),
  smoke: [['bin/sed', '--version']],
})
