// The tsconfig.json of docs/recipes-api.md, in a directory that knows nothing of this one: the compiler checks recipes there.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { temporaryDirectory } from '../_support/temporary.ts'

const house = join(import.meta.dirname, '../..')

const good = `import { gnuBuild, type Recipe, recipe, tarball } from 'abnpkg'; import { other } from './other.ts'
export const demo: Recipe = recipe({
  name: 'demo', version: '1', summary: 's', license: 'MIT',
  source: tarball({ urls: ['https://example.org/demo-{version}.tar.gz'], sha256: '${'a'.repeat(64)}' }),
  tools: [other, [other]],
  build: gnuBuild({ configure: ['--x'], check: { off: 'why' }, install: { files: { 'bin/a': 'a' } }, omit: ['--build'] }),
})
`
const wrong: Readonly<Record<string, readonly [from: string, to: string]>> = {
  'an unknown field': ['license:', 'licence:'],
  'a missing field': ["summary: 's',", ''],
  'a number for a version': ["version: '1'", 'version: 1'],
  'a text for a tool': ['tools: [other', "tools: ['other'"],
  'a phase that is off without a reason': ["off: 'why'", 'off: true'],
  'an unknown default': ["'--build'", "'--host'"],
}

test('an editor outside of this repository knows the API', (t) => {
  const page = readFileSync(join(house, 'docs/recipes-api.md'), 'utf8')
  const config = /```json\n([^`]*)```/.exec(page)?.[1]
  if (config === undefined) return t.fail('docs/recipes-api.md has no tsconfig.json')
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'recipes/packages'), { recursive: true })
  const write = (path: string, text: string) => writeFileSync(join(directory, path), text)
  write('tsconfig.json', config.replaceAll('/path/to/abnpkg', house))
  write(
    'recipes/packages/other.ts',
    "import { recipe, steps } from 'abnpkg'\nexport const other = recipe({ name: 'b', version: '1', summary: 's', license: 'MIT', build: steps([['x']]) })\n",
  )
  write('recipes/packages/demo.ts', good)
  write(
    'mine.ts',
    "import { type Manifest, manifest } from 'abnpkg'\nexport const a: Manifest = manifest({ packages: ['a', { package: 'b', priority: 5 }] })\n",
  )
  write(
    'wrong-manifest.ts',
    "import { manifest } from 'abnpkg'\nexport const a = manifest({ packages: ['a', { name: 'b' }] })\n",
  )
  for (const [i, [from, to]] of Object.values(wrong).entries())
    write(`recipes/packages/wrong-${i}.ts`, good.replace(from, to))
  const { stdout } = spawnSync(join(house, 'node_modules/.bin/tsc'), ['-p', directory, '--pretty', 'false'], {
    encoding: 'utf8',
  })
  const files = new Set(
    [...stdout.matchAll(/^(\S+?)\(\d+,\d+\): error/gm)].map((match) => match[1]?.replace(/^.*\//, '')),
  )
  t.deepEqual([...files].sort(), [...Object.keys(wrong).map((_, i) => `wrong-${i}.ts`), 'wrong-manifest.ts'], stdout)
})
