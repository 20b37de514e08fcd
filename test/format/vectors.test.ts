/** See test/vectors/format/README.md. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { encodeCanonicalJson, type JsonValue, parseCanonicalJson } from '../../format/canonical-json.ts'
import {
  type Derivation,
  encodeDerivation,
  parseDerivation,
  recipeHashOf,
  resolvedHashOf,
} from '../../format/derivation.ts'
import { parseRecipeHash, sha256Of } from '../../format/hash.ts'
import { parseStoreItem, storePathOf } from '../../format/store-path.ts'
import { decodePlain, encodePlain, type PlainEntry } from './archive/support.ts'

const directory = join(import.meta.dirname, '../vectors/format')

function matches(t: ExecutionContext, name: string, made: Uint8Array): void {
  const file = join(directory, name)
  if (process.env.ACCEPT === '1') writeFileSync(file, made)
  t.true(existsSync(file) && readFileSync(file).equals(made), `${name} is not what the code makes`)
}

const canonical: JsonValue = {
  numbers: [0, -1, 1.5, 1e21, 1e-7, 333333333.3333333, Number.MAX_SAFE_INTEGER, 5e-324, Number.MAX_VALUE],
  texts: ['', '\0\b\t\n\f\r\u001f"\\/', '\u007f\u0080é€\u2028', '\u{1f600}'],
  others: [true, false, null, [], {}],
  '\ufb33': 1,
  '\u{1f600}': 2,
  '10': 3,
  '9': 4,
  __proto__: 5,
}

const tool = parseRecipeHash(sha256Of('tool'))
const input = (name: string, output: string) => ({ recipe: tool, output, path: storePathOf(tool, name, '1.0', output) })
const inputs = [input('tool', 'out'), input('tool', 'dev')].sort((a, b) => (a.path < b.path ? -1 : 1))
const derivation: Derivation = {
  name: 'every+thing',
  version: '1.0~rc1',
  system: 'x86_64-linux',
  outputs: ['dev', 'out'],
  inputs,
  sources: [
    {
      to: '.',
      sha256: sha256Of('1'),
      unpack: { kind: 'tar', compression: 'xz', strip: 1 },
      patches: [sha256Of('p'), sha256Of('o')],
    },
    { to: 'a/b.zip.d', sha256: sha256Of('2'), unpack: { kind: 'zip', strip: 0 }, patches: [] },
    { to: 'c.h', sha256: sha256Of('3'), unpack: { kind: 'file', executable: false }, patches: [] },
    { to: 'd', sha256: sha256Of('4'), unpack: { kind: 'git' }, patches: [] },
  ],
  directories: ['@{dev}/include', '@{out}', 'work/é'],
  files: [{ path: 'build.sh', text: 'set -e\necho "$out" @{out}\n', executable: true }],
  links: [{ path: '/bin/sh', target: `${inputs[0]?.path}/bin/sh` }],
  env: { PATH: `${inputs[0]?.path}/bin`, _x: '' },
  steps: [
    { args: ['/bin/sh', '-e', './build.sh'], cwd: '/build', env: { CC: 'cc' }, parallel: false },
    { args: ['cp', 'c.h', '@{dev}/include/'], cwd: '@{out}', env: {}, parallel: true },
  ],
}

const item = parseStoreItem(`${'a'.repeat(32)}-vector-1`)
const file = (path: string, text: string, executable = false): PlainEntry => ({
  kind: 'file',
  path,
  executable,
  bytes: Buffer.from(text),
})
const entries: PlainEntry[] = [
  { kind: 'directory', path: '' },
  { kind: 'directory', path: 'a' },
  file('a/empty', ''),
  file('a.b', 'x'.repeat(512)),
  file('bin', '#!/bin/sh\n', true),
  file('x'.repeat(49), 'name of 100 bytes\n'),
  file('y'.repeat(50), 'name of 101 bytes\n'),
  file('z'.repeat(101), 'name that cannot be split\n'),
  { kind: 'link', path: 'to-a', target: 'a/empty' },
  { kind: 'link', path: 'to-far', target: `/abn/store/${'b'.repeat(32)}-other-2/${'t'.repeat(80)}` },
  { kind: 'link', path: 'w'.repeat(120), target: 'v'.repeat(120) },
  file('é\u{1f600}\n', 'é'),
]

test('canonical.json', (t) => {
  const bytes = encodeCanonicalJson(canonical)
  matches(t, 'canonical.json', bytes)
  t.deepEqual(parseCanonicalJson(bytes), canonical)
})

test('derivation.json', (t) => {
  const bytes = encodeDerivation(derivation)
  matches(t, 'derivation.json', bytes)
  t.deepEqual(parseDerivation(bytes), derivation)
})

test('archive.tar', (t) => {
  const archive = encodePlain(entries, item)
  matches(t, 'archive.tar', archive)
  t.true(encodePlain(decodePlain(archive, { of: item }).entries, item).equals(archive))
})

test('hashes.json', (t) => {
  const recipe = recipeHashOf(derivation)
  const digests = new Map(inputs.map(({ path }) => [path, sha256Of(path)]))
  const hashes = {
    recipeHash: recipe,
    storePaths: derivation.outputs.map((output) => storePathOf(recipe, derivation.name, derivation.version, output)),
    inputDigests: Object.fromEntries(digests),
    resolvedHash: resolvedHashOf(derivation, digests),
    item,
    outputDigest: sha256Of(encodePlain(entries, item)),
  }
  matches(t, 'hashes.json', encodeCanonicalJson(hashes))
})
