import { makeBuild, out, recipe, tarball } from 'abnpkg'
import { toolchain } from './toolchain.ts'

export const lua = recipe({
  name: 'lua',
  version: '5.4.4',
  summary: 'small language for scripts and for use in other programs',
  homepage: 'https://www.lua.org/',
  license: 'MIT',

  source: tarball({
    urls: [
      'https://www.lua.org/ftp/lua-{version}.tar.gz',
      'mirror://debian/pool/main/l/lua5.4/lua5.4_{version}.orig.tar.gz',
    ],
    sha256: '164c7849653b80ae67bec4b7473b884bf5cc8d2dca05653475ec2ed27b9ebf61',
  }),

  tools: [toolchain],

  build: makeBuild({
    make: [
      ...['AR=ar rc', 'CFLAGS=-DLUA_COMPAT_5_3 -DLUA_USE_POSIX'],
      ...[`INSTALL_TOP=${out}`, `INSTALL_MAN=${out}/share/man/man1`],
    ],
    configure: { replace: `sed -i 's|"/usr/local/"|"${out}/"|' src/luaconf.h` },
    build: ['-C', 'src', 'all'],
    check: ['test'], // prints the version; the real test suite is an archive of its own
  }),
  smoke: [
    ['bin/lua', '-e', 'assert(string.format("%.14g %d", 2^53, 7 // 2) == "9.007199254741e+15 3")'],
    ['bin/luac', '-v'],
  ],
})
