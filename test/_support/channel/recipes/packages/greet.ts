import { out, recipe, steps } from 'abnpkg'
import { tool } from './tool.ts'

const greeting = (version: string) =>
  recipe({
    name: 'greet',
    version,
    summary: 'prints its name and what it was told',
    homepage: 'https://example.org/greet/',
    license: 'MPL-2.0',
    tools: [tool],
    build: steps({
      directories: [`${out}/bin`, `${out}/share/greet`],
      steps: [
        ['tool', 'print', 'installing greet', version],
        ['tool', 'copy', `${tool}/bin/tool`, `${out}/bin/greet`],
        ['tool', 'write', `${out}/share/greet/version`, version],
      ],
    }),
    smoke: [['bin/greet']],
  })

export const greet = greeting('1.1.0')
export const greet1 = greeting('1.0.0')
