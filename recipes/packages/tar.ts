import { gnuBuild, recipe, tarball } from 'abnpkg'
import { toolchain } from './toolchain.ts'

export const tar = recipe({
  name: 'tar',
  version: '1.34',
  summary: 'archiver',
  homepage: 'https://www.gnu.org/software/tar/',
  license: 'GPL-3.0-or-later',

  // without the manual, which is why the upstream archive has another hash
  source: tarball({
    urls: ['mirror://debian/pool/main/t/tar/tar_{version}+dfsg.orig.tar.xz'],
    sha256: '7d57029540cb928394defb3b377b3531237c947e795b51aa8acac0c5ba0e4844',
  }),

  tools: [toolchain],

  build: gnuBuild({ check: { before: 'export TESTSUITEFLAGS="-j$ABN_CORES"' } }),
  smoke: [['bin/tar', '--version']],
})
