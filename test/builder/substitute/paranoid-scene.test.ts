// The scene of test/_support/paranoid-scene.ts with packages that build in no time; test/slow/paranoid.test.ts plays it with hello.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { evaluate, ownChannel } from '../../../builder/evaluate/evaluate.ts'
import { makeHome } from '../../_support/channel.ts'
import { run, sceneFaults, startScene } from '../../_support/paranoid-scene.ts'

test('under paranoid greet is fetched, and each fault alone sends the client back to the source', async (t) => {
  const newHome = () => {
    const home = makeHome()
    t.teardown(() => home[Symbol.dispose]())
    return home
  }
  const { channel } = newHome()
  const scene = await startScene(t, {
    name: 'greet',
    newHome,
    evaluate: () => evaluate([{ ...ownChannel, directory: channel }]),
  })
  const trusting = await scene.client([scene.cache])
  const installed = await run(trusting, 'install', '--no-build', 'greet')
  t.is(installed.status, 0, installed.text)
  t.regex(installed.text, /fetched greet 1\.1\.0/)
  t.regex(
    (await run(trusting, 'why', 'greet')).text,
    /(?=[\s\S]*alice agrees)(?=[\s\S]*bob agrees)[\s\S]*alice built it in a TEE: builder/,
  )
  // No fault of the forger's: what follows is found wrong for its quote alone.
  const sound = await scene.withQuote(() => ({}))
  const careful = await scene.client([sound.cache], sound.policy)
  t.regex((await run(careful, 'install', '--no-build', 'greet')).text, /fetched greet/)

  for (const { title, says, arrange } of sceneFaults) {
    const { caches, policy, undo } = await arrange(scene)
    const client = await scene.client(caches, policy)
    const said = await run(client, 'install', 'greet')
    t.is(said.status, 0, `${title}: ${said.text}`)
    t.regex(said.text, /built greet 1\.1\.0/, title)
    t.notRegex(said.text, /fetched/, title)
    t.regex(`${said.text}${(await run(client, 'why', 'greet')).text}`, says, title)
    const alarms = join(client.root, 'var/trust/alarms')
    if (title.includes('forked')) t.is(readdirSync(alarms).length, 1, 'both notes are kept')
    await undo?.()
  }
  const again = await scene.client([scene.cache])
  t.regex((await run(again, 'install', '--no-build', 'greet')).text, /fetched greet/, 'all is well again')
})
