// Every command that changes something, on a disk that is full at this byte or that: it says so, changes nothing by halves, and works as
// soon as there is room. Gathering garbage, building and registering have such tests of their own.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import test from 'ava'
import { temporaryDirectory } from '../_support/temporary.ts'
import type { Attempt } from './children/on-full-disk.ts'

const unshare = ['--user', '--map-root-user', '--mount']
const mayMount = spawnSync('unshare', [...unshare, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0

;(mayMount ? test : test.skip)('a full disk is told, and harms nothing', (t) => {
  t.timeout(10 * 60_000)
  const disk = temporaryDirectory(t)
  const script = 'mount -t tmpfs -o size=32m,nr_inodes=3000 tmpfs "$1" && exec "$2" "$3" "$1" "$4" "$5"'
  const child = join(import.meta.dirname, 'children/on-full-disk.ts')
  const { stdout, stderr, status } = spawnSync(
    'unshare',
    [
      ...unshare,
      'sh',
      '-c',
      script,
      'sh',
      disk,
      process.execPath,
      child,
      '-1,0,4096,8192,16384,24576,65536,524288',
      temporaryDirectory(t),
    ],
    { encoding: 'utf8', maxBuffer: 1 << 26 },
  )
  t.is(status, 0, stderr)
  const attempts = stdout
    .trim()
    .split('\n')
    .map((line): Attempt => JSON.parse(line))
  for (const attempt of attempts) {
    const { title, free, left, said } = attempt
    const room = free === undefined ? 'with room' : free < 0 ? 'no inodes left' : `${free} bytes left`
    const what = `${title}, ${room}: ${said}`
    t.deepEqual(left, [], what)
    if (free === undefined || attempt.status === 0) t.is(attempt.status, 0, what)
    else t.like(attempt, { status: 1, code: 'ABN_DISK_FULL', hint: true, changed: [] }, what)
  }
  const failed = new Set(attempts.flatMap(({ title, status: s }) => (s === 0 ? [] : [title])))
  t.log(`${attempts.length} attempts; a full disk was in the way of ${[...failed].join(', ')}`)
})
