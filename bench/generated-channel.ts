// A channel with as many recipes as one likes, always the same: packages in the usual style with a source, options and up to three
// libraries among those before them, a hundred in a directory, all built with one toolchain.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Channel } from '../builder/evaluate/channel.ts'
import { generator } from './random.ts'

export function generateChannel(directory: string, count: number): Channel {
  const channel: Channel = { name: 'abnpkg', directory, modules: 'recipes/packages' }
  const modules = join(directory, channel.modules)
  mkdirSync(modules, { recursive: true })
  writeFileSync(join(modules, 'toolchain.ts'), toolchain)
  const random = generator(1)
  for (let i = 0; i < count; i++) {
    if (i % 100 === 0) mkdirSync(join(modules, `g${i / 100}`))
    // Few packages are needed by many, and many by few.
    const libraries = Array.from({ length: i === 0 ? 0 : Math.floor(random() * 4) }, () =>
      Math.floor(random() * random() * i),
    )
    const sha256 = Array.from({ length: 64 }, () => Math.floor(random() * 16).toString(16)).join('')
    writeFileSync(
      join(modules, pathOf(i)),
      recipeText(
        i,
        [...new Set(libraries)].sort((a, b) => a - b),
        sha256,
      ),
    )
  }
  return channel
}

/** Of the recipe's module, below the channel's modules. */
export function pathOf(i: number): string {
  return `g${Math.floor(i / 100)}/p${i}.ts`
}

const toolchain = `import { recipe, steps } from 'abnpkg'

const base = { version: '1', license: 'MIT', build: steps([['/bin/true', '@{out}']]) }

export const shell = recipe({ ...base, name: 'shell', summary: 'a shell', provides: { sh: 'bin/sh' } })

export const cc = recipe({ ...base, name: 'cc', summary: 'a compiler', tools: [shell], provides: { variables: { CC: 'cc' } } })

export const toolchain = [shell, cc]
`

function recipeText(i: number, libraries: readonly number[], sha256: string): string {
  const [first] = libraries
  const option = first === undefined ? '' : `, \`--with-first=\${p${first}}/lib\``
  return `import { gnuBuild, recipe, tarball } from 'abnpkg'
${importText('toolchain', 'toolchain.ts')}
${libraries.map((j) => importText(`p${j}`, pathOf(j))).join('\n')}
export const p${i} = recipe({
  name: 'p${i}',
  version: '${1 + (i % 7)}.${i % 13}',
  summary: 'generated package number ${i} with word${i % 97}',
  homepage: 'https://example.org/p${i}/',
  license: 'GPL-3.0-or-later',

  source: tarball({
    urls: ['mirror://gnu/p${i}/{name}-{version}.tar.gz'],
    sha256: '${sha256}',
  }),

  tools: [toolchain],
  libraries: [${libraries.map((j) => `p${j}`).join(', ')}],

  build: gnuBuild({ configure: ['--disable-nls', '--without-${i}'${option}] }),
  smoke: [['bin/p${i}', '--version']],
})
`
}

function importText(name: string, path: string): string {
  return `import { ${name} } from '../${path}'`
}
