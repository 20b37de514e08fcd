import { file, gnuBuild, recipe, tarball } from 'abnpkg'
import { library, shell } from './shell.ts'

export const again = shell
export const version = '2.10'

export const hello = recipe({
  name: 'hello',
  version,
  summary: 'says hello',
  homepage: 'https://www.gnu.org/software/hello/',
  license: 'GPL-3.0-or-later',

  source: tarball({
    urls: ['mirror://gnu/{name}/{name}-{version}.tar.gz'],
    sha256: '1111111111111111111111111111111111111111111111111111111111111111',
    size: 725946,
    patches: ['recipes/patches/a.patch'],
  }),
  patches: [
    file({
      urls: ['https://example.org/b.patch'],
      sha256: '2222222222222222222222222222222222222222222222222222222222222222',
    }),
  ],

  tools: [[shell]],
  libraries: [library],

  build: gnuBuild(),
  env: { CFLAGS: '-O2' },
  smoke: [['bin/hello', '--version']],
})
