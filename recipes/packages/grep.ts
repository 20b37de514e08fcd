import { gnuBuild, recipe, tarball } from 'abnpkg'
import { toolchain } from './toolchain.ts'

export const grep = recipe({
  name: 'grep',
  version: '3.8',
  summary: 'finds lines that match a pattern',
  homepage: 'https://www.gnu.org/software/grep/',
  license: 'GPL-3.0-or-later',

  source: tarball({
    urls: ['mirror://gnu/grep/grep-{version}.tar.xz', 'mirror://debian/pool/main/g/grep/grep_{version}.orig.tar.xz'],
    sha256: '498d7cc1b4fb081904d87343febb73475cf771e424fb7e6141aff66013abc382',
  }),

  tools: [toolchain],

  build: gnuBuild({ configure: ['--disable-perl-regexp'] }),
  smoke: [['bin/grep', '--version']],
})
