import { local, out, recipe, steps } from 'abnpkg'

export const tool = recipe({
  name: 'tool',
  version: '1',
  summary: 'program of many verbs that builds the others',
  license: 'MPL-2.0',
  source: local('recipes/files/tool', { executable: true }),
  build: steps({ directories: [`${out}/bin`], steps: [['/build/tool', 'copy', 'tool', `${out}/bin/tool`]] }),
  smoke: [['bin/tool', 'print', 'works']],
  hidden: true,
})
