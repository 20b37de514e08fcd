import { makeBuild, out, recipe, tarball } from 'abnpkg'
import { toolchain } from './toolchain.ts'

export const bzip2 = recipe({
  name: 'bzip2',
  version: '1.0.8',
  summary: 'compressor that sorts blocks',
  homepage: 'https://sourceware.org/bzip2/',
  license: 'bzip2-1.0.6',

  source: tarball({
    urls: [
      'https://sourceware.org/pub/bzip2/bzip2-{version}.tar.gz',
      'mirror://debian/pool/main/b/bzip2/bzip2_{version}.orig.tar.gz',
    ],
    sha256: 'ab5a03176ee106d3f0fa90e381da478ddae405918153cca248e682cd0c4a2269',
  }),

  tools: [toolchain],

  build: makeBuild({
    make: ['CFLAGS=-D_FILE_OFFSET_BITS=64'],
    build: ['libbz2.a', 'bzip2', 'bzip2recover'],
    check: ['test'],
    install: { after: `mkdir ${out}/share && mv ${out}/man ${out}/share/man` },
  }),
  smoke: [['bin/bzip2', '--help']],
})
