// Types the commands of docs/running-a-cache.md, "A log and its witnesses", and looks at what they print. It needs the ports of the page.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { house } from '../../_support/channel.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

test('a log with two witnesses, as the page says', async (t) => {
  t.timeout(300_000)
  const directory = temporaryDirectory(t)
  const page = readFileSync(join(house, 'docs/running-a-cache.md'), 'utf8')
  const [, section = ''] = page.split('\n## A log and its witnesses\n')
  const [own = ''] = section.split('\n## ')
  const blocks = [...own.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block)
  t.true(blocks.length > 5)
  const { ABNPKG_ROOT: _root, XDG_CONFIG_HOME: _config, ...rest } = process.env
  const env = { ...rest, HOME: directory, PATH: `${house}:${process.env.PATH ?? ''}` }
  const script = ['set -eu', "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
  for (const [i, block] of blocks.entries()) script.push(`echo '@@ ${i}'`, block)
  const shell = spawn('bash', ['-c', `exec 2>&1\n${script.join('\n')}`], {
    cwd: directory,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => shell.kill('SIGTERM'))
  // The commands wait for each other with `until`: whatever does not come ends here.
  const timer = setTimeout(() => shell.kill('SIGTERM'), 240_000)
  t.teardown(() => clearTimeout(timer))
  let said = ''
  shell.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const [status] = await once(shell, 'close')
  const outputs = said.split(/^@@ \d+\n/m).slice(1)
  t.is(status, 0, said)
  const output = (command: string) => outputs[blocks.findIndex((block) => block.includes(command))] ?? 'no such block'
  const first = output('cat checkpoint')
  t.regex(first, /^log\.cache\.example\.org\n1\n/m)
  t.is(first.match(/^\u2014 /gm)?.length, 3, first)
  const away = output('kill $second')
  t.regex(away, /abn_cache_log_entries 2\n/)
  t.regex(away, /abn_cache_log_published_entries 1\n/)
  t.regex(away, /\n2\n/)
  t.regex(said, /with the log log\.cache\.example\.org\+/)
  t.regex(output('cache fsck'), /a log of 2, 0 faults/)
})
