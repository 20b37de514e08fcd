// Modules that are only data are read instead of interpreted: which these are, and that it makes no difference.
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { API_NAMES } from '../../../builder/evaluate/code.ts'
import { evaluate, ownChannel } from '../../../builder/evaluate/evaluate.ts'
import { parseLiteral } from '../../../builder/evaluate/literal.ts'
import { callable } from '../../../builder/evaluate/read-literal.ts'
import * as api from '../../../recipes/api/index.ts'
import * as noting from '../../../recipes/api/noting.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { imports, recipeText, temporaryChannel } from './temporary-channel.ts'

/** Not as a line of its own: these are no imports of this module. */
const use = (names: string, from: string) => `import { ${names} } from '${from}'`

const everything = `// a comment
import { file, git, gnuBuild, local, makeBuild, out, output, parallel, quote, recipe, steps, tarball as archive, zip } from 'abnpkg'
${use('data, flags', './data.ts')} /* another
  one */
const sha256 = '${'a'.repeat(64)}'
const urls = ["https://a.org/{name}-{version}.tar.gz", \`https://b.org/\${'x' + 1}.tgz\`,]
export const small = recipe({
  name: 'small', 'version': '1' + '.' + 2, summary: 's', env: { Z: 'it\\'s "quoted" \\\\ \\$\\n'+'x' }, license: 'MIT', outputs: ['out', 'dev'],
  source: archive({ urls, sha256, patches: ['recipes/p.patch', local('recipes/p.patch')] }),
  tools: [data, [data, ],], provides: { sh: 'bin/sh', variables: { CC: 'x', 'a_b': \`\${flags}\` } },
  build: gnuBuild({ configure: ['--a', ...[\`--b=\${data}/\${out}\`, '--c']], check: { off: 'why' }, parallel: false }),
}); export const large = recipe({
  name: 'large', version: '2', summary: 's', license: 'MIT', hidden: true, homepage: 'https://a.org/',
  sources: [zip({ urls: ['https://a.org/z.zip'], sha256, strip: 0, to: 'z' }), file({ urls, sha256, to: 'f', size: 10 }),
    git({ url: 'https://a.org/g', commit: '${'b'.repeat(40)}', sha256, to: 'g' }), local('recipes/p.patch', { to: 'l' })],
  libraries: [output(small, 'dev')],
  env: { X: small + '/bin', Y: \`a\\\`b\${output(small, 'dev')}$c$\` },
  build: steps({ directories: [\`\${out}/bin\`], steps: [['/x', quote("a b")], ...parallel([['/y', '1']], { cwd: 'z' })] }),
  smoke: [['bin/x', '-v']],
})
const base = { license: 'MIT', version: '0', summary: 's' }
export const other = recipe({ name: 'none', ...base, version: '1', ...{ name: 'other', }, tools: [small], build: makeBuild() })
export const list = [small, large]
`
const data = `${imports}export const data = recipe({ name: 'data', version: '1', summary: 's', license: 'MIT', provides: { sh: 'bin/sh' },
  build: steps([['x']]) })
export const flags = 'one two'\n`

test('what is read is what is interpreted', async (t) => {
  t.truthy(parseLiteral(everything, callable))
  t.truthy(parseLiteral(data, callable))
  const files = { 'everything.ts': everything, 'data.ts': data, 'recipes/p.patch': '--- a\n' }
  const read = await evaluated(files)
  t.deepEqual(read.broken, [])
  t.deepEqual(read.names, ['data', 'large', 'other', 'small'])
  t.deepEqual(read, await evaluated(interpreted(files)))
})

test('what is only data can use what is not, and the other way round', async (t) => {
  const files = {
    'code.ts': `${imports}import { data } from './data.ts'\nexport const code = [data].map((each) => each)\nexport const f = () => 1`,
    'data.ts': data,
    'user.ts': `${imports}import { code } from './code.ts'\n${recipeText('user', 'tools: [code]')}`,
    // Not seen by who looks for imports only.
    'late.ts': `${imports}const { user } = await ${'import'}('./us' + 'er.ts')\n${recipeText('late', 'tools: [user]')}`,
    // A function cannot come over.
    'function.ts': `${imports}import { f } from './code.ts'\nexport const g = f\n${recipeText('last')}`,
  }
  const read = await evaluated(files)
  t.deepEqual([read.names, read.broken], [['data', 'last', 'late', 'user'], []])
  t.deepEqual(read, await evaluated(interpreted(files)))
})

test('a few lines that make a giant are left to the limits of the interpreter', async (t) => {
  const doubled = (first: string, next: (name: string) => string) =>
    Array.from({ length: 40 }, (_, i) => `const x${i + 1} = ${next(`x${i}`)}`).reduce(
      (text, line) => `${text}\n${line}`,
      `const x0 = ${first}`,
    )
  for (const giant of [
    doubled("'a'", (x) => `${x} + ${x}`),
    doubled("'a'", (x) => `\`\${${x}}\${${x}}\``),
    doubled("['a']", (x) => `[...${x}, ...${x}]`),
    doubled("['a']", (x) => `[${x}, ${x}]`),
    doubled("{ a: 'a' }", (x) => `{ a: ${x}, b: ${x} }`),
  ]) {
    const text = `${imports}${giant}\n${recipeText('giant', 'env: { X: x40 }')}`
    t.truthy(parseLiteral(text, callable))
    using made = temporaryChannel({ 'giant.ts': text, 'data.ts': data })
    const evaluation = await evaluate([made.channel], { limits: { memoryBytes: 32 << 20, seconds: 5 } })
    t.deepEqual([evaluation.names(), evaluation.broken.length], [['data'], 1], giant)
    t.regex(evaluation.broken[0]?.code ?? '', /^ABN_RECIPE_(MEMORY_LIMIT|SIZE_LIMIT|EXCEPTION|INVALID|TIME_LIMIT)$/)
  }
})

test("abnpkg's own recipes", async (t) => {
  const directory = join(temporaryDirectory(t), 'channel')
  for (const part of ['recipes', 'bootstrap']) {
    cpSync(join(ownChannel.directory, part), join(directory, part), { recursive: true })
  }
  const modules = join(directory, ownChannel.modules)
  const count = () =>
    readdirSync(modules).filter((name) => name.endsWith('.ts') && isData(readFileSync(join(modules, name), 'utf8')))
      .length
  t.true(count() > 10)
  const read = await evaluate([{ ...ownChannel, directory }])
  for (const name of readdirSync(modules)) {
    if (name.endsWith('.ts')) writeFileSync(join(modules, name), `\n;[].length\n`, { flag: 'a' })
  }
  t.is(count(), 0)
  const again = await evaluate([{ ...ownChannel, directory }])
  t.deepEqual([read.broken, again.broken], [[], []])
  t.deepEqual(read.packages, again.packages)
})

test('a letter more, less or other', async (t) => {
  const random = generator(7)
  const pick = <T>(from: ArrayLike<T>): T => from[Math.floor(random() * from.length)] as T
  const files: Record<string, string> = { 'data.ts': data, 'recipes/p.patch': '--- a\n' }
  let changed = 0
  for (let i = 0; changed < 150; i++) {
    const text = everything.replaceAll(/'(small|large|other)'/g, `'$1${i}'`)
    const at = Math.floor(random() * text.length)
    const other = pick([
      '',
      pick(text),
      pick(`'"\`\\\${}[](),:;=+.\n /*<!-#@`),
      pick([' as ', '...', '//', `\${`, 'const ']),
    ])
    const mutant = text.slice(0, at) + other + text.slice(at + pick([0, 1, 1, 3]))
    if (mutant === text || !isData(mutant)) continue
    files[`mutant${i}.ts`] = mutant
    changed++
  }
  const [read, run] = [await evaluated(files), await evaluated(interpreted(files))]
  t.deepEqual(read.packages, run.packages)
  t.deepEqual(read.broken, run.broken)
})

const others: Readonly<Record<string, string>> = {
  'a type': 'const a: string = "x"',
  'a type for an import': "import { type Step } from 'abnpkg'",
  'an assertion': 'const a = "x" as string',
  'a function': 'const a = () => 1',
  'a method': 'const a = "x".length',
  'an operator': 'const a = 1 - 1',
  'a negative number': 'const a = -1',
  'an old number': 'const a = 017',
  'a number with a name behind it': 'const a = 1x',
  'a variable': 'let a = 1',
  'a statement': 'if (1) {}',
  'a name that is not there': 'const a = b',
  'a name before it is there': 'const a = [b]\nconst b = 1',
  'a constant of itself': 'const a = a',
  'a name twice': 'const a = 1\nconst a = 2',
  'a name twice, once imported': "import { out } from 'abnpkg'\nconst out = 1",
  'a reserved word': 'const await = 1',
  'a built-in object': 'const a = Math',
  'a built-in function': 'const a = String(1)',
  'a call of what is imported': "import { f } from './f.ts'\nconst a = f(1)",
  'an API function that is not called': "import { recipe } from 'abnpkg'\nconst a = recipe",
  'an escape': "const a = '\\x41'",
  'a line that goes on': "const a = 'b\\\nc'",
  'an old escape': "const a = '\\0'",
  'a tagged template': "import { quote } from 'abnpkg'\nconst a = quote`x`",
  'a computed key': 'const a = { ["b"]: 1 }',
  'a prototype': 'const a = { __proto__: [] }',
  'a getter': 'const a = { get b() { return 1 } }',
  'a hole in a list': 'const a = [, 1]',
  'two commas': 'const a = [1,, 2]',
  'a spread of what is not there': 'const a = { ...b }',
  'two constants at once': 'const a = 1, b = 2',
  'two statements on a line': 'const a = 1 const b = 2',
  'a call on the next line': "import { out } from 'abnpkg'\nconst a = out\n(1)",
  'an import of everything': "import * as a from './a.ts'",
  'an import by default': "import a from './a.ts'",
  'an import after others': "const a = 1\nimport { b } from './b.ts'",
  'an export by default': 'export default 1',
  'an export of another': "export { a } from './a.ts'",
  'a carriage return': 'const a = `b\r\nc`',
  'another line separator': 'const a = 1 // \u2028 const b = 2',
  'a regular expression': 'const a = /x/',
  'a comment without end': 'const a = 1 /*',
  'a text without end': "const a = 'x",
  'a template without end': `const a = \`x\${1}`,
  'brackets without end': `const a = ${'['.repeat(100_000)}`,
  'a long text of nothing': `const a = 1${' '.repeat(4 << 20)}-`,
}

for (const [title, text] of Object.entries(others)) {
  test(`interpreted: ${title}`, (t) => {
    t.is(parseLiteral(text, callable), undefined)
  })
}

test('the API is the same inside and outside', (t) => {
  t.deepEqual(
    Object.keys(noting)
      .filter((name) => name !== 'collect' && name !== 'take')
      .sort(),
    [...API_NAMES],
  )
  t.deepEqual(
    Object.keys(api)
      .filter((name) => name !== 'manifest')
      .sort(),
    [...API_NAMES],
  )
  t.deepEqual([...callable, 'out'].sort(), [...API_NAMES])
})

function isData(text: string): boolean {
  return parseLiteral(text, callable) !== undefined
}

/** The same modules with something in them that does nothing and is no data. */
function interpreted(files: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(files).map(([path, text]) => [path, path.endsWith('.ts') ? `${text}\n;[].length\n` : text]),
  )
}

async function evaluated(files: Readonly<Record<string, string>>) {
  using made = temporaryChannel(files)
  const evaluation = await evaluate([made.channel])
  return {
    names: evaluation.names(),
    packages: evaluation.packages,
    // The positions are not the same to the letter.
    broken: evaluation.broken.map(({ module, code }) => `${module} ${code}`).sort(),
  }
}

/** Numbers from 0 to 1 that are the same in each run. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
