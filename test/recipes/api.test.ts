// What the recipe API accepts, what it makes of it, and what it says when it does not.
import test from 'ava'
import {
  type Compression,
  file,
  git,
  gnuBuild,
  local,
  makeBuild,
  out,
  output,
  parallel,
  quote,
  type RecipeOptions,
  recipe,
  steps,
  tarball,
  zip,
} from '../../recipes/api/index.ts'
import type { BuildContext } from '../../recipes/api/plan.ts'
import { checkRecipe } from '../../recipes/api/recipe.ts'
import { context } from './build-script.ts'

const sha256 = 'a'.repeat(64)
const base: RecipeOptions = { name: 'a', version: '1', summary: 's', license: 'MIT', build: steps([['/x']]) }

test('a recipe stands for its store path in texts', (t) => {
  const one = recipe({ ...base, outputs: ['out', 'dev'] })
  const two = recipe(base)
  t.not(`${one}`, `${two}`)
  t.not(`${one}`, `${output(one, 'dev')}`)
  t.is(`${one}`, `${output(one, 'out')}`)
  t.deepEqual([one.name, one.version, one.outputs], ['a', '1', ['dev', 'out']])
  t.true(Object.isFrozen(one))
  t.is(out, '@{out}')
})

test('tools make up PATH, in order, once each', (t) => {
  const [x, y, z] = [recipe(base), recipe({ ...base, outputs: ['out', 'bin'] }), recipe(base)]
  const made = checkRecipe({ ...base, tools: [[x, y], output(y, 'bin'), [z, x]], libraries: [z] })
  t.is(made.plan.env.PATH, `${x}/bin:${y}/bin:${output(y, 'bin')}/bin:${z}/bin`)
  t.is(made.inputs.length, 5)
})

test('what tools provide', (t) => {
  const shell = recipe({ ...base, provides: { sh: 'bin/ash', variables: { CC: 'first', X: '1' } } })
  const other = recipe({ ...base, provides: { sh: 'bin/bash', env: 'bin/env', variables: { CC: 'second', Y: '2' } } })
  const { plan } = checkRecipe({ ...base, tools: [shell, other], env: { Y: 'own' }, build: gnuBuild() })
  t.deepEqual(plan.links, [
    { path: '/bin/sh', target: `${shell}/bin/ash` },
    { path: '/usr/bin/env', target: `${other}/bin/env` },
  ])
  t.like(plan.env, { CC: 'first', X: '1', Y: 'own', SHELL: `${shell}/bin/ash` })
  t.deepEqual(plan.steps[0]?.args, [`${shell}/bin/ash`, '.abn/build.sh'])
})

test('steps', (t) => {
  const { plan } = checkRecipe({
    ...base,
    build: steps({
      directories: [`${out}/bin`, 'work', 'work'],
      files: [{ path: 'a.h', text: '' }],
      steps: [
        ['/a', 'b'],
        { args: ['/c'], cwd: 'work', env: { D: 'e' } },
        ...parallel([['/f'], ['/g']], { cwd: '@{out}' }),
      ],
    }),
  })
  t.deepEqual(plan, {
    directories: ['@{out}/bin', 'work'],
    files: [{ path: 'a.h', text: '', executable: false }],
    links: [],
    env: {},
    steps: [
      { args: ['/a', 'b'], cwd: '/build', env: {}, parallel: false },
      { args: ['/c'], cwd: '/build/work', env: { D: 'e' }, parallel: false },
      { args: ['/f'], cwd: '@{out}', env: {}, parallel: true },
      { args: ['/g'], cwd: '@{out}', env: {}, parallel: true },
    ],
  })
})

test('a build system of ones own', (t) => {
  const { plan } = checkRecipe({
    ...base,
    build: ({ name, outputs }: BuildContext) => ({ steps: [['/x', name, ...outputs.map((each) => `@{${each}}`)]] }),
  })
  t.deepEqual(plan.steps[0]?.args, ['/x', 'a', '@{out}'])
})

test('sources', (t) => {
  const made = checkRecipe({
    ...base,
    version: '1.5',
    sources: [
      tarball({
        urls: ['https://a.org/{name}-{version}.tar.xz', 'mirror://gnu/b.tgz'],
        sha256,
        size: 7,
        patches: ['recipes/p'],
      }),
      tarball({ urls: ['https://a.org/x'], sha256, compression: 'none', strip: 0, to: 'x' }),
      zip({ urls: ['https://a.org/y.zip'], sha256, to: 'y' }),
      file({ urls: ['https://a.org/dir/z.sh'], sha256, executable: true }),
      git({ url: 'https://a.org/{name}.git', commit: 'b'.repeat(40), sha256, to: 'g' }),
      local('bootstrap/hex0/hex0.bin', { to: 'hex0', executable: true }),
      local('recipes/files/kit.c'),
    ],
  })
  const at = ''
  t.deepEqual(made.sources, [
    {
      to: '.',
      unpack: { kind: 'tar', compression: 'xz', strip: 1 },
      from: { kind: 'urls', urls: ['https://a.org/a-1.5.tar.xz', 'mirror://gnu/b.tgz'], sha256, size: 7 },
      patches: [{ kind: 'local', path: 'recipes/p', at }],
    },
    {
      to: 'x',
      unpack: { kind: 'tar', compression: 'none', strip: 0 },
      from: { kind: 'urls', urls: ['https://a.org/x'], sha256 },
      patches: [],
    },
    {
      to: 'y',
      unpack: { kind: 'zip', strip: 1 },
      from: { kind: 'urls', urls: ['https://a.org/y.zip'], sha256 },
      patches: [],
    },
    {
      to: 'z.sh',
      unpack: { kind: 'file', executable: true },
      from: { kind: 'urls', urls: ['https://a.org/dir/z.sh'], sha256 },
      patches: [],
    },
    {
      to: 'g',
      unpack: { kind: 'git' },
      from: { kind: 'git', url: 'https://a.org/a.git', commit: 'b'.repeat(40), sha256 },
      patches: [],
    },
    {
      to: 'hex0',
      unpack: { kind: 'file', executable: true },
      from: { kind: 'local', path: 'bootstrap/hex0/hex0.bin', at },
      patches: [],
    },
    {
      to: 'kit.c',
      unpack: { kind: 'file', executable: false },
      from: { kind: 'local', path: 'recipes/files/kit.c', at },
      patches: [],
    },
  ])
})

const compressions: Readonly<Record<string, Compression>> = {
  'a.tar.gz': 'gzip',
  'a.tgz': 'gzip',
  'a.tar.bz2': 'bzip2',
  'a.tar.xz': 'xz',
  'a.tar.zst': 'zstd',
  'a.tar': 'none',
}

test('how an archive is compressed is told by its name', (t) => {
  for (const [name, kind] of Object.entries(compressions)) {
    t.is(tarball({ urls: [`https://a.org/${name}`], sha256 }).compression, kind)
  }
})

test('quoting', (t) => {
  for (const plain of ['--prefix=@{out}', 'a/b.c', '@{#12:dev}/lib', 'CC=tcc', 'a,b:c+d%e']) t.is(quote(plain), plain)
  t.is(quote(''), "''")
  t.is(quote("it's $x"), "'it'\\''s $x'")
  t.is(quote('@{out} x'), "'@{out} x'")
})

const wrong: Readonly<Record<string, readonly [make: () => unknown, message: RegExp]>> = {
  'no object': [() => call(recipe, undefined), /^recipe: expected an object/],
  'no name': [() => call(recipe, { ...base, name: undefined }), /^recipe: name: expected a text, got nothing/],
  'an empty name': [() => recipe({ ...base, name: '' }), /^recipe: name/],
  'a version with a space': [() => recipe({ ...base, version: '1 2' }), /^recipe 'a': version/],
  'a summary of two lines': [() => recipe({ ...base, summary: 'a\nb' }), /^recipe 'a': summary: expected one line/],
  'a homepage that is none': [() => recipe({ ...base, homepage: 'gnu.org' }), /^recipe 'a': homepage/],
  'no build': [() => call(recipe, { ...base, build: undefined }), /^recipe 'a': build: expected steps/],
  'a plan for a build': [() => call(recipe, { ...base, build: { steps: [] } }), /^recipe 'a': build: expected steps/],
  'no steps': [() => recipe({ ...base, build: steps([]) }), /steps: expected at least one step/],
  'an empty step': [() => recipe({ ...base, build: steps([[]]) }), /steps\[0\]\.args: expected a program/],
  'a number among arguments': [
    () => recipe({ ...base, build: call(steps, [[['/x', 1]]]) }),
    /args\[1\]: expected a text/,
  ],
  'a text for a tool': [
    () => call(recipe, { ...base, tools: ['gcc'] }),
    /tools\[0\]: expected a recipe, got the text "gcc"/,
  ],
  'nothing for a tool': [
    () => call(recipe, { ...base, tools: [undefined] }),
    /tools\[0\]: expected a recipe, got nothing/,
  ],
  'a source that is none': [() => call(recipe, { ...base, source: 'x' }), /source: expected tarball/],
  'a source made by hand': [
    () => call(recipe, { ...base, source: { kind: 'local', path: '/x' } }),
    /source: expected tarball/,
  ],
  'source and sources': [
    () => recipe({ ...base, source: local('recipes/x'), sources: [] }),
    /give 'source' or 'sources', not both/,
  ],
  'patches for nobody': [() => recipe({ ...base, patches: ['recipes/p'] }), /patches: there is not exactly one source/],
  'a patch from elsewhere': [() => recipe({ ...base, source: local('recipes/x'), patches: ['/p'] }), /relative path/],
  'outputs without out': [() => recipe({ ...base, outputs: ['dev'] }), /outputs: expected 'out'/],
  'an output twice': [() => recipe({ ...base, outputs: ['out', 'out'] }), /the same output twice/],
  'an unknown output': [() => output(recipe(base), 'dev'), /a has no output "dev"; it has out/],
  'a smoke test of the host': [
    () => recipe({ ...base, smoke: [['/bin/sh']] }),
    /smoke\[0\]\[0\]: expected a relative path/,
  ],
  'a placeholder in a URL': [
    () => recipe({ ...base, source: tarball({ urls: ['https://a/{nme}.tar'], sha256 }) }),
    /unknown \{nme\}/,
  ],
  'no URL': [() => tarball({ urls: [], sha256 }), /urls: expected at least one URL/],
  'a URL of another kind': [() => tarball({ urls: ['ftp://a/b.tar'], sha256 }), /urls\[0\]: expected a URL/],
  'an archive of unknown kind': [() => tarball({ urls: ['https://a/b'], sha256 }), /does not end in \.tar\.gz/],
  'capitals in a hash': [
    () => tarball({ urls: ['https://a/b.tar'], sha256: 'A'.repeat(64) }),
    /sha256: expected a SHA-256/,
  ],
  'a branch for a commit': [() => git({ url: 'https://a/b', commit: 'main', sha256 }), /the full commit/],
  'a place out of the build': [
    () => tarball({ urls: ['https://a/b.tar'], sha256, to: '../x' }),
    /\.to: expected a relative path/,
  ],
  'an unknown option': [() => call(gnuBuild, { configureFlags: [] }), /^gnuBuild: unknown field "configureFlags"/],
  'an unknown default': [() => call(gnuBuild, { omit: ['--x'] }), /^gnuBuild\.omit: expected some of --prefix/],
  'no shell': [() => gnuBuild()({ ...context, shell: undefined }), /none of the tools provides a shell/],
  'a phase without a reason': [() => gnuBuild({ check: { off: '' } })(context), /check\.off/],
  'a phase that is off and on': [
    () => call(gnuBuild, { check: { off: 'x', args: [] } })(context),
    /a phase that is 'off'/,
  ],
  'a phase twice': [
    () => gnuBuild({ check: { args: [], replace: 'x' } })(context),
    /args and replace exclude each other/,
  ],
  'an empty phase': [() => gnuBuild({ check: { replace: '\n' } })(context), /expected shell lines/],
  'arguments for nothing': [() => makeBuild({ configure: ['--x'] })(context), /say with 'replace' what to run/],
  'files out of the output': [() => makeBuild({ install: { files: { '../x': 'y' } } })(context), /relative path/],
  'files to build': [() => call(makeBuild, { build: { files: {} } })(context), /unknown field "files"/],
}

for (const [title, [make, message]] of Object.entries(wrong)) {
  test(`refused: ${title}`, (t) => {
    t.throws(make, { name: 'RecipeError', message })
  })
}

/** Calls with an argument that the types refuse. */
function call<R>(fn: (...args: never[]) => R, argument: unknown): R {
  return Reflect.apply(fn, undefined, Array.isArray(argument) ? argument : [argument])
}
