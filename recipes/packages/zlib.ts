import { gnuBuild, out, recipe, tarball } from 'abnpkg'
import { toolchain } from './toolchain.ts'

export const zlib = recipe({
  name: 'zlib',
  version: '1.3.1',
  summary: 'compression library',
  homepage: 'https://zlib.net/',
  license: 'Zlib',

  // without contrib/, which is why the upstream archive has another hash
  source: tarball({
    urls: ['mirror://debian/pool/main/z/zlib/zlib_1.3.dfsg+really{version}.orig.tar.gz'],
    sha256: '60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb',
  }),

  tools: [toolchain],

  build: gnuBuild({
    omit: 'all', // its configure is hand-written
    configure: ['--static', `--prefix=${out}`],
    install: { after: `mkdir ${out}/bin && cp minigzip ${out}/bin` }, // the example is the smoke test
  }),
  smoke: [['bin/minigzip']], // compresses its input, which is empty
})
