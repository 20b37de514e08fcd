import { local, out, recipe, steps } from 'abnpkg'
import { busybox } from './busybox.ts'
import { musl } from './musl.ts'
import { tcc } from './tcc.ts'

export const ar = recipe({
  name: 'ar',
  version: '1',
  summary: 'ar and ranlib for static libraries, always with the same bits',
  license: 'MPL-2.0',

  source: local('recipes/files/ar.c'),
  build: steps({
    directories: [`${out}/bin`],
    steps: [
      [`${tcc}/bin/tcc`, '-o', `${out}/bin/ar`, 'ar.c'],
      [`${busybox}/bin/ln`, '-s', 'ar', `${out}/bin/ranlib`],
    ],
  }),
  smoke: [['bin/ar', 't', `${musl}/lib/libc.a`]],
  provides: { variables: { AR: 'ar', RANLIB: 'ranlib', STRIP: 'true' } },
})
