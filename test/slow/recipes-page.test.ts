// Types what docs/recipes.md tells its reader to type, in a fresh home directory, and compares. Needs a Debian mirror, and builds the
// toolchain from the seed.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { removeDirectory } from '../../store/remove-directory.ts'
import { house } from '../_support/channel.ts'
import { isMatch, parseTranscript } from '../_support/transcript.ts'

const page = readFileSync(join(house, 'docs/recipes.md'), 'utf8')
const sessions = [...page.matchAll(/^```session\n(.*?)^```$/gms)].map(([, text = '']) => text)
const missing = ['git', 'ssh-keygen'].filter((program) => spawnSync(program, ['--help']).error !== undefined)
const testOrSkip = missing.length === 0 ? test : test.skip

testOrSkip('docs/recipes.md', (t) => {
  t.timeout(40 * 60_000)
  const home = mkdtempSync(join(tmpdir(), 'abnpkg-page-'))
  t.teardown(() => removeDirectory(home))
  const env = {
    PATH: `${house}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`,
    HOME: home,
    LANG: 'C.UTF-8',
    ABNPKG_ROOT: join(home, 'root'),
    ...(process.env.ABNPKG_SOURCE_CACHE ? { ABNPKG_SOURCE_CACHE: process.env.ABNPKG_SOURCE_CACHE } : {}),
    ...(process.env.ABNPKG_DEBIAN_MIRROR ? { ABNPKG_DEBIAN_MIRROR: process.env.ABNPKG_DEBIAN_MIRROR } : {}),
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(https?|no)_proxy$/i.test(name))),
  }
  t.true(sessions.length > 5)
  for (const { command, expected, status } of sessions.flatMap(parseTranscript)) {
    // One shell a command, as in the transcripts, but each goes on in the directory of the one before.
    const script = `cd "$(cat ~/.directory 2>/dev/null || echo ~)" && exec 2>&1\n${command}\nstatus=$?\npwd > ~/.directory\nexit $status`
    const { stdout, status: got } = spawnSync('sh', ['-c', script], { env, encoding: 'utf8', timeout: 30 * 60_000 })
    const printed = stdout.split('\n').filter((line) => line !== '')
    const fits = got === status && isMatch(printed, expected)
    t.true(
      fits,
      `$ ${command}\nexpected (${status}):\n${expected.join('\n')}\nprinted (${got}):\n${printed.join('\n')}`,
    )
    if (!fits) return
  }
})
