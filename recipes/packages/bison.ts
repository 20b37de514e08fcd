import { gnuBuild, recipe, tarball } from 'abnpkg'
import { m4 } from './m4.ts'
import { toolchain } from './toolchain.ts'

export const bison = recipe({
  name: 'bison',
  version: '3.8.2',
  summary: 'makes parsers',
  homepage: 'https://www.gnu.org/software/bison/',
  license: 'GPL-3.0-or-later',

  source: tarball({
    urls: ['mirror://debian/pool/main/b/bison/bison_{version}+dfsg.orig.tar.xz'],
    sha256: 'dff8a3c96dd34121828f62a7fa49e1f7765815b89e59f564e8d2a9e71c177be5',
  }),

  tools: [m4, toolchain],

  // What the archive lacks, the manual and the examples taken from it, is made out to be there and up to date.
  build: gnuBuild({
    configure: {
      before:
        'mkdir doc/figs && touch doc/bison.texi doc/figs/example.txt doc/figs/example-reduce.txt doc/figs/example-shift.txt',
    },
    build: { before: 'touch doc/bison.1 doc/bison.info doc/bison.info.bak examples/extracted.stamp' },
    check: { off: 'it compares messages with the help of Perl' },
    make: ['INFO_DEPS=', 'extracted=', 'PERL=true', 'MAKEINFO=true'],
  }),
  smoke: [['bin/bison', '--version']],
})
