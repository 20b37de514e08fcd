// The scene of test/_support/paranoid-scene.ts with hello: two operators build it from the seed, one of them in a simulated TEE; a client
// under `paranoid` fetches it; and each fault alone has it built from source, with the reason. (The fast suite plays it with small
// packages, and builds after each fault.)
//
// ABNPKG_SOURCE_CACHE is used if it is set, else sources are downloaded. It builds the chain for hello three times.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { evaluate, ownChannel } from '../../builder/evaluate/evaluate.ts'
import { house } from '../_support/channel.ts'
import { run, type SceneHome, sceneFaults, startScene } from '../_support/paranoid-scene.ts'
import { temporaryDirectory } from '../_support/temporary.ts'

test('hello under paranoid: fetched, and built from source after each fault', async (t) => {
  const shared = temporaryDirectory(t)
  const sources = process.env.ABNPKG_SOURCE_CACHE ?? join(shared, 'sources')
  mkdirSync(sources, { recursive: true })
  const newHome = (): SceneHome => {
    const directory = temporaryDirectory(t)
    const root = join(directory, 'root')
    const PATH = `${house}:${process.env.PATH ?? ''}`
    return {
      directory,
      root,
      env: { PATH, HOME: directory, LANG: 'C.UTF-8', ABNPKG_ROOT: root, ABNPKG_SOURCE_CACHE: sources },
    }
  }
  const scene = await startScene(t, { name: 'hello', newHome, evaluate: () => evaluate([ownChannel]) })
  const trusting = await scene.client([scene.cache])
  const installed = await run(trusting, 'install', '--no-build', 'hello')
  t.is(installed.status, 0, installed.text)
  t.regex(installed.text, /fetched hello 2\.10/)
  t.regex((await run(trusting, 'run', 'hello')).text, /Hello, world!/)
  t.regex(
    (await run(trusting, 'why', 'hello')).text,
    /(?=[\s\S]*alice agrees)(?=[\s\S]*bob agrees)[\s\S]*alice built it in a TEE: builder/,
  )

  for (const [i, { title, says, arrange }] of sceneFaults.entries()) {
    const { caches, policy, undo } = await arrange(scene)
    const client = await scene.client(caches, policy)
    const said = await run(client, 'install', '--dry-run', 'hello')
    t.regex(said.text, /to build: /, title)
    t.notRegex(said.text, /to fetch: /, title)
    t.regex(said.text, says, title)
    t.is((await run(client, 'install', '--no-build', 'hello')).status, 1, title)
    if (i === 0) {
      const built = await run(client, 'install', '--yes', 'hello')
      t.is(built.status, 0, built.text)
      t.regex(built.text, /built hello 2\.10/)
      t.regex((await run(client, 'why', 'hello')).text, /built here [\s\S]*alice does not count/)
    }
    await undo?.()
  }
})
