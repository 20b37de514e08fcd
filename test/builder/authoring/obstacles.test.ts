// Ways round what would stop our tools, each from an archive that has just that.
import test from 'ava'
import { newRecipe } from '../../../builder/authoring/new-recipe.ts'
import { type Obstacles, obstaclesIn } from '../../../builder/authoring/obstacles.ts'
import { archiveOf, serve } from './_upstream.ts'

type Row = readonly [title: string, files: Readonly<Record<string, string>>, expected: Partial<Obstacles>]

const rows: readonly Row[] = [
  ['nothing', { configure: '', 'Makefile.am': 'bin_PROGRAMS = frob', 'frob.c': '#ifdef HAVE_LOCALE_H' }, {}],
  [
    'a manual that is there whole',
    {
      'doc/Makefile.am': 'info_TEXINFOS = a.texi',
      'doc/a.texi': '@include version.texi',
      'doc/a.info': '',
      'doc/version.texi': '',
    },
    {},
  ],
  [
    'a manual in a makefile that is included',
    {
      'doc/local.mk': 'info_TEXINFOS = doc/a.texi %D%/b.texi',
      'doc/a.texi': '',
      'doc/a.info': '',
      'doc/b.texi': '',
      'doc/b.info': '',
    },
    {},
  ],
  ['a manual that was taken out', { 'doc/Makefile.am': 'info_TEXINFOS = a.texi' }, { make: ['INFO_DEPS='] }],
  [
    'a manual that nobody has made',
    { 'Makefile.am': 'info_TEXINFOS = x.txt \\\n doc/a.texi', 'doc/a.texi': '' },
    { make: ['INFO_DEPS='] },
  ],
  [
    'a manual that is made again because configure makes a part of it',
    { 'Makefile.am': 'info_TEXINFOS = a.texi', 'a.texi': '@include v.incl\n', 'v.incl.in': '', 'a.info': '' },
    { make: ['INFO_DEPS='] },
  ],
  [
    'a manual in HTML',
    { 'doc/Makefile.am': 'all-local: @PACKAGE@.html\n@PACKAGE@.html: a.texi\n\t$(MAKEINFO) --html' },
    { make: ['MAKEINFO=true'], before: ['touch doc/frob.html'] },
  ],
  [
    'warnings as errors',
    { 'src/Makefile.in': 'AM_CFLAGS = -Wall -Werror -W\n' },
    { before: ["find . -name '[Mm]akefile' -exec sed -i 's/ -Werror$//; s/ -Werror / /g' {} +"] },
  ],
  ['only one warning as an error', { Makefile: 'CFLAGS = -Wall -Werror=vla\n' }, {}],
  [
    'headers that nobody looks for',
    {
      'config.h.in': '#undef HAVE_STRING_H',
      'src/a.c': '#ifdef HAVE_LOCALE_H\n#endif\n#if defined (HAVE_STRING_H)\n# if HAVE_FCNTL_H\n#ifdef HAVE_WINDOWS_H',
      'intl/b.c': '#ifdef HAVE_LIMITS_H',
    },
    { before: ["echo '#define HAVE_FCNTL_H 1' >> config.h", "echo '#define HAVE_LOCALE_H 1' >> config.h"] },
  ],
  [
    'aliases',
    { configure: '#define HAVE_ALIAS_ATTRIBUTE 1\n', 'a.c': 'int b() __attribute__((__alias__("a")));' },
    { before: ["sed -i '/define HAVE_ALIAS_ATTRIBUTE /d' config.h"] },
  ],
  ['a configure that asks for aliases in vain', { configure: '#define HAVE_ALIAS_ATTRIBUTE 1\n', 'a.c': '' }, {}],
  ['ed', { 'bc/fix-libmath_h': 'ed libmath.h <<EOS-EOS\n1,1s/a/b/\n' }, { tools: ['ed'] }],
]

for (const [title, files, { make = [], before = [], tools = [] }] of rows) {
  test(title, (t) => {
    const paths = new Map(Object.entries(files))
    const found = obstaclesIn({ files: new Set(paths.keys()), read: (path) => paths.get(path) ?? '', name: 'frob' })
    t.deepEqual({ ...found, guesses: [] }, { make, before, tools, guesses: [] })
    t.is(found.guesses.length > 0, make.length + before.length + tools.length > 0)
  })
}

test('what is missing is told, with what to type; what is there is used', async (t) => {
  const archive = archiveOf('frob-1', { Makefile: 'all: frob\n\ted x <<E\n', 'frob.c': '"--version"' })
  const { base, options } = await serve(t, { '/frob-1.tar.gz': archive })
  const without = await newRecipe(`${base}/frob-1.tar.gz`, options)
  t.deepEqual(without.draft.tools, [])
  const with_ = await newRecipe(`${base}/frob-1.tar.gz`, { ...options, has: (name) => name === 'ed' })
  t.deepEqual(with_.draft.tools, ['ed'])
  t.deepEqual(with_.warnings, [])
  t.deepEqual(without.warnings, [
    "its build needs ed, for which there is no recipe: 'abnpkg recipe new ed', then this again with --force",
  ])
})
