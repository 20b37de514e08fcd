import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import fastify from 'fastify'
import { nearest } from '../../builder/evaluate/nearest.ts'
import { editProject, emptyProject, parseProject } from '../../format/project.ts'

const full = {
  $schema: './abnpkg.schema.json',
  packages: { lua: '^5.4', jq: '>=1.7 <2', 'gtk+': '*', 'acme:lua': '5' },
  devPackages: { hello: '2.12.1' },
  channels: { acme: 'https://git.example.org/recipes', own: './recipes' },
  suggests: { caches: ['https://cache.example.org'], policy: 'two-independent' },
}

/** What the parser and the schema must think of, besides `full`. */
const cases: readonly (readonly [title: string, value: unknown, isRight: boolean])[] = [
  ['nothing at all', {}, true],
  ['a list', [], false],
  ['a text', 'packages', false],
  ['an unknown field', { pakages: {} }, false],
  ['a policy', { policy: { format: 1, operators: [] } }, false],
  ['caches', { caches: ['https://cache.example.org'] }, false],
  ['keys', { keys: {} }, false],
  ['operators among the suggestions', { suggests: { operators: { mallory: 'key' } } }, false],
  ['a whole policy among the suggestions', { suggests: { policy: { kind: 'factors' } } }, false],
  ['an unknown preset', { suggests: { policy: 'anything-goes' } }, false],
  ['a channel with keys', { channels: { acme: { url: 'https://git.example.org', keys: ['x'] } } }, false],
  ['a channel called abnpkg', { channels: { abnpkg: 'https://git.example.org' } }, false],
  ['a channel with a command in its address', { channels: { acme: 'https://e.org/$(id)' } }, false],
  ['a channel with an option for an address', { channels: { acme: '--upload-pack=id' } }, false],
  ['a channel with a space in its address', { channels: { acme: 'https://e.org/ ; id' } }, false],
  ['a cache that is a file', { suggests: { caches: ['file:///etc'] } }, false],
  ['a cache with a command', { suggests: { caches: ['https://e.org/`id`'] } }, false],
  ['a name with capitals', { packages: { Lua: '*' } }, false],
  ['a name with two channels', { packages: { 'a:b:lua': '*' } }, false],
  ['a name with a channel that is none', { packages: { 'A:lua': '*' } }, false],
  ['a name with a path', { packages: { '../lua': '*' } }, false],
  ['a name that is a prototype', JSON.parse('{"packages":{"__proto__":"*"}}'), false],
  ['a range with a control character', { packages: { lua: '^5\u001b[2J' } }, false],
  ['a range with a line feed', { packages: { lua: '^5\n' } }, false],
  ['an empty range', { packages: { lua: '' } }, false],
  ['a long range', { packages: { lua: `1${' '.repeat(200)}` } }, false],
  ['a range that is an address', { packages: { lua: 'https://e.org' } }, false],
  ['a range that is an option', { packages: { lua: '-x' } }, false],
  ['a number', { packages: { lua: 5 } }, false],
  [
    'too many packages',
    { packages: Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`p${i}`, '*'])) },
    false,
  ],
]

for (const [title, value, isRight] of cases) {
  test(`${isRight ? 'right' : 'refused'}: ${title}`, (t) => {
    const parse = () => parseProject(JSON.stringify(value))
    if (isRight) t.notThrows(parse)
    else t.throws(parse, { code: 'ABN_PROJECT_INVALID' })
  })
}

test('the schema has the same opinion', async (t) => {
  const schema = JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/schemas/abnpkg.schema.json'), 'utf8'))
  const customOptions = { coerceTypes: false, removeAdditional: false, useDefaults: false, strict: false } as const
  const app = fastify({ ajv: { customOptions } })
  const { $schema: _, ...body } = schema
  app.post('/', { schema: { body } }, () => 'valid')
  const isValid = async (value: unknown) => {
    const payload = JSON.stringify(value)
    return (await app.inject({ method: 'POST', url: '/', headers: { 'content-type': 'application/json' }, payload }))
      .statusCode
  }
  t.is(await isValid(full), 200)
  for (const [title, value, isRight] of cases) {
    // Fastify refuses this key before the schema is asked.
    if (!title.includes('prototype')) t.is(await isValid(value), isRight ? 200 : 400, title)
  }
  await app.close()
})

test('a project with everything', (t) => {
  const { packages, devPackages, channels, suggests } = parseProject(JSON.stringify(full))
  t.deepEqual(Object.fromEntries(packages), full.packages)
  t.deepEqual(Object.fromEntries(devPackages), full.devPackages)
  t.deepEqual(Object.fromEntries(channels), full.channels)
  t.deepEqual(suggests, { caches: ['https://cache.example.org'], policy: 'two-independent' })
})

const refused = test.macro((t, text: string, message: RegExp) => {
  t.throws(() => parseProject(text), { code: 'ABN_PROJECT_INVALID', message })
})

test('a key twice', refused, '{"packages":{"lua":"^5","lua":"^4"}}', /"lua" occurs twice/)
test('a key twice, written differently', refused, '{"packages":{"lua":"^5","l\\u0075a":"^4"}}', /"lua" occurs twice/)
test(
  'a name in both groups',
  refused,
  '{"packages":{"lua":"*"},"devPackages":{"lua":"*"}}',
  /lua is among packages too/,
)
test('deep nesting', refused, `${'['.repeat(100_000)}${']'.repeat(100_000)}`, /nested|call stack/i)
test('a huge file', refused, `{"packages":{}}${' '.repeat(300_000)}`, /larger than/)
test('a comment', refused, '{} // packages', /JSON/)
test('a byte order mark', refused, '\ufeff{}', /JSON/)
test('a lone surrogate', refused, '{"$schema":"\\ud800"}', /surrogate/)

test('an unknown field comes with a guess', (t) => {
  const hintOf = (text: string) => {
    const error = t.throws(() => parseProject(text, { nearest }))
    return error !== undefined && 'hint' in error ? error.hint : undefined
  }
  t.is(hintOf('{"pakages":{}}'), 'did you mean "packages"?')
  t.is(hintOf('{"suggests":{"cashes":[]}}'), 'did you mean "caches"?')
  t.is(hintOf('{"zzz":1}'), 'there are $schema, channels, devPackages, packages, suggests')
})

const edited = test.macro((t, before: string, after: string) => {
  t.is(
    editProject(before, ({ packages }) => packages.set('lua', '^5.4')),
    after,
  )
})

test('a new project', edited, emptyProject, '{\n  "packages": {\n    "lua": "^5.4"\n  }\n}\n')
test(
  'other fields keep their places, and the indentation stays',
  edited,
  '{\n\t"suggests": {},\n\t"$schema": "x"\n}',
  '{\n\t"suggests": {},\n\t"$schema": "x",\n\t"packages": {\n\t\t"lua": "^5.4"\n\t}\n}\n',
)
test(
  'sorted names stay sorted',
  edited,
  '{ "packages": { "jq": "*", "zlib": "*" } }',
  '{\n  "packages": {\n    "jq": "*",\n    "lua": "^5.4",\n    "zlib": "*"\n  }\n}\n',
)
test(
  'names in an order of their own keep it',
  edited,
  '{ "packages": { "zlib": "*", "jq": "*" } }',
  '{\n  "packages": {\n    "zlib": "*",\n    "jq": "*",\n    "lua": "^5.4"\n  }\n}\n',
)

test('what is taken out leaves the rest', (t) => {
  const name = fc.stringMatching(/^[a-z][a-z0-9+._-]{0,10}$/)
  const ranges = fc.dictionary(name, fc.constantFrom('*', '^1.2', '~3', '>=1 <2'))
  fc.assert(
    fc.property(ranges, name, (packages, extra) => {
      const text = JSON.stringify({ packages })
      const more = editProject(text, (groups) => groups.packages.set(extra, '^9'))
      t.is(parseProject(more).packages.get(extra), '^9')
      const back = editProject(more, (groups) => {
        if (packages[extra] === undefined) groups.packages.delete(extra)
        else groups.packages.set(extra, packages[extra])
      })
      t.deepEqual(Object.fromEntries(parseProject(back).packages), Object.fromEntries(parseProject(text).packages))
    }),
  )
})
