import { gnuBuild, recipe, tarball } from 'abnpkg'
import { m4 } from './m4.ts'
import { toolchain } from './toolchain.ts'

export const flex = recipe({
  name: 'flex',
  version: '2.6.4',
  summary: 'makes scanners',
  homepage: 'https://github.com/westes/flex',
  license: 'BSD-2-Clause',

  source: tarball({
    urls: [
      'https://github.com/westes/flex/releases/download/v{version}/flex-{version}.tar.gz',
      'mirror://debian/pool/main/f/flex/flex_{version}.orig.tar.gz',
    ],
    sha256: 'e87aae032bf07c26f85ac0ed3250998c37621d95f8bd748b31f15b33c45ee995',
  }),

  tools: [m4, toolchain],
  env: { CC_FOR_BUILD: 'tcc' },

  build: gnuBuild({
    configure: ['--disable-shared'],
    // there is no C++
    check: { before: "sed -i -E 's/[a-z_]*cxx_[a-z_.0-9]*\\$\\(EXEEXT\\)//g; s/^\\tcxx_yywrap.i3$//' tests/Makefile" },
  }),
  smoke: [['bin/flex', '--version']],
})
