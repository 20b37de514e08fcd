// Types the commands of docs/running-a-cache.md, "The whole on one machine", and looks at what they print.
//
// ABNPKG_SOURCE_CACHE is used if it is set, else sources are downloaded. It builds the chain for hello and lua four times.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { house } from '../_support/channel.ts'
import { temporaryDirectory } from '../_support/temporary.ts'

/** The blocks of commands below a heading, in order. */
function blocksBelow(heading: string): readonly string[] {
  const page = readFileSync(join(house, 'docs/running-a-cache.md'), 'utf8')
  const [, section = ''] = page.split(`\n## ${heading}\n`)
  const [own = ''] = section.split('\n## ')
  return [...own.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block)
}

test('two caches, three builders, one who lies, and clients, as the page says', async (t) => {
  const directory = temporaryDirectory(t)
  const sources = process.env.ABNPKG_SOURCE_CACHE
  if (sources !== undefined) {
    mkdirSync(sources, { recursive: true })
    symlinkSync(sources, join(directory, 'sources'))
  }
  const blocks = blocksBelow('The whole on one machine')
  t.true(blocks.length > 6)
  const { ABNPKG_ROOT: _root, XDG_CONFIG_HOME: _config, ABNPKG_SOURCE_CACHE: _cache, ...rest } = process.env
  const env = { ...rest, HOME: directory, PATH: `${house}:${process.env.PATH ?? ''}` }
  // Before each block a line that says where its output begins. Whatever goes wrong ends the shell, and the caches with it.
  const script = ['set -eu', "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
  for (const [i, block] of blocks.entries()) script.push(`echo '@@ ${i}'`, block)
  const shell = spawn('bash', ['-c', `exec 2>&1\n${script.join('\n')}`], {
    cwd: directory,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => shell.kill('SIGTERM'))
  let said = ''
  shell.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const [status] = await once(shell, 'close')
  const outputs = said.split(/^@@ \d+\n/m).slice(1)
  t.is(status, 0, said)
  const output = (command: string) => outputs[blocks.findIndex((block) => block.includes(command))] ?? 'no such block'

  const built = output('builder run')
  t.is(built.match(/2 packages done, 0 left, 2 caches/g)?.length, 3, built)
  t.regex(output('mallory/root/var/items'), /refused/)
  const trusting = output('$PWD/trusting')
  t.notRegex(trusting, /^built /m)
  t.regex(trusting, /fetched hello 2\.10/)
  t.regex(trusting, /fetched lua /)
  t.regex(trusting, /Hello, world!/)
  for (const who of ['alice', 'bob', 'carol']) t.regex(trusting, new RegExp(`${who} agrees`))
  const deceived = output('$PWD/deceived')
  t.regex(deceived, /contradict each other[\s\S]*not without a build[\s\S]*built hello 2\.10[\s\S]*DIVERGENCE/)
  const gone = output('install --dry-run lua')
  t.regex(gone, /to build:[\s\S]*built lua /)
  t.regex(gone, /mallory says nothing/)
})
