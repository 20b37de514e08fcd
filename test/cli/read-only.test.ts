import { spawnSync } from 'node:child_process'
import test from 'ava'
import { makeHome } from '../_support/channel.ts'

const unshare = ['--user', '--map-root-user', '--mount']
const mayMount = spawnSync('unshare', [...unshare, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0

const works = [
  'list',
  'show greet',
  'path greet',
  'size',
  'size tool',
  'why greet tool',
  'verify',
  'gc --dry-run',
  'gc roots',
  'graph greet',
  'log greet',
  'generations',
  'doctor',
  'run greet',
  'shell greet -- greet',
  'install greet',
]
const refuses = ['gc', 'gc add-root mine tool', 'install greet@1.0.0', 'remove greet']

;(mayMount ? test : test.skip)(
  'of a read-only store one can use and look at everything, and is told what cannot be done',
  (t) => {
    using home = makeHome()
    t.is(spawnSync('abnpkg', ['install', 'greet'], { env: home.env }).status, 0)
    const lines = [...works, ...refuses].map(
      (line) =>
        `said=$(abnpkg ${line} 2>&1 </dev/null); status=$?; echo "$status ${line}: $(echo "$said" | grep -o 'error.[A-Z_]*' | head -1)"`,
    )
    const script = ['mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 9', ...lines].join('\n')
    const { stdout, stderr, status } = spawnSync('unshare', [...unshare, 'sh', '-c', script, 'sh', home.root], {
      env: home.env,
      encoding: 'utf8',
    })
    t.is(status, 0, stderr)
    t.deepEqual(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.trim()),
      [...works.map((line) => `0 ${line}:`), ...refuses.map((line) => `1 ${line}: error[ABN_STORE_UNUSABLE`)],
    )
  },
)
