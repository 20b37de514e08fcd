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
      `INSTALL_TOP=${out}`,
      `INSTALL_MAN=${out}/share/man/man1`,
      'AR=ar rc',
      'SYSCFLAGS=-DLUA_USE_POSIX',
      'SYSLIBS=',
    ],
    configure: { replace: `sed -i 's|"/usr/local/"|"${out}/"|' src/luaconf.h` },
    build: { replace: 'make -C src -j"$ABN_CORES" AR="ar rc" SYSCFLAGS=-DLUA_USE_POSIX SYSLIBS= CC=tcc all' },
    check: {
      replace:
        'src/lua -e "assert(string.format([[%q %.14g %d]], 0.1, 2^53, 7 // 2) == [[0x1.999999999999ap-4 9.007199254741e+15 3]])"',
    },
  }),
  smoke: [
    ['bin/lua', '-v'],
    ['bin/luac', '-v'],
  ],
})
