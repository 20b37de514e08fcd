import { local, out, output, recipe, steps } from 'abnpkg'

export const shell = recipe({
  name: 'shell',
  version: '1.35',
  summary: 'a shell',
  license: 'GPL-2.0-only',
  hidden: true,
  outputs: ['out', 'doc'],
  source: local('recipes/files/shell.c', { to: 'src/shell.c' }),
  build: steps({
    directories: [`${out}/bin`],
    steps: [{ args: ['/seed/cc', 'shell.c'], cwd: 'src', parallel: true }],
  }),
  provides: { sh: 'bin/sh', variables: { CC: 'cc' } },
})

const helper = recipe({
  name: 'helper',
  version: '1',
  summary: 'not exported',
  license: 'MIT',
  build: steps([['/x', `${shell}`]]),
})

export const library = recipe({
  name: 'library',
  version: '0.9.27+git1',
  summary: 'used by hello',
  license: 'MIT',
  build: steps([['/x', `${helper}/x`, `${output(shell, 'doc')}/y`]]),
})
