import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { parseRecipeHash, sha256Of } from '../../format/hash.ts'
import { encodeLockfile, type Lockfile, parseLockfile, sortedLock } from '../../format/lockfile.ts'
import { compareBytewise } from '../../format/order.ts'
import { storePathOf } from '../../format/store-path.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/formats/lockfile.md'), 'utf8')

function example(name: string): string {
  const [, text] = new RegExp(`^\`\`\`text example=${name}\\n(.*?)^\`\`\`$`, 'ms').exec(page) ?? []
  if (text === undefined) throw new Error(`lockfile.md has no example ${name}`)
  return text
}

const text = example('lockfile')

test('the example of docs/formats/lockfile.md', (t) => {
  const lock = parseLockfile(text)
  t.is(encodeLockfile(lock), text)
  t.is(`${lock.packages[1]?.outputs[0]?.path}\n`, example('path'))
  t.deepEqual(lock.packages[0]?.outputs[0]?.acceptance, {
    kind: 'accepted',
    policy: sha256Of('p'),
    operators: ['alice', 'bob'],
    factors: ['built', 'depth:outputs', 'operators:2'],
  })
  t.like(lock.channels[1], { name: 'acme', url: 'https://git.example.org/recipes' })
})

/** Every one is a change that a person or a merge could make. */
const refused = test.macro((t, change: (text: string) => string, message?: RegExp) => {
  const changed = change(text)
  t.not(changed, text)
  t.throws(() => parseLockfile(changed), { code: 'ABN_LOCKFILE_INVALID', ...(message ? { message } : {}) })
})

const swapped = (whole: string) => {
  const parts = whole.slice(0, -1).split('\n\n')
  const [last = '', before = ''] = [parts.pop(), parts.pop()]
  return `${[...parts, last, before].join('\n\n')}\n`
}

test('nothing', refused, () => '')
test('another version of the form', refused, (one) => one.replace('lock 1', 'lock 2'), /expected "abnpkg.lock 1"/)
test('no line feed at the end', refused, (one) => one.slice(0, -1))
test('an empty line at the end', refused, (one) => `${one}\n`)
test('two empty lines', refused, (one) => one.replace('\n\npackage lua', '\n\n\npackage lua'))
test('line ends of Windows', refused, (one) => one.replaceAll('\n', '\r\n'))
test('a comment of somebody', refused, (one) => one.replace('\n\npackage', '\n# trust me\n\npackage'))
test('another header', refused, (one) => one.replace('# Written by', '# Changed by'))
test('paragraphs in another order', refused, swapped, /not sorted/)
test('a package twice', refused, (one) => one + one.slice(one.indexOf('\npackage rocket')), /occurs twice/)
test('outputs in another order', refused, (one) => one.replace('output doc', 'output zoc'), /not sorted/)
test('no output out', refused, (one) => one.replace(/ {2}output out 87.*\n.*\n/, ''), /no output "out"/)
test('an unknown line', refused, (one) => one.replace('  wanted', '  trusted yes\n  wanted'))
test('a missing line', refused, (one) => one.replace('  version 5.4.7\n', ''))
test('an unknown group', refused, (one) => one.replace('group packages', 'group friends'))
test(
  'an unknown channel',
  refused,
  (one) => one.replace('  channel acme', '  channel other'),
  /of which there is no paragraph/,
)
test(
  'a name of another channel',
  refused,
  (one) => one.replace('package rocket', 'package other:rocket'),
  /is from the channel acme/,
)
test('a digest in capitals', refused, (one) => one.replace('output out de8f', 'output out DE8F'))
test('a short digest', refused, (one) => one.replace('output out de8f', 'output out de8'))
test('a path that leads elsewhere', refused, (one) => one.replace('needs uub', 'needs ../uub'))
test('a name that leads elsewhere', refused, (one) => one.replace('package lua', 'package ../lua'))
test('a control character', refused, (one) => one.replace('wanted ^5.4', 'wanted ^5.4\u001b[2J'))
test('an acceptance by nobody', refused, (one) => one.replace('by alice,bob', 'by '))
test('an operator twice', refused, (one) => one.replace('alice,bob', 'alice,alice'), /operators of/)
test(
  'factors in another order',
  refused,
  (one) => one.replace('built depth:outputs', 'depth:outputs built'),
  /factors of/,
)
test('an acceptance that is no word', refused, (one) => one.replace('    built', '    trusted'))
test('no acceptance', refused, (one) => one.replace('    built\n', ''))
test('an address with a space', refused, (one) => one.replace('example.org/', 'example.org/ '))
test('a commit with another length', refused, (one) => one.replace('commit 3f', 'commit 3'))
test('a need of its own output', refused, (one) => {
  const own = example('path').trim().slice('/abn/store/'.length)
  return one.replace(/\n$/, `\n  needs ${own} ${'a'.repeat(64)}\n    built\n`)
})
test(
  'two digests for one path',
  refused,
  (one) => {
    const [musl = ''] = /needs \S+/.exec(one) ?? []
    return one.replace(/\n$/, `\n  ${musl} ${'a'.repeat(64)}\n    built\n`)
  },
  /two digests/,
)

test('an endless file is refused before it is read', (t) => {
  t.throws(() => parseLockfile(text + ' '.repeat(17 << 20)), { code: 'ABN_LOCKFILE_INVALID', message: /larger/ })
})

test('a package by the name of its channel has the same store path', (t) => {
  const end = text.indexOf('package lua')
  const middle = text.indexOf('package rocket')
  const rocket = text.slice(middle).replace('package rocket', 'package acme:rocket')
  const qualified = parseLockfile(`${text.slice(0, end)}${rocket}\n${text.slice(end, middle - 1)}`)
  t.is(`${qualified.packages[0]?.outputs[0]?.path}\n`, example('path'))
})

test('the marks of a merge have a code of their own', (t) => {
  const marked = text.replace(
    '  version 5.4.7\n',
    '<<<<<<< ours\n  version 5.4.7\n=======\n  version 5.4.8\n>>>>>>> theirs\n',
  )
  t.throws(() => parseLockfile(marked), { code: 'ABN_LOCKFILE_CONFLICT' })
})

const hash = fc.string().map((seed) => sha256Of(seed))
const word = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/)
const words = fc.uniqueArray(word, { minLength: 1, maxLength: 4 }).map((list) => list.sort(compareBytewise))
const acceptance = fc.oneof(
  fc.constant({ kind: 'built' } as const),
  fc.record({ kind: fc.constant('accepted' as const), policy: hash, operators: words, factors: words }),
)
const onePackage = fc
  .record({
    name: word,
    version: fc.stringMatching(/^[0-9][0-9A-Za-z.+~-]{0,9}$/),
    seed: fc.string(),
    outputs: words,
    channel: word,
  })
  .chain(({ name, version, seed, outputs, channel }) => {
    const recipe = parseRecipeHash(sha256Of(seed))
    const all = [...new Set(['out', ...outputs])].sort(compareBytewise)
    return fc.record({
      name: fc.constant(name),
      system: fc.constantFrom('x86_64-linux', 'aarch64-linux'),
      wanted: fc.constantFrom('*', '^1.2', '>=1 <2 || 7', version),
      group: fc.constantFrom('packages' as const, 'devPackages' as const),
      version: fc.constant(version),
      channel: fc.constant(channel),
      recipe: fc.constant(recipe),
      outputs: fc.tuple(
        ...all.map((output) =>
          fc.record({
            output: fc.constant(output),
            path: fc.constant(storePathOf(recipe, name, version, output)),
            digest: hash,
            acceptance,
          }),
        ),
      ),
      needs: fc.uniqueArray(word, { maxLength: 4 }).chain((names) => {
        // The digest follows from the path, so that no two packages contradict each other.
        const paths = names
          .map((one) => storePathOf(parseRecipeHash(sha256Of(`need ${one}`)), one, '1', 'out'))
          .sort(compareBytewise)
        return fc.tuple(
          ...paths.map((path) =>
            fc.record({ path: fc.constant(path), digest: fc.constant(sha256Of(path)), acceptance }),
          ),
        )
      }),
    })
  })
const anyLock = fc
  .uniqueArray(onePackage, { maxLength: 6, selector: ({ name }) => name })
  .chain((packages) =>
    fc.record({
      packages: fc.constant(packages),
      channels: fc.tuple(
        ...[...new Set(packages.map(({ channel }) => channel))].map((name) =>
          fc.record({
            name: fc.constant(name),
            url: fc.option(fc.constant('https://git.example.org/a'), { nil: undefined }),
            commit: fc.option(fc.constant('ab'.repeat(20)), { nil: undefined }),
            digest: hash,
          }),
        ),
      ),
    }),
  )
  .map((lock): Lockfile => sortedLock(lock))

test('every lock has one text, and every text one lock', (t) => {
  fc.assert(
    fc.property(anyLock, (lock) => {
      const written = encodeLockfile(lock)
      t.deepEqual(parseLockfile(written), lock)
      t.is(encodeLockfile(parseLockfile(written)), written)
    }),
    { numRuns: 200 },
  )
})

test('whatever is changed in a text, another lock comes out, or none', (t) => {
  const lock = parseLockfile(text)
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.constantFrom(...'0aZ~ \n\t,:#'), (at, character) => {
      if (text[at] === character) return
      const changed = text.slice(0, at) + character + text.slice(at + 1)
      try {
        const other = parseLockfile(changed)
        t.is(encodeLockfile(other), changed)
        t.notDeepEqual(other, lock)
      } catch (error) {
        t.true(error instanceof Error && 'code' in error && error.code === 'ABN_LOCKFILE_INVALID', String(error))
      }
    }),
    { numRuns: 500 },
  )
})
