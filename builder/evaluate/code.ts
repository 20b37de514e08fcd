/** The parts of abnpkg's own code that an evaluation depends on: the recipe API, this evaluator, the names of mirrors and the formats. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { apiModule, apiPrefix } from './resolve.ts'
import type { ModuleText } from './sandbox.ts'

export const codeRoot = join(import.meta.dirname, '../..')

const API = join(codeRoot, 'recipes/api')
const MIRRORS = join(codeRoot, 'builder/fetch/mirrors.ts')

/** Absolute paths. */
export function listCode(): { readonly files: readonly string[]; readonly directories: readonly string[] } {
  const directories = [API, import.meta.dirname, join(codeRoot, 'format')]
  return {
    files: [...directories.flatMap((directory) => modulesIn(directory).map((name) => join(directory, name))), MIRRORS],
    directories,
  }
}

/** recipes/api, as the sandbox knows it: 'abnpkg' is noting.ts without what only the sandbox uses. */
export function readApiModules(): readonly ModuleText[] {
  const files = modulesIn(API).map((name) => ({
    id: `${apiPrefix}${name}`,
    text: readFileSync(join(API, name), 'utf8'),
  }))
  return [{ id: apiModule, text: `export { ${API_NAMES.join(', ')} } from './noting.ts'` }, ...files]
}

/** Those of recipes/api/index.ts. */
export const API_NAMES = [
  ...['file', 'git', 'gnuBuild', 'local', 'makeBuild', 'out', 'output', 'parallel', 'quote', 'recipe', 'steps'],
  ...['tarball', 'zip'],
] as const

function modulesIn(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.ts'))
    .sort()
}
