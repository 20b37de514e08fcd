import { local, out, recipe, steps } from 'abnpkg'
import { tccSource } from './tcc-source.ts'

/** The stages below tcc, one recipe each, as bootstrap/ladder.ts has them; each program is made by the one before it. */
const stage = { version: '1', license: 'MPL-2.0', hidden: true }
const made = (name: string) => `${out}/bin/${name}`
const directories = [`${out}/bin`]

export const hex0 = recipe({
  ...stage,
  name: 'hex0',
  summary: 'the seed: bytes from hexadecimal digits',
  sources: [local('bootstrap/hex0/seed.bin', { executable: true }), local('bootstrap/hex0/hex0.hex0')],
  build: steps({ directories, steps: [['/build/seed.bin', 'hex0.hex0', made('hex0')]] }),
})

export const link = recipe({
  ...stage,
  name: 'link',
  summary: 'linker: adds labels',
  source: local('bootstrap/link/link.hex0'),
  build: steps({ directories, steps: [[`${hex0}/bin/hex0`, 'link.hex0', made('link')]] }),
})

export const abl = recipe({
  ...stage,
  name: 'abl',
  summary: 'compiler of the systems language Abl',
  source: local('bootstrap/abl/abl.link'),
  build: steps({ directories, steps: [[`${link}/bin/link`, 'abl.link', made('abl')]] }),
})

/** The modules of cc in the order in which abl must read them. */
const ccModules = 'lib lex keyword macro directive types node emit expr operand gen decl init stmt'
  .split(' ')
  .map((name) => `cc/${name}.abl`)

export const cc = recipe({
  ...stage,
  name: 'cc',
  summary: 'C compiler, good enough for tcc',
  sources: ccModules.map((path) => local(`bootstrap/${path}`, { to: path })),
  build: steps({ directories, steps: [[`${abl}/bin/abl`, made('cc'), ...ccModules]] }),
})

const libc = [
  ...'libc float stdio string system'.split(' ').map((name) => `libc/${name}.c`),
  ...'assert config errno fcntl inttypes math semaphore setjmp stdarg stddef stdint stdio stdlib string time unistd sys/time'
    .split(' ')
    .map((name) => `libc/include/${name}.h`),
]

/** tcc with our small C library: made by cc, and once more by itself. */
export const tccBoot = recipe({
  ...stage,
  name: 'tcc-boot',
  summary: 'tcc that needs no C library and has none',
  license: 'LGPL-2.1-or-later',
  sources: [
    tccSource('tcc-source'),
    ...['tcc/unit.c', ...libc].map((path) => local(`bootstrap/${path}`, { to: path })),
  ],
  build: steps({
    directories,
    steps: [
      [`${cc}/bin/cc`, '-Ilibc/include', '-Itcc-source', 'tcc1', 'tcc/unit.c'],
      [
        '/build/tcc1',
        ...['-nostdinc', '-Ilibc/include', '-Itcc-source/include', '-Itcc-source', '-nostdlib', '-static'],
        ...['-o', made('tcc'), 'tcc/unit.c'],
      ],
    ],
  }),
  smoke: [['bin/tcc', '-v']],
})
