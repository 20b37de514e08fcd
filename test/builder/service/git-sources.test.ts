// A package whose source is a commit: what is published is the canonical archive of its tree, so that whoever builds it later needs
// neither git's host nor git's word for it.
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFile, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { encodeArchive } from '../../../format/archive/encode.ts'
import { sha256Of } from '../../../format/hash.ts'
import { sourceTreeItem } from '../../../store/output-digest.ts'
import type { Home } from '../../_support/channel.ts'
import { listening } from '../../_support/listening.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import {
  abnpkg,
  attestationsIn,
  cacheFor,
  evidenceAt,
  homeFor,
  operatorKeys,
  runOnce,
  storeOf,
} from './_support/world.ts'

const gitTest = spawnSync('git', ['--version']).status === 0 ? test : test.skip

const text = Buffer.from('what is kept in git\n')
const archive = Buffer.concat([
  ...encodeArchive(sourceTreeItem, [
    { kind: 'directory', path: '' },
    { kind: 'file', path: 'kept', executable: false, size: text.length, content: [text] },
  ]),
])
const sha256 = sha256Of(archive)

type Repository = { readonly url: string; readonly commit: string; close(): Promise<void> }

/** One commit, served as plain files. */
async function serveRepository(t: ExecutionContext): Promise<Repository> {
  const work = temporaryDirectory(t)
  const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' }
  const git = (...args: readonly string[]) => execFileSync('git', args, { cwd: work, env, encoding: 'utf8' }).trim()
  git('init', '--quiet')
  writeFileSync(join(work, 'kept'), text)
  git('add', '.')
  git('-c', 'user.name=a', '-c', 'user.email=a@example.org', 'commit', '--quiet', '-m', 'one')
  git('update-server-info')
  const server = createServer((request, response) => {
    const path = join(work, '.git', new URL(request.url ?? '', 'http://x').pathname)
    readFile(path, (error, data) => (error ? response.writeHead(404).end() : response.end(data)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  t.teardown(close)
  return { url: `http://127.0.0.1:${port}/`, commit: git('rev-parse', 'HEAD'), close }
}

function writeRecipe(home: Home, { url, commit }: Repository): void {
  const lines = [
    "import { git, out, recipe, steps } from 'abnpkg'",
    "import { tool } from './tool.ts'",
    'export const kept = recipe({',
    "  name: 'kept', version: '1', summary: 'is made from a commit', homepage: 'https://example.org/', license: 'MIT',",
    `  source: git({ url: '${url}', commit: '${commit}', sha256: '${sha256}', to: 'source' }),`,
    '  tools: [tool],',
    "  build: steps({ directories: [out], steps: [['tool', 'copy', 'source/kept', out + '/kept']] }),",
    '})',
  ]
  writeFileSync(join(home.channel, 'recipes/packages/kept.ts'), lines.join('\n'))
}

gitTest('a package made from a commit is attested and published, and its source is had from the cache', async (t) => {
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  const repository = await serveRepository(t)
  const builder = homeFor(t)
  writeRecipe(builder, repository)
  const config = { work: [{ kind: 'packages', names: ['kept'] }], caches: [cache.url], sources: true }
  const ran = await runOnce(builder, storeOf(builder), config, { signer: alice })
  t.deepEqual(
    ran.tasks.map(({ state, error }) => [state, error]),
    [['done', null]],
  )
  const recipe = ran.tasks[0]?.recipe ?? ''
  const [attestation] = attestationsIn(await evidenceAt(cache.url, `/v1/evidence/${recipe}`))
  t.deepEqual(attestation?.statement.sources, [sha256])

  const served = await fetch(`${cache.url}/v1/sources/${sha256}`)
  t.is(served.status, 200)
  t.true(Buffer.from(await served.arrayBuffer()).equals(archive))

  const again = await runOnce(builder, storeOf(builder), config, { signer: alice })
  t.deepEqual(
    again.events.filter(({ kind }) => kind === 'task-failed'),
    [],
  )

  await repository.close()
  const home = homeFor(t)
  writeRecipe(home, repository)
  const without = await abnpkg(home, 'build', 'kept')
  t.is(without.status, 1)
  t.regex(without.stderr, /^error\[ABN_SOURCE_/m)
  mkdirSync(join(home.directory, '.config/abnpkg'), { recursive: true })
  writeFileSync(join(home.directory, '.config/abnpkg/caches.json'), JSON.stringify({ format: 1, caches: [cache.url] }))
  const built = await abnpkg(home, 'build', 'kept')
  t.is(built.status, 0, built.stderr)
})

gitTest('what a cache gives in place of a commit is refused unless it is the archive of its tree', async (t) => {
  const repository = await serveRepository(t)
  await repository.close()
  const liar = createServer((_request, response) => response.end(Buffer.concat([archive, Buffer.alloc(512)])))
  const home = homeFor(t)
  writeRecipe(home, repository)
  const caches = [await listening(t, liar)]
  mkdirSync(join(home.directory, '.config/abnpkg'), { recursive: true })
  writeFileSync(join(home.directory, '.config/abnpkg/caches.json'), JSON.stringify({ format: 1, caches }))
  const built = await abnpkg(home, 'build', 'kept')
  t.is(built.status, 1)
  t.regex(built.stderr, /^error\[ABN_SOURCE_/m)
})
