import { out, recipe, steps, tarball } from 'abnpkg'
import { compile, objects } from './compile.ts'
import { kit } from './kit.ts'
import { muslFiles } from './musl-files.ts'
import { tccBoot } from './seed.ts'
import { tccSource } from './tcc-source.ts'

const tcc = `${tccBoot}/bin/tcc`
const include = `${out}/include`
const lib = `${out}/lib`

const flags = ['-nostdinc', '-w', '-std=c99', '-D_XOPEN_SOURCE=700']
const searched = ['arch/x86_64', 'arch/generic', 'src/include', 'src/internal'].map((d) => `-I/build/${d}`)

/** Run-time functions that code compiled by tcc calls. They live in libc.a, because they need libc and libc needs them. */
const runtime = { 'tcc/lib': 'libtcc1 va_list alloca86_64.S alloca86_64-bt.S' }

/** Programs ask for these libraries by name; musl has everything in libc.a. */
const empty = ['m', 'pthread', 'rt', 'dl', 'util', 'crypt', 'resolv', 'xnet'].map((name) => `lib${name}.a`)

export const musl = recipe({
  name: 'musl',
  version: '1.2.3',
  summary: 'C library for static programs',
  homepage: 'https://musl.libc.org/',
  license: 'MIT',

  sources: [
    tarball({
      urls: [
        'https://musl.libc.org/releases/musl-{version}.tar.gz',
        'mirror://debian/pool/main/m/musl/musl_{version}.orig.tar.gz',
      ],
      sha256: '7d5b0b6062521e4627e099e4c9dc8248d32a30285e959b7eecaa780cf8cfd4a4',
      patches: ['recipes/patches/musl.patch'],
    }),
    tccSource('tcc'),
  ],
  build: steps({
    directories: [`${include}/bits`, lib],
    files: [
      { path: 'src/internal/version.h', text: '#define VERSION "1.2.3"\n' },
      { path: 'empty.c', text: '' },
    ],
    steps: [
      [`${kit}/bin/kit`, 'copy', 'include', include],
      [`${kit}/bin/kit`, 'copy', 'arch/generic/bits', 'arch/x86_64/bits', `${include}/`],
      [
        `${kit}/bin/kit`,
        'alltypes',
        'arch/x86_64/bits/alltypes.h.in',
        'include/alltypes.h.in',
        `${include}/bits/alltypes.h`,
      ],
      [`${kit}/bin/kit`, 'syscalls', 'arch/x86_64/bits/syscall.h.in', `${include}/bits/syscall.h`],
      ...compile([tcc, ...flags, ...searched, `-I${include}`], muslFiles),
      ...compile([tcc, '-nostdinc', '-I/build/tcc/include'], { ...runtime, 'tcc/lib/': 'dsohandle' }),
      [tcc, '-ar', 'rcs', `${lib}/libc.a`, ...objects(muslFiles), ...objects(runtime)],
      ...['libtcc1.a', ...empty].map((name) => [tcc, '-ar', 'rcs', `${lib}/${name}`, 'tcc/lib/dsohandle.o']),
      [tcc, ...flags, ...searched, `-I${include}`, '-o', `${lib}/crt1.o`, '-c', 'crt/crt1.c'],
      // tcc writes no .init and .fini sections; nothing stands between crti.o and crtn.o
      [tcc, '-o', `${lib}/crti.o`, '-c', 'empty.c'],
      [tcc, '-o', `${lib}/crtn.o`, '-c', 'empty.c'],
    ],
  }),
})
