// A source that upstream has no more comes from a cache, by its hash; and a cache that lies about it costs time only.
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import test from 'ava'
import { sha256Of } from '../../../format/hash.ts'
import type { Home } from '../../_support/channel.ts'
import { listening } from '../../_support/listening.ts'
import { abnpkg, cacheFor, homeFor, operatorKeys, runOnce, storeOf } from './_support/world.ts'

const text = 'what upstream once had\n'
const sha256 = sha256Of(text)

function writeRecipe(home: Home): void {
  const lines = [
    "import { file, out, recipe, steps } from 'abnpkg'",
    "import { tool } from './tool.ts'",
    'export const gone = recipe({',
    "  name: 'gone', version: '1', summary: 'is made from what is gone', homepage: 'https://example.org/', license: 'MIT',",
    `  source: file({ urls: ['http://127.0.0.1:1/gone'], sha256: '${sha256}', to: 'gone' }),`,
    '  tools: [tool],',
    "  build: steps({ directories: [out], steps: [['tool', 'copy', 'gone', out + '/gone']] }),",
    '})',
  ]
  writeFileSync(join(home.channel, 'recipes/packages/gone.ts'), lines.join('\n'))
}

function configure(home: Home, caches: readonly string[]): void {
  mkdirSync(join(home.directory, '.config/abnpkg'), { recursive: true })
  writeFileSync(join(home.directory, '.config/abnpkg/caches.json'), JSON.stringify({ format: 1, caches }))
}

test('a source that is gone upstream comes from a cache', async (t) => {
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  const builder = homeFor(t)
  writeRecipe(builder)
  mkdirSync(join(builder.directory, 'sources'))
  writeFileSync(join(builder.directory, 'sources', sha256), text)
  const config = { work: [{ kind: 'packages', names: ['gone'] }], caches: [cache.url], sources: true }
  const { tasks } = await runOnce(builder, storeOf(builder), config, { signer: alice })
  t.deepEqual(
    tasks.map(({ state, error }) => [state, error]),
    [['done', null]],
  )

  const home = homeFor(t)
  writeRecipe(home)
  const without = await abnpkg(home, 'build', 'gone')
  t.is(without.status, 1)
  t.regex(without.stderr, /^error\[ABN_SOURCE_/m)

  const liar = createServer((_request, response) => response.end('something else\n'))
  const lies = await listening(t, liar)
  configure(home, [lies])
  t.is((await abnpkg(home, 'build', 'gone')).status, 1)
  configure(home, [lies, cache.url])
  t.is((await abnpkg(home, 'build', '--source-only', 'gone')).status, 1)
  const built = await abnpkg(home, 'build', 'gone')
  t.is(built.status, 0, built.stderr)
})
