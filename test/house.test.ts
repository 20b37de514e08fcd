// The house keeps its shape: who may import whom, what a module looks like, what never stands in the tree.
// The rules are those of ARCHITECTURE.md; a module that needs an exception names it in a table here.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, normalize } from 'node:path'
import test from 'ava'

const house = join(import.meta.dirname, '..')
const skipped = new Set(['node_modules', '.git', '.cache'])

/** Which rooms (or single modules) a room may import; the longest matching name is a module's room. */
const mayImport: Record<string, readonly string[]> = {
  format: [],
  store: ['format'],
  trust: ['format'],
  'recipes/api': ['format'],
  'recipes/packages': ['recipes/packages'],
  bootstrap: ['format'],
  builder: ['format', 'store', 'trust', 'recipes/api', 'bootstrap/abl/reference.ts'],
  'cache-server': ['format', 'trust'],
  cli: ['format', 'store', 'trust', 'recipes/api', 'bootstrap', 'builder', 'cache-server'],
  docs: ['format'],
  bench: ['format', 'store', 'trust', 'recipes/api', 'bootstrap', 'builder', 'cache-server', 'cli', 'bench'],
  test: [
    'docs',
    'format',
    'store',
    'trust',
    'recipes/api',
    'recipes/packages',
    'bootstrap',
    'builder',
    'cache-server',
    'cli',
    'bench',
  ],
}

/** Modules that are mostly one table. */
const tables = new Set<string>([])

const barrels = new Set(['recipes/api/index.ts'])

type Import = { readonly specifier: string; readonly line: number }

test('imports are found however they are written', (t) => {
  const text = [
    "import './a.ts'",
    "import { b } from './b.ts'",
    "import type {\n  C,\n} from './c.ts'",
    "export { d } from './d.ts'",
    "const e = await LOAD('./e.ts')",
    "type F = LOAD('./f.ts').F",
    "// import './not.ts'",
    'const text = "from \'./not.ts\'"',
  ].join('\n')
  t.deepEqual(
    importsIn(text.replaceAll('LOAD', 'import')).map(({ specifier }) => specifier),
    ['./a.ts', './b.ts', './c.ts', './d.ts', './e.ts', './f.ts'],
  )
  t.true(modules().flatMap(importsOf).length > modules().length)
})

test('imports run one way', (t) => {
  const wrong = modules().flatMap((path) =>
    importsOf(path).flatMap(({ specifier, line }) => {
      if (!specifier.startsWith('.')) return []
      const from = roomOf(path)
      const target = normalize(join(dirname(path), specifier))
      const allowed = [from, ...(mayImport[from] ?? [])]
      return allowed.some((room) => target === room || target.startsWith(`${room}/`))
        ? []
        : [`${path}:${line} imports ${target}`]
    }),
  )
  t.deepEqual(wrong, [])
})

test('recipes import only abnpkg and each other', (t) => {
  const wrong = modules('recipes/packages').flatMap((path) =>
    importsOf(path)
      .filter(({ specifier }) => specifier !== 'abnpkg' && !/^\.{1,2}\/[a-z0-9/._-]+\.ts$/.test(specifier))
      .map(({ specifier, line }) => `${path}:${line} imports ${specifier}`),
  )
  t.deepEqual(wrong, [])
})

test('relative imports name a file that is there, ending in .ts', (t) => {
  const wrong = modules().flatMap((path) =>
    importsOf(path)
      .filter(({ specifier }) => specifier.startsWith('.'))
      .filter(({ specifier }) => !specifier.endsWith('.ts') || !existsSync(join(house, dirname(path), specifier)))
      .map(({ specifier, line }) => `${path}:${line} imports ${specifier}`),
  )
  t.deepEqual(wrong, [])
})

test('packages that a module imports are dependencies', (t) => {
  const manifest: { dependencies: object; devDependencies: object } = JSON.parse(read('package.json'))
  const shipped = new Set([...Object.keys(manifest.dependencies), 'abnpkg'])
  const testing = new Set([...shipped, ...Object.keys(manifest.devDependencies)])
  const wrong = modules().flatMap((path) => {
    const known = /^(test|bench)$/.test(roomOf(path)) ? testing : shipped
    return importsOf(path)
      .filter(({ specifier }) => !/^(\.|node:)/.test(specifier))
      .filter(({ specifier }) => !known.has(packageOf(specifier)))
      .map(({ specifier, line }) => `${path}:${line} imports ${specifier}`)
  })
  t.deepEqual(wrong, [])
})

test('only cli/output.ts prints', (t) => {
  const prints = /\bconsole\s*\.|process\s*\.\s*std(?:out|err)\b|writeSync\(\s*[12]\b/
  const wrong = modules()
    .filter((path) => /^(format|store|trust|builder|cache-server|recipes|cli)\//.test(path) && path !== 'cli/output.ts')
    .flatMap((path) => linesMatching(path, prints))
  t.deepEqual(wrong, [])
})

test('no default exports, no barrels, no enums', (t) => {
  const wrong = modules().flatMap((path) => [
    ...linesMatching(path, /^export default\b|^export \{[^}]*\bdefault\b/),
    ...linesMatching(path, /^(?:export )?(?:declare )?(?:const )?enum\b/),
    ...(barrels.has(path) ? [] : linesMatching(path, /^export (?:type )?(?:\*|\{[^}]*\}) from\b/)),
  ])
  t.deepEqual(wrong, [])
})

test('dynamic imports name their module, but for the table of commands', (t) => {
  const wrong = modules().flatMap((path) => linesMatching(path, /\bimport\(\s*(?!['"\s])/))
  t.deepEqual(
    wrong.filter((line) => !line.startsWith('test/')),
    [],
  )
})

test('a module stays below 500 lines', (t) => {
  const long = modules()
    .filter((path) => !tables.has(path))
    .map((path) => ({ path, lines: read(path).split('\n').length - 1 }))
    .filter(({ lines }) => lines > 500)
  t.deepEqual(long, [])
})

test('a module opens with what it is', (t) => {
  const silent = modules().filter((path) => !/^(?:#!.*\n)?(?:\/\/|\/\*)/.test(read(path)))
  t.deepEqual(
    silent.filter((path) => !/^(test|recipes\/packages)\//.test(path)),
    [],
  )
})

test('every folder with modules has a README of at most 40 lines', (t) => {
  const folders = new Set(modules().map(dirname))
  const rooms = [...folders].filter(
    (folder) => !folder.startsWith('test/') || existsSync(join(house, folder, 'README.md')),
  )
  const wrong = rooms.flatMap((folder) => {
    const readme = join(folder, 'README.md')
    if (!existsSync(join(house, readme))) return [`${readme} is missing`]
    const lines = read(readme).split('\n').length - 1
    return lines > 40 ? [`${readme} has ${lines} lines`] : []
  })
  t.deepEqual(wrong, [])
})

test('nothing of the machine that it was written on stands in the tree', (t) => {
  const words = machineWords()
  const wrong = files()
    .filter((path) => statSync(join(house, path)).size < 2_000_000)
    .flatMap((path) => {
      const text = readFileSync(join(house, path), 'latin1')
      return words.filter((word) => text.includes(word)).map((word) => `${path} holds ${word}`)
    })
  t.deepEqual(wrong, [])
})

/** The checkout's parent, the home directory, and the hosts that this machine's package clients are set to. */
function machineWords(): string[] {
  const lists = '/etc/apt/sources.list.d'
  const sources = [
    '/etc/apt/sources.list',
    ...(existsSync(lists) ? readdirSync(lists).map((name) => join(lists, name)) : []),
  ].filter((path) => existsSync(path))
  const configured = [process.env.npm_config_registry ?? '', ...sources.map((path) => readFileSync(path, 'utf8'))]
  const hosts = [...configured.join('\n').matchAll(/https?:\/\/([a-z0-9.-]+\.[a-z0-9-]+)/gi)].map(
    ([, host]) => host ?? '',
  )
  const parent = `${dirname(house)}/`
  const folders = [parent, `${homedir()}/`].filter(
    (path) => path.length > 2 && !/^\/(tmp|home|usr|opt|srv|root)\/$/.test(path),
  )
  return [...new Set([...folders, ...hosts.map((host) => host.toLowerCase())])]
}

function modules(below = ''): string[] {
  return files(below).filter((path) => /\.ts$/.test(path) && !/\.d\.ts$/.test(path))
}

function files(below = ''): string[] {
  const top = join(house, below)
  if (!existsSync(top)) return []
  return readdirSync(top, { withFileTypes: true })
    .filter((entry) => !skipped.has(entry.name))
    .flatMap((entry) => {
      const path = join(below, entry.name)
      return entry.isDirectory() ? files(path) : entry.isFile() ? [path] : []
    })
    .sort()
}

function importsOf(path: string): Import[] {
  return importsIn(read(path))
}

function importsIn(source: string): Import[] {
  const text = withoutComments(source)
  const statement = /^\s*(?:import|export)\b(?:[^'"`;=()]*?\bfrom)?\s*(['"])([^'"\n]+)\1/gm
  const dynamic = /\bimport(?:\.meta\.resolve)?\(\s*(['"])([^'"\n]+)\1/g
  return [...text.matchAll(statement), ...text.matchAll(dynamic)].map((match) => ({
    specifier: match[2] ?? '',
    line: text.slice(0, match.index).split('\n').length + (match[0].match(/^\s*\n/)?.length ?? 0),
  }))
}

/** Comments become blanks of the same number of lines; good enough because biome keeps the code's shape. */
function withoutComments(text: string): string {
  return text
    .replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, (comment) => comment.replace(/[^\n]/g, ''))
    .replace(/^[ \t]*\/\/.*$/gm, '')
    .replace(/[ \t]\/\/ .*$/gm, '')
}

function linesMatching(path: string, pattern: RegExp): string[] {
  return withoutComments(read(path))
    .split('\n')
    .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : []))
}

function roomOf(path: string): string {
  const rooms = Object.keys(mayImport).filter((room) => path.startsWith(`${room}/`))
  return rooms.sort((a, b) => b.length - a.length)[0] ?? dirname(path)
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

function read(path: string): string {
  return readFileSync(join(house, path), 'utf8')
}
