import { gnuBuild, out, recipe, tarball } from 'abnpkg'
import { toolchain } from './toolchain.ts'

export const ncurses = recipe({
  name: 'ncurses',
  version: '6.4',
  summary: 'library for programs that draw on a terminal',
  homepage: 'https://invisible-island.net/ncurses/',
  license: 'X11-distribute-modifications-variant',

  source: tarball({
    urls: [
      'mirror://gnu/ncurses/ncurses-{version}.tar.gz',
      'mirror://debian/pool/main/n/ncurses/ncurses_{version}.orig.tar.gz',
    ],
    sha256: '6931283d9ac87c5073f30b6290c4c75f21632bb4fc3603ac8100812bed248159',
  }),

  tools: [toolchain],

  build: gnuBuild({
    configure: [
      ...['--without-cxx', '--without-cxx-binding', '--without-ada', '--without-tests', '--without-manpages'],
      ...['--without-debug', '--without-shared', '--disable-stripping'],
      ...['--disable-widec', '--with-termlib', '--enable-overwrite'],
      `--with-default-terminfo-dir=${out}/share/terminfo`,
    ],
    check: { off: 'the test programs need a terminal and a person' },
  }),
  smoke: [['bin/infocmp', 'xterm']],
})
