import test from 'ava'
import { licenceIn, licenceOfDebian } from '../../../builder/authoring/licences.ts'
import { summaryOf } from '../../../builder/authoring/look.ts'
import { constantOf, mirrored, nameAndVersionOf, templated, versionsIn } from '../../../builder/authoring/names.ts'
import { newestTag } from '../../../builder/authoring/newer.ts'

const names = test.macro((t, url: string, expected: string | undefined) => {
  const found = nameAndVersionOf(url)
  t.is(found && `${found.name} ${found.version}`, expected)
})
for (const [url, expected] of [
  ['https://ftp.gnu.org/gnu/hello/hello-2.10.tar.gz', 'hello 2.10'],
  ['https://example.org/lzip-1.25-rc1.tar.xz', 'lzip 1.25-rc1'],
  ['mirror://debian/pool/main/t/tree/tree_2.1.0.orig.tar.gz', 'tree 2.1.0'],
  ['https://github.com/jqlang/jq/archive/refs/tags/v1.7.1.tar.gz', 'jq 1.7.1'],
  ['https://example.org/jq-v1.7.tgz?download=1', 'jq 1.7'],
  ['https://example.org/libfoo2-3.4.tar.bz2', 'libfoo2 3.4'],
  ['https://example.org/Foo_Bar-1.0-src.zip', 'foo_bar 1.0'],
  ['https://example.org/less668.tar.gz', 'less 668'],
  ['https://example.org/download', undefined],
  ['https://example.org/foo.tar.gz', undefined],
] as const) {
  test(url, names, url, expected)
}

test('versions in a listing, newest first, without those before a release and other packages', (t) => {
  const listing = ['1.9', '1.10', '1.11-rc1', '1.2'].map(
    (version) => `<a href="ed-${version}.tar.gz">ed-${version}.tar.gz</a>`,
  )
  const text = `${listing.join('\n')}<a href="ed-1.10.tar.gz.sig">x</a> <a href="sed-9.tar.gz">sed</a> <a href="ed-latest.tar.gz">`
  t.deepEqual(
    versionsIn(text, 'ed').map(({ version }) => version),
    ['1.10', '1.9', '1.2'],
  )
})

test('the newest tag', (t) => {
  const tags = ['v1.9.0', 'v1.10.0', 'v2.0.0-rc1', 'release_1_11', 'nightly', 'v1.10.0^{}'].map(
    (tag) => `abc\trefs/tags/${tag}`,
  )
  t.is(newestTag(tags.join('\n')), '1.11')
  t.is(newestTag(''), undefined)
})

test('addresses as recipes write them', (t) => {
  t.is(mirrored('https://ftp.gnu.org/gnu/ed/ed-1.tar.gz'), 'mirror://gnu/ed/ed-1.tar.gz')
  t.is(mirrored('https://example.org/x-1.tar.gz'), 'https://example.org/x-1.tar.gz')
  t.is(templated('https://example.org/1.2/x-1.2.tar.gz', '1.2'), 'https://example.org/{version}/x-{version}.tar.gz')
})

test('names of constants', (t) => {
  t.deepEqual(['gnu-time', 'lzip', '7zip', 'g++', 'delete', 'steps'].map(constantOf), [
    'gnuTime',
    'lzip',
    'the7zip',
    'gxx',
    'deletePackage',
    'stepsPackage',
  ])
})

test('licences, by their texts and by the names that Debian has for them', (t) => {
  t.is(licenceIn('GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007'), 'GPL-3.0-or-later')
  t.is(licenceIn('GNU LESSER GENERAL PUBLIC LICENSE\nVersion 2.1, February 1999'), 'LGPL-2.1-or-later')
  t.is(licenceIn('Permission is hereby granted, free of charge, to any person obtaining a copy'), 'MIT')
  t.is(licenceIn('All rights reserved.'), undefined)
  t.deepEqual(['GPL-2+', 'GPL-3', 'Expat', 'LGPL-2.1+', 'MPL-2.0', 'custom'].map(licenceOfDebian), [
    'GPL-2.0-or-later',
    'GPL-3.0-only',
    'MIT',
    'LGPL-2.1-or-later',
    'MPL-2.0',
    undefined,
  ])
})

test('a summary is one line in lower case', (t) => {
  t.is(summaryOf('A compressor with\nstrong recovery. It is fast.'), 'A compressor with strong recovery')
  t.is(summaryOf('Compressor with strong recovery features.'), 'compressor with strong recovery features')
  t.is(summaryOf('GNU thing'), 'GNU thing')
  t.is(summaryOf('x'), undefined)
})
