import { local, out, recipe, steps } from 'abnpkg'
import { tccBoot } from './seed.ts'

export const kit = recipe({
  name: 'kit',
  version: '1',
  summary: 'the file operations that the chain needs before it has a shell',
  license: 'MPL-2.0',
  hidden: true,

  source: local('recipes/files/kit.c', { to: 'kit.c' }),
  build: steps({
    directories: [`${out}/bin`],
    steps: [[`${tccBoot}/bin/tcc`, '-nostdinc', '-nostdlib', '-static', '-o', `${out}/bin/kit`, 'kit.c']],
  }),
})
