import { gnuBuild, recipe, tarball } from 'abnpkg'
import { toolchain } from './toolchain.ts'

export const findutils = recipe({
  name: 'findutils',
  version: '4.9.0',
  summary: 'finds files: find, xargs, locate',
  homepage: 'https://www.gnu.org/software/findutils/',
  license: 'GPL-3.0-or-later',

  source: tarball({
    urls: [
      'mirror://gnu/findutils/findutils-{version}.tar.xz',
      'mirror://debian/pool/main/f/findutils/findutils_{version}.orig.tar.xz',
    ],
    sha256: 'a2bfb8c09d436770edc59f50fa483e785b161a3b7b9d547573cb08065fd462fe',
  }),

  tools: [toolchain],

  build: gnuBuild({
    // exec-plus-last-file wants "seq -f", which busybox's seq does not have
    check: { before: "sed -i 's,tests/find/exec-plus-last-file.sh,,' Makefile" },
  }),
  smoke: [
    ['bin/find', '--version'],
    ['bin/xargs', '--version'],
  ],
})
