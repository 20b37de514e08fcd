// Recipes that are wrong or mean harm: each ends in an error with its own code that says where it happened, and soon; the others
// of its channel are as if it was not there.
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { Channel } from '../../../builder/evaluate/channel.ts'
import { evaluate } from '../../../builder/evaluate/evaluate.ts'
import type { SandboxLimits } from '../../../builder/evaluate/sandbox.ts'
import type { ErrorCode } from '../../../format/errors.ts'
import { AbnError } from '../../../format/errors.ts'
import { imports, recipeText, temporaryChannel } from './temporary-channel.ts'

type Row = {
  readonly code: ErrorCode
  /** What the message must contain. */
  readonly says: string | RegExp
  readonly limits?: Partial<SandboxLimits>
} & ({ readonly text: string } | { readonly files: Readonly<Record<string, string>> })

const base = `${imports}const base = { name: 'a', version: '1', summary: 's', license: 'MIT', build: steps([['/bin/true']]) }\n`

const rows: Readonly<Record<string, Row>> = {
  // Text that is no recipe
  'a syntax error': { text: 'const a = 1\nconst b = = 2\n', code: 'ABN_RECIPE_SYNTAX', says: 'x.ts:2:11: ' },
  'a syntax error after a tab': { text: '\tconst b: = 2', code: 'ABN_RECIPE_SYNTAX', says: 'x.ts:1:11: ' },
  'an enum': { text: 'enum A { b }', code: 'ABN_RECIPE_SYNTAX', says: 'x.ts:1:1: TypeScript enum' },
  'a name that is declared twice': { text: 'let a = 1\nlet a = 2', code: 'ABN_RECIPE_SYNTAX', says: 'x.ts:2:' },
  'brackets without end': {
    text: `const x = ${'('.repeat(100_000)}`,
    code: 'ABN_RECIPE_STACK_LIMIT',
    says: 'x.ts:1:1',
  },
  'lists without end': {
    text: `const x = ${'['.repeat(100_000)}${']'.repeat(100_000)}`,
    code: 'ABN_RECIPE_STACK_LIMIT',
    says: 'nested',
  },

  // Imports
  'node:fs': {
    text: "import fs from 'node:fs'",
    code: 'ABN_RECIPE_IMPORT',
    says: "x.ts:1:16: cannot import 'node:fs'",
  },
  'a package': { text: "import 'semver'", code: 'ABN_RECIPE_IMPORT', says: "cannot import 'semver'" },
  'an absolute path': { text: "import '/etc/passwd'", code: 'ABN_RECIPE_IMPORT', says: 'cannot import' },
  'a file URL': { text: "import 'file:///etc/passwd'", code: 'ABN_RECIPE_IMPORT', says: 'cannot import' },
  'a path out of the recipes': { text: "import '../secret.ts'", code: 'ABN_RECIPE_IMPORT', says: 'leads out of' },
  'a way out and in again': {
    text: "import '../../../channel/recipes/packages/x.ts'",
    code: 'ABN_RECIPE_IMPORT',
    says: 'leads out',
  },
  'a way out by the channel': { text: "import 'abnpkg/../secret.ts'", code: 'ABN_RECIPE_IMPORT', says: 'leads out of' },
  'the inside of the API': { text: "import 'abnpkg:registry.ts'", code: 'ABN_RECIPE_IMPORT', says: 'cannot import' },
  'a module that is not there': { text: "import './y.ts'", code: 'ABN_RECIPE_IMPORT', says: 'there is no such module' },
  'a module without its ending': {
    files: { 'x.ts': "import './y'", 'y.ts': '' },
    code: 'ABN_RECIPE_IMPORT',
    says: 'write the ending',
  },
  'an export that is not there': {
    text: "import { nothing } from 'abnpkg'",
    code: 'ABN_RECIPE_IMPORT',
    says: "x.ts:1:10: 'abnpkg' exports nothing that is called 'nothing'",
  },
  'an import at run time': { text: "await import('node:fs')", code: 'ABN_RECIPE_IMPORT', says: 'x.ts:1:14' },
  JSON: { text: "import x from './x.json' with { type: 'json' }", code: 'ABN_RECIPE_IMPORT', says: 'end in .ts' },

  // What is never the same twice
  'Date.now': {
    text: 'const f = () => Date.now()\nf()',
    code: 'ABN_RECIPE_IMPURE',
    says: /x\.ts:1:\d+: the clock.*called from.*x\.ts:2/,
  },
  'new Date': { text: 'new Date()', code: 'ABN_RECIPE_IMPURE', says: 'x.ts:1:' },
  'Math.random': { text: 'Math.random()', code: 'ABN_RECIPE_IMPURE', says: 'randomness' },
  performance: { text: 'performance.now()', code: 'ABN_RECIPE_EXCEPTION', says: 'performance is not defined' },
  process: { text: 'process.env', code: 'ABN_RECIPE_EXCEPTION', says: 'process is not defined' },
  fetch: { text: "await fetch('http://127.0.0.1/')", code: 'ABN_RECIPE_EXCEPTION', says: 'fetch is not defined' },
  WeakRef: { text: 'new WeakRef({})', code: 'ABN_RECIPE_EXCEPTION', says: 'WeakRef is not defined' },
  Proxy: { text: 'new Proxy({}, {})', code: 'ABN_RECIPE_EXCEPTION', says: 'Proxy is not defined' },

  // Limits
  'an endless loop': {
    text: 'let i = 0\nfor (;;) i++',
    code: 'ABN_RECIPE_TIME_LIMIT',
    says: 'they were at recipes/packages/x.ts:',
    limits: { seconds: 0.5 },
  },
  'an endless chain of promises': {
    text: 'const f = () => Promise.resolve().then(f)\nawait f()',
    code: 'ABN_RECIPE_TIME_LIMIT',
    says: 'did not end in time',
    limits: { seconds: 0.5 },
  },
  'a built-in function without end': {
    text: 'Array.prototype.includes.call({ length: 2 ** 50 }, 1)',
    code: 'ABN_RECIPE_TIME_LIMIT',
    says: 'in a built-in function',
    limits: { seconds: 0.2 },
  },
  'a regular expression that blows up': {
    text: "/^(a+)+$/.test('a'.repeat(40) + 'b')",
    code: 'ABN_RECIPE_TIME_LIMIT',
    says: 'x.ts:1:',
    limits: { seconds: 0.5 },
  },
  'a catch around an endless loop': {
    text: 'const f = () => { for (;;) { try { for (;;); } catch {} finally { f() } } }\nf()',
    code: 'ABN_RECIPE_TIME_LIMIT',
    says: 'x.ts:1:',
    limits: { seconds: 0.5 },
  },
  'a memory bomb': {
    text: 'const all = []\nfor (;;) all.push([all.length])',
    code: 'ABN_RECIPE_MEMORY_LIMIT',
    says: 'x.ts:2:',
    limits: { memoryBytes: 16 << 20 },
  },
  'a long text': { text: "'x'.repeat(2 ** 31)", code: 'ABN_RECIPE_EXCEPTION', says: 'x.ts:1:' },
  'deep recursion': { text: 'const f = () => f() + 1\nf()', code: 'ABN_RECIPE_STACK_LIMIT', says: 'x.ts:1:' },
  'deep recursion in data': {
    text: 'let a = []\nfor (let i = 0; i < 1e5; i++) a = [a]\nJSON.stringify(a)',
    code: 'ABN_RECIPE_STACK_LIMIT',
    says: 'nested too deeply',
  },
  'giant output': {
    text: `${base}export const a = recipe({ ...base, summary: 'x'.repeat(2 ** 20) })`,
    code: 'ABN_RECIPE_SIZE_LIMIT',
    says: 'more than 500000 characters',
    limits: { resultLength: 500_000 },
  },
  'a promise that nobody keeps': {
    text: 'await new Promise(() => {})',
    code: 'ABN_RECIPE_EXCEPTION',
    says: 'waits for',
  },

  // Tampering
  'another JSON.stringify': { text: "JSON.stringify = () => '[]'", code: 'ABN_RECIPE_EXCEPTION', says: 'x.ts:1:' },
  'a toJSON for lists': {
    text: "Array.prototype.toJSON = () => 'x'",
    code: 'ABN_RECIPE_EXCEPTION',
    says: 'not extensible',
  },
  'a toJSON for everything': {
    text: "Object.prototype.toJSON = () => 'x'",
    code: 'ABN_RECIPE_EXCEPTION',
    says: 'not extensible',
  },
  'another prototype of lists': {
    text: 'Object.setPrototypeOf(Array.prototype, null)',
    code: 'ABN_RECIPE_EXCEPTION',
    says: 'x.ts:1:',
  },
  'another map': { text: 'Array.prototype.map = () => []', code: 'ABN_RECIPE_EXCEPTION', says: 'read-only' },
  'another exec': { text: "RegExp.prototype.exec = () => ['x']", code: 'ABN_RECIPE_EXCEPTION', says: 'read-only' },
  'a hidden prototype': {
    text: 'Object.getPrototypeOf(function* () {}).prototype.next = () => 1',
    code: 'ABN_RECIPE_EXCEPTION',
    says: 'read-only',
  },
  'a global': { text: 'globalThis.secret = 1', code: 'ABN_RECIPE_EXCEPTION', says: 'not extensible' },
  'another API': { text: `${imports}recipe.call = 1`, code: 'ABN_RECIPE_EXCEPTION', says: 'x.ts:' },
  'a recipe that is changed': {
    text: `${imports}${recipeText('a')}a.name = 'b'`,
    code: 'ABN_RECIPE_EXCEPTION',
    says: 'read-only',
  },
  "a recipe of one's own": {
    text: `${base}export const a = recipe({ ...base, tools: [{ name: 'b', version: '1', toString: () => '@{#0:out}' }] })`,
    code: 'ABN_RECIPE_INVALID',
    says: 'expected a recipe, got an object',
  },
  'a token of a recipe that is not there': {
    text: `${base}export const a = recipe({ ...base, env: { X: '@{#7:out}' } })`,
    code: 'ABN_RECIPE_INVALID',
    says: 'not made before it',
  },
  'a token of the recipe itself': {
    text: `${base}export const a = recipe({ ...base, env: { X: '@{#2:out}' } })`,
    code: 'ABN_RECIPE_INVALID',
    says: 'not made before it',
  },
  'a token of an output that is not there': {
    text: `${imports}${recipeText('a')}${recipeText('b', "env: { X: '@{#2:dev}' }")}`,
    code: 'ABN_RECIPE_INVALID',
    says: 'a has no output "dev"',
  },
  'an error that lies about itself': {
    text: "throw { name: 'RecipeError', message: 'a\\u001b[31m\\u202eb\\nc', stack: 'at f (/etc/passwd:1:1)' }",
    code: 'ABN_RECIPE_INVALID',
    says: /^\/etc\/passwd:1:1: a \[31m b c$/,
  },
  'an error with a getter': {
    text: "throw { get message() { throw new Error('inner') } }",
    code: 'ABN_RECIPE_EXCEPTION',
    says: /^recipes\/packages\/x\.ts: an object without a message was thrown$/,
  },
  'a text that is thrown': { text: "throw 'oh'", code: 'ABN_RECIPE_EXCEPTION', says: /^recipes\/packages\/x\.ts: oh$/ },
  'null that is thrown': {
    files: {
      'a.ts': 'export const a = 1',
      'b.ts': "import './c.ts'\nfor (;;);",
      'c.ts': "import './a.ts'\nthrow null",
    },
    code: 'ABN_RECIPE_EXCEPTION',
    says: /^recipes\/packages\/c\.ts: null was thrown$/,
  },
  'nothing that is thrown': {
    text: 'throw undefined',
    code: 'ABN_RECIPE_EXCEPTION',
    says: /x\.ts: undefined was thrown$/,
  },
  'an error without a message': {
    text: 'throw new Error()',
    code: 'ABN_RECIPE_EXCEPTION',
    says: /x\.ts:1:\d+: Error$/,
  },

  // Values
  'a number for a version': {
    text: `${base}recipe({ ...base, version: 1.2 })`,
    code: 'ABN_RECIPE_INVALID',
    says: 'the number 1.2',
  },
  'an object for a name': {
    text: `${base}recipe({ ...base, name: { toString: () => 'a' } })`,
    code: 'ABN_RECIPE_INVALID',
    says: 'name: expected a text, got an object',
  },
  'a letter that only looks right': {
    text: `${base}recipe({ ...base, name: 'hеllo' })`,
    code: 'ABN_RECIPE_INVALID',
    says: 'name',
  },
  'a name with a slash': { text: `${base}recipe({ ...base, name: '../a' })`, code: 'ABN_RECIPE_INVALID', says: 'name' },
  'a name with a line break': {
    text: `${base}recipe({ ...base, name: 'a\\n' })`,
    code: 'ABN_RECIPE_INVALID',
    says: 'name',
  },
  'half a character': {
    text: `${base}export const a = recipe({ ...base, env: { X: '\\ud800' } })`,
    code: 'ABN_RECIPE_INVALID',
    says: 'surrogate',
  },
  'a NUL character': { text: `${base}recipe({ ...base, env: { X: '\\0' } })`, code: 'ABN_RECIPE_INVALID', says: 'NUL' },
  'an unknown field': {
    text: `${base}recipe({ ...base, licence: 'MIT' })`,
    code: 'ABN_RECIPE_INVALID',
    says: 'unknown field "licence"',
  },
  'no licence': { text: `${base}recipe({ ...base, license: '' })`, code: 'ABN_RECIPE_INVALID', says: 'license' },
  'a variable of the sandbox': {
    text: `${base}recipe({ ...base, env: { TZ: 'CET' } })`,
    code: 'ABN_RECIPE_INVALID',
    says: 'TZ',
  },
  'a variable called as an output': {
    text: `${base}export const a = recipe({ ...base, env: { out: 'x' } })`,
    code: 'ABN_RECIPE_INVALID',
    says: 'out is set by the sandbox',
  },
  'a short hash': {
    text: `${base}recipe({ ...base, source: tarball({ urls: ['https://a/b.tar.gz'], sha256: 'abc' }) })`,
    code: 'ABN_RECIPE_INVALID',
    says: 'tarball.sha256',
  },
  'an address that nothing is known about': {
    text: `${base}export const a = recipe({ ...base, source: tarball({ urls: ['ftp://a/b.tar.gz'], sha256: 'a'.repeat(64) }) })`,
    code: 'ABN_RECIPE_INVALID',
    says: 'a URL that begins with https://, http:// or mirror://',
  },
  'an unknown mirror, in the last place': {
    text: `${base}export const a = recipe({ ...base, source: tarball({ urls: ['https://a/b.tar.gz', 'http://a/b.tar.gz', 'mirror://none/b'], sha256: 'a'.repeat(64) }) })`,
    code: 'ABN_SOURCE_ADDRESS',
    says: /^recipes\/packages\/x\.ts:\d+:\d+: a 1: unknown mirror name "none" in "mirror:\/\/none\/b"$/,
  },
  'git at a mirror': {
    text: `${base}export const a = recipe({ ...base, source: git({ url: 'mirror://github/a', commit: 'a'.repeat(40), sha256: 'a'.repeat(64) }) })`,
    code: 'ABN_SOURCE_ADDRESS',
    says: /x\.ts:\d+:\d+: a 1: not an address to download from/,
  },
  'two sources in one place': {
    text: `${base}const s = (n) => tarball({ urls: ['https://a/b.tar.gz'], sha256: n.repeat(64) })
      export const a = recipe({ ...base, sources: [s('a'), s('b')] })`,
    code: 'ABN_RECIPE_INVALID',
    says: 'sources',
  },
  'an unknown placeholder': {
    text: `${base}export const a = recipe({ ...base, env: { X: '@{nope}' } })`,
    code: 'ABN_RECIPE_INVALID',
    says: 'unknown placeholder',
  },
  'a directory of the host': {
    text: `${base}export const a = recipe({ ...base, build: steps({ directories: ['/etc'], steps: [['x']] }) })`,
    code: 'ABN_RECIPE_INVALID',
    says: 'directories[0]',
  },
  'a link over the store': {
    text: `${base}export const a = recipe({ ...base, build: steps({ links: [{ path: '/abn/x', target: 'y' }], steps: [['x']] }) })`,
    code: 'ABN_RECIPE_INVALID',
    says: 'not a place for a link',
  },
  'a giant derivation': {
    text: `${base}export const a = recipe({ ...base, env: { X: 'x'.repeat(5 * 2 ** 20) } })`,
    code: 'ABN_RECIPE_SIZE_LIMIT',
    says: 'a 1',
  },

  // Recipes together
  'a cycle': {
    files: {
      'a.ts': `${imports}import { b } from './b.ts'\n${recipeText('a', 'tools: [b]')}`,
      'b.ts': `${imports}import { c } from './c.ts'\n${recipeText('b', 'tools: [c]')}`,
      'c.ts': `${imports}import { a } from './a.ts'\n${recipeText('c', 'tools: [a]')}`,
    },
    code: 'ABN_RECIPE_CYCLE',
    says: 'recipes/packages/c.ts → recipes/packages/a.ts → recipes/packages/b.ts → recipes/packages/c.ts',
  },
  'a recipe that needs itself': {
    text: `${imports}${recipeText('a', 'tools: [a]')}`,
    code: 'ABN_RECIPE_EXCEPTION',
    says: 'a is not initialized',
  },
  'the same package twice': {
    text: `${imports}${recipeText('a')}export const b = recipe({ name: 'a', version: '1.0', summary: 't', license: 'MIT', build: steps([['x']]) })`,
    code: 'ABN_RECIPE_DUPLICATE',
    says: /^a@1\.0 is there twice: .*x\.ts:2:\d+ and .*x\.ts:4:\d+$/,
  },

  // Local files
  'a local file that is not there': {
    text: `${imports}${recipeText('a', "source: local('recipes/none')")}`,
    code: 'ABN_RECIPE_LOCAL_FILE',
    says: /x\.ts:\d+:\d+: a 1\.0: cannot use the local source .*: there is no such file$/,
  },
  'a local file out of the channel': {
    text: `${imports}local('../secret')`,
    code: 'ABN_RECIPE_INVALID',
    says: "without '.' and '..'",
  },
  'a local file of the host': {
    text: `${imports}local('/etc/passwd')`,
    code: 'ABN_RECIPE_INVALID',
    says: 'relative path',
  },
  'a local file beside the recipes': {
    text: `${imports}local('package.json')`,
    code: 'ABN_RECIPE_INVALID',
    says: 'below recipes/',
  },
  'a local directory': {
    text: `${imports}${recipeText('a', "source: local('recipes/packages')")}`,
    code: 'ABN_RECIPE_LOCAL_FILE',
    says: 'not a plain file',
  },
}

const needsHint = new Set<ErrorCode>([
  'ABN_RECIPE_IMPORT',
  'ABN_RECIPE_MEMORY_LIMIT',
  'ABN_RECIPE_EXCEPTION',
  'ABN_SOURCE_ADDRESS',
])

/** One that is only data, one that is interpreted. */
const good = {
  'recipes/packages/good/data.ts': `${imports}${recipeText('data')}`,
  'recipes/packages/good/code.ts': `${imports}export const code = recipe({ name: ['co', 'de'].join(''), version: '1', summary: 's', license: 'MIT', build: steps([['x']]) })`,
}

/** What is broken; all that is in `good` is not. */
async function problemIn(t: ExecutionContext, channel: Channel, limits: Partial<SandboxLimits> = {}) {
  const evaluation = await evaluate([channel], { limits })
  for (const name of ['data', 'code']) t.is(evaluation.entriesNamed(name).length, 1, name)
  const found = evaluation.broken.find(({ code }) => code !== 'ABN_RECIPE_NEEDS_BROKEN')
  if (found === undefined) throw new Error('nothing is broken')
  return found
}

for (const [title, row] of Object.entries(rows)) {
  test.serial(title, async (t) => {
    using made = temporaryChannel({ ...('files' in row ? row.files : { 'x.ts': row.text }), ...good })
    made.write('recipes/secret.ts', 'export const secret = 1')
    const error = await problemIn(t, made.channel, { seconds: 10, ...row.limits })
    t.is(error.code, row.code, error.message)
    t.regex(error.message, typeof row.says === 'string' ? new RegExp(RegExp.escape(row.says)) : row.says)
    t.notRegex(error.message, /[\p{Cc}\u202e]/u)
    if (needsHint.has(error.code)) t.truthy(error.hint)
  })
}

test('a signal ends an evaluation at once, also inside a built-in function', async (t) => {
  for (const text of ['for (;;);', 'Array.prototype.includes.call({ length: 2 ** 50 }, 1)']) {
    using made = temporaryChannel({ 'x.ts': text })
    const stop = new AbortController()
    // Long enough that the thread is in the recipe, most often; at any other moment the same must happen.
    setTimeout(() => stop.abort(new AbnError('ABN_INTERRUPTED', 'interrupted')), 400)
    const error = await t.throwsAsync(evaluate([made.channel], { limits: { seconds: 60 }, signal: stop.signal }))
    t.is(error, stop.signal.reason)
  }
  using made = temporaryChannel({ 'x.ts': '' })
  const error = await t.throwsAsync(evaluate([made.channel], { signal: AbortSignal.abort(new Error('before')) }))
  t.is(error?.message, 'before')
})

test('a symbolic link among the modules', async (t) => {
  using made = temporaryChannel({ 'secret/x.ts': '' })
  symlinkSync(join(made.channel.directory, 'secret/x.ts'), join(made.channel.directory, 'recipes/packages/y.ts'))
  const error = await t.throwsAsync(evaluate([made.channel]), { instanceOf: AbnError })
  t.is(error.code, 'ABN_CHANNEL_UNREADABLE')
  t.regex(error.message, /y\.ts: it is not a plain file/)
})

test('a symbolic link to a directory of modules', async (t) => {
  using made = temporaryChannel({ 'secret/x.ts': 'export const x = 1', 'y.ts': "import './link/x.ts'", ...good })
  symlinkSync(join(made.channel.directory, 'secret'), join(made.channel.directory, 'recipes/packages/link'))
  const error = await problemIn(t, made.channel)
  t.is(error.code, 'ABN_RECIPE_IMPORT')
})

test('a symbolic link as a local file, or on the way to it', async (t) => {
  using made = temporaryChannel({ 'secret/file': 'secret', ...good })
  const { directory } = made.channel
  symlinkSync(join(directory, 'secret/file'), join(directory, 'recipes/link'))
  symlinkSync(join(directory, 'secret'), join(directory, 'recipes/way'))
  for (const path of ['recipes/link', 'recipes/way/file']) {
    made.write('recipes/packages/x.ts', `${imports}${recipeText('a', `source: local('${path}')`)}`)
    const error = await problemIn(t, made.channel)
    t.is(error.code, 'ABN_RECIPE_LOCAL_FILE')
    t.regex(error.message, /symbolic link/)
  }
})

test('a module with a name that no import can write', async (t) => {
  using made = temporaryChannel({ 'a b.ts': '' })
  const error = await t.throwsAsync(evaluate([made.channel]), { instanceOf: AbnError })
  t.is(error.code, 'ABN_CHANNEL_UNREADABLE')
})

test('a channel that is not there, or has no recipes', async (t) => {
  using made = temporaryChannel({})
  for (const channel of [
    { ...made.channel, directory: join(made.channel.directory, 'none') },
    { ...made.channel, modules: 'recipes/none' },
  ]) {
    const error = await t.throwsAsync(evaluate([channel]), { instanceOf: AbnError })
    t.is(error.code, 'ABN_CHANNEL_UNREADABLE')
    t.truthy(error.hint)
  }
  mkdirSync(join(made.channel.directory, 'recipes/packages/empty'))
  t.deepEqual((await evaluate([made.channel])).packages, [])
})
