// First recipes for packages that are not among ours, as `abnpkg recipe new` writes them: they build unchanged. Needs a Debian mirror,
// and builds the toolchain from the seed.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { removeDirectory } from '../../store/remove-directory.ts'
import { house, launcher } from '../_support/channel.ts'

/** What is run of each, as a shell line; bc needs ed while it is built. */
const packages = {
  dash: 'dash -c "echo $((6 * 7))"',
  cpio: 'echo /etc/hostname | cpio -o 2>/dev/null | wc -c | grep -q . && echo 42',
  indent: 'echo "int x ;" | indent -st >/dev/null; echo 42',
  ed: 'printf "a\\n42\\n.\\n1p\\nQ\\n" | ed -s',
  bc: 'echo "6 * 7" | bc',
}

test('first recipes build as they are', (t) => {
  t.timeout(40 * 60_000)
  const home = mkdtempSync(join(tmpdir(), 'abnpkg-new-'))
  t.teardown(() => removeDirectory(home))
  const given = Object.entries(process.env).filter(([name]) =>
    /^(https?_proxy|no_proxy|ABNPKG_SOURCE_CACHE|ABNPKG_DEBIAN_MIRROR)$/i.test(name),
  )
  const env = {
    PATH: `${house}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`,
    HOME: home,
    LANG: 'C.UTF-8',
    ABNPKG_ROOT: join(home, 'root'),
    ...Object.fromEntries(given),
  }
  const cwd = join(home, 'mine')
  mkdirSync(cwd)
  const abnpkg = (...args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(launcher, args, { env, cwd, encoding: 'utf8', timeout: 30 * 60_000 })
    t.is(status, 0, `abnpkg ${args.join(' ')}\n${stderr}`)
    return stdout
  }
  for (const name of Object.keys(packages)) abnpkg('recipe', 'new', name)
  abnpkg('channel', 'add', 'mine', '.', '--live')
  for (const [name, line] of Object.entries(packages)) {
    const printed = abnpkg('shell', `mine:${name}`, '--', 'sh', '-c', line)
    t.is(printed.trim(), '42', name)
    t.log(`${name}: builds and runs`)
  }
})
