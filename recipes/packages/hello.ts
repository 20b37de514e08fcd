import { gnuBuild, recipe, tarball } from 'abnpkg'
import { toolchain } from './toolchain.ts'

export const hello = recipe({
  name: 'hello',
  version: '2.10',
  summary: 'prints a friendly greeting',
  homepage: 'https://www.gnu.org/software/hello/',
  license: 'GPL-3.0-or-later',

  source: tarball({
    urls: [
      'mirror://gnu/hello/hello-{version}.tar.gz',
      'mirror://debian/pool/main/h/hello/hello_{version}.orig.tar.gz',
    ],
    sha256: '31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b',
  }),

  tools: [toolchain],

  build: gnuBuild(),
  smoke: [['bin/hello']],
})
