import { out, recipe, steps } from 'abnpkg'
import { musl } from './musl.ts'
import { tccBoot } from './seed.ts'
import { tccSource, tccVersion } from './tcc-source.ts'

const options = {
  TCC_VERSION: '0.9.27',
  CONFIG_TCCDIR: `${musl}/lib`,
  CONFIG_TCC_SYSINCLUDEPATHS: `${musl}/include`,
  CONFIG_TCC_LIBPATHS: `${musl}/lib`,
  CONFIG_TCC_CRTPREFIX: `${musl}/lib`,
  CONFIG_TCC_ELFINTERP: `${musl}/lib/none`, // static programs only
}

export const tcc = recipe({
  name: 'tcc',
  version: tccVersion,
  summary: 'small and quick C compiler, for static programs with musl',
  homepage: 'https://bellard.org/tcc/',
  license: 'LGPL-2.1-or-later',

  source: tccSource(),
  build: steps({
    directories: [`${out}/bin`],
    files: [{ path: 'config.h', text: '' }],
    steps: [
      [
        `${tccBoot}/bin/tcc`,
        ...['-nostdinc', `-I${musl}/include`, '-nostdlib', '-static'],
        ...['-DONE_SOURCE=1', '-DTCC_TARGET_X86_64=1', '-DTCC_MUSL=1', '-DCONFIG_TCC_STATIC=1'],
        ...Object.entries(options).map(([name, value]) => `-D${name}="${value}"`),
        ...['-o', `${out}/bin/tcc`, `${musl}/lib/crt1.o`, 'tcc.c', `${musl}/lib/libc.a`],
      ],
    ],
  }),
  smoke: [['bin/tcc', '-v']],
  // CFLAGS is empty because configure would take "-g -O2": -g writes the directory of the build into every program
  provides: { variables: { CC: 'tcc', LD: 'tcc', CFLAGS: '' } },
})
