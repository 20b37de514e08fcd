/** A channel of many packages that build in no time: the small channel of the tests, and so many more. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compileAbl } from '../bootstrap/abl/reference.ts'

const support = join(import.meta.dirname, '../test/_support')

/** Makes it in `directory`, and gives its own; the packages are many-0, many-1 and so on. */
export function channelOfMany(directory: string, count: number): string {
  const channel = join(directory, 'channel')
  cpSync(join(support, 'channel'), channel, { recursive: true })
  mkdirSync(join(channel, 'recipes/files'))
  const tool = compileAbl([readFileSync(join(support, 'tool.abl'), 'utf8')])
  writeFileSync(join(channel, 'recipes/files/tool'), tool, { mode: 0o755 })
  const recipes = Array.from({ length: count }, (_, i) =>
    [
      `export const many${i} = recipe({`,
      `  name: 'many-${i}', version: '1', summary: 'one of many', license: 'MPL-2.0', tools: [tool],`,
      `  build: steps({ directories: [\`\${out}/share\`], steps: [['tool', 'write', \`\${out}/share/text\`, '${i}']] }),`,
      '})',
    ].join('\n'),
  )
  const head = "import { out, recipe, steps } from 'abnpkg'\nimport { tool } from './tool.ts'\n"
  writeFileSync(join(channel, 'recipes/packages/many.ts'), head + recipes.join('\n'))
  return channel
}
