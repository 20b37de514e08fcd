/** Executes the worked examples of docs/formats. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { encodeArchive } from '../../format/archive/encode.ts'
import { encodeCanonicalJson, parseCanonicalJson } from '../../format/canonical-json.ts'
import { encodeDerivation, parseDerivation, recipeHashOf, resolvedHashOf } from '../../format/derivation.ts'
import { parseRecipeHash, parseSha256, sha256Of } from '../../format/hash.ts'
import { parseStoreItem, storePathOf } from '../../format/store-path.ts'

function example(page: string, name: string): string {
  const text = readFileSync(join(import.meta.dirname, '../../docs/formats', page), 'utf8')
  const match = new RegExp(`^\`\`\`\\w+ example=${name}\\n(.*?)\\n\`\`\`$`, 'ms').exec(text)
  if (match?.[1] === undefined) throw new Error(`${page} has no example ${name}`)
  return match[1]
}

test('canonical-json.md', (t) => {
  const text = example('canonical-json.md', 'value')
  const value = { b: [1.5, 1e21, true, null], a: 'é\n' }
  t.deepEqual(parseCanonicalJson(Buffer.from(text)), value)
  t.is(Buffer.from(encodeCanonicalJson(value)).toString(), text)
  t.is(sha256Of(text) as string, example('canonical-json.md', 'value-sha256'))
  for (const line of example('canonical-json.md', 'refused').split('\n')) {
    t.deepEqual(JSON.parse(line), value, 'JSON itself takes it for the same')
    t.throws(() => parseCanonicalJson(Buffer.from(line)), { code: 'ABN_JSON_INVALID' }, line)
  }
})

test('derivation.md', (t) => {
  const text = example('derivation.md', 'derivation')
  const derivation = parseDerivation(Buffer.from(text))
  t.is(Buffer.from(encodeDerivation(derivation)).toString(), text)
  t.is(recipeHashOf(derivation) as string, example('derivation.md', 'recipe-hash'))
  t.is(recipeHashOf(derivation) as string, sha256Of(`abnpkg-derivation-v1\n${text}`))
  const digest = parseSha256(example('derivation.md', 'input-digest'))
  const [input] = derivation.inputs
  if (input === undefined) throw new Error('the example has no input')
  t.is(resolvedHashOf(derivation, new Map([[input.path, digest]])) as string, example('derivation.md', 'resolved-hash'))
  const resolved = text.replace(
    /"output":"out",(.*?),"recipe":"[0-9a-f]*"/,
    `"output":"out","outputDigest":"${digest}",$1`,
  )
  t.is(sha256Of(`abnpkg-resolved-derivation-v1\n${resolved}`) as string, example('derivation.md', 'resolved-hash'))
})

test('store-path.md', (t) => {
  const recipe = parseRecipeHash(example('store-path.md', 'recipe-hash'))
  const paths = ['out', 'dev'].map((output) => storePathOf(recipe, 'greeting', '1.0', output))
  t.deepEqual(paths as string[], example('store-path.md', 'store-paths').split('\n'))
})

test('archive.md', (t) => {
  const item = parseStoreItem(example('archive.md', 'item'))
  const expected = Buffer.alloc(2560)
  for (const [, offset, text] of example('archive.md', 'archive').matchAll(/([0-9]+) +"([^"]*)"/g)) {
    expected.write((text ?? '').replace('\\n', '\n'), Number(offset))
  }
  const content = [Buffer.from('hello\n')]
  const archive = Buffer.concat([
    ...encodeArchive(item, [
      { kind: 'directory', path: '' },
      { kind: 'file', path: 'greeting', executable: false, size: 6, content },
    ]),
  ])
  t.true(archive.equals(expected))
  t.is(sha256Of(archive) as string, example('archive.md', 'output-digest'))
})
