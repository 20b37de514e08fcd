// What goes wrong, each in its own way.
import { file, out, recipe, steps } from 'abnpkg'
import { tool } from './tool.ts'

export const broken = recipe({
  name: 'broken',
  version: '1',
  summary: 'fails to build',
  license: 'MPL-2.0',
  tools: [tool],
  build: steps({
    directories: [`${out}/bin`],
    steps: [
      ['tool', 'print', 'looking around'],
      ['tool', 'fail', 'there is no way on'],
    ],
  }),
})

export const noisy = recipe({
  name: 'noisy',
  version: '1',
  summary: 'builds to other bits each time',
  license: 'MPL-2.0',
  tools: [tool],
  build: steps({ directories: [`${out}/share`], steps: [['tool', 'noise', `${out}/share/noise`]] }),
})

export const collider = recipe({
  name: 'collider',
  version: '1',
  summary: 'brings a file that greet has too',
  license: 'MPL-2.0',
  tools: [tool],
  build: steps({
    directories: [`${out}/bin`],
    steps: [['tool', 'copy', `${tool}/bin/tool`, `${out}/bin/greet`]],
  }),
})

export const orphan = recipe({
  name: 'orphan',
  version: '1',
  summary: 'has a source that nobody has',
  license: 'MPL-2.0',
  source: file({ urls: ['http://127.0.0.1:1/orphan'], sha256: 'ab'.repeat(32) }),
  tools: [tool],
  build: steps({ directories: [`${out}/share`], steps: [['tool', 'print', 'never']] }),
})

export const endless = recipe({
  name: 'endless',
  version: '1',
  summary: 'never ends to build',
  license: 'MPL-2.0',
  tools: [tool],
  build: steps({ directories: [`${out}/bin`], steps: [['tool', 'hang']] }),
})
