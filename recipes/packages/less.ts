import { gnuBuild, recipe, tarball } from 'abnpkg'
import { ncurses } from './ncurses.ts'
import { toolchain } from './toolchain.ts'

export const less = recipe({
  name: 'less',
  version: '668',
  summary: 'pager',
  homepage: 'https://www.greenwoodsoftware.com/less/',
  license: 'GPL-3.0-or-later OR BSD-2-Clause',

  source: tarball({
    urls: [
      'https://www.greenwoodsoftware.com/less/less-{version}.tar.gz',
      'mirror://debian/pool/main/l/less/less_{version}.orig.tar.gz',
    ],
    sha256: '2819f55564d86d542abbecafd82ff61e819a3eec967faa36cd3e68f1596a44b8',
  }),

  tools: [toolchain],
  libraries: [ncurses],

  build: gnuBuild({ check: { off: 'its tests need a terminal and Perl' } }),
  smoke: [['bin/less', '--version']],
})
