import { gnuBuild, recipe, tarball } from 'abnpkg'
import { toolchain } from './toolchain.ts'

export const gzip = recipe({
  name: 'gzip',
  version: '1.12',
  summary: 'compressor',
  homepage: 'https://www.gnu.org/software/gzip/',
  license: 'GPL-3.0-or-later',

  source: tarball({
    urls: ['mirror://gnu/gzip/gzip-{version}.tar.xz', 'mirror://debian/pool/main/g/gzip/gzip_{version}.orig.tar.xz'],
    sha256: 'ce5e03e519f637e1f814011ace35c4f87b33c0bbabeec35baf5fbd3479e91956',
  }),

  tools: [toolchain],

  build: gnuBuild(),
  smoke: [['bin/gzip', '--version']],
})
