// Builds that fail in every way they can: a code, the last lines, the log, and nothing half-installed.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import type { RealiseEvent } from '../../../builder/realise/events.ts'
import { logPathOf, readLog } from '../../../builder/realise/log.ts'
import { outputPathsOf } from '../../../builder/realise/plan.ts'
import type { SandboxLimits } from '../../../builder/sandbox/limits.ts'
import { AbnError, type ErrorCode } from '../../../format/errors.ts'
import { parseSha256, sha256Of } from '../../../format/hash.ts'
import { removeDirectory } from '../../../store/remove-directory.ts'
import { own, users } from '../sandbox/_support/harness.ts'
import { copier, type Recipe, TestChannel, write } from './_support/channel.ts'

const MiB = 2 ** 20
const fail = 'fn main(argc, argv) { print("a first line\\n\\x1b[31mthe reason\\n"); return 3; }'.replace(
  '\\x1b',
  '\x1b',
)

type Case = {
  readonly title: string
  readonly recipe: Omit<Recipe, 'name'>
  readonly limits?: Partial<SandboxLimits>
  readonly code: ErrorCode
  readonly says: RegExp
}

const cases: readonly Case[] = [
  {
    title: 'a step that fails',
    recipe: { programs: { fail } },
    code: 'ABN_BUILD_FAILED',
    says: /^building bad 1: step 1 of 1 failed \(\/build\/fail\): exit status 3; its last lines:\n {2}\| a first line\n {2}\| the reason\nlog: \//,
  },
  {
    title: 'a step that is ended by a signal',
    recipe: { programs: { crash: 'fn main() { var p = 0; return p[0]; }' } },
    code: 'ABN_BUILD_FAILED',
    says: /ended by signal 11 \(SIGSEGV\); it printed nothing/,
  },
  {
    title: 'a program that is not there',
    recipe: { steps: [['missing']] },
    code: 'ABN_BUILD_FAILED',
    says: /step 1 of 1 failed \(missing\): the program could not be started: ENOENT/,
  },
  {
    title: 'a build that hangs',
    recipe: { programs: { hang: 'fn main() { pause(); }' } },
    limits: { seconds: 0.5 },
    code: 'ABN_BUILD_TIME',
    says: /not finished after 0\.5 s/,
  },
  {
    title: 'a build that falls silent',
    recipe: { programs: { hang: 'fn main() { print("working\\n"); pause(); }' } },
    limits: { silentSeconds: 2 },
    code: 'ABN_BUILD_SILENT',
    says: /nothing was printed for [0-9.]+ s; its last lines:\n {2}\| working\n/,
  },
  {
    title: 'a build that forks without end',
    recipe: { programs: { bomb: 'fn main() { while (1) fork(); }' } },
    limits: { processes: 100 },
    code: 'ABN_BUILD_PROCESSES',
    says: /[0-9]+ processes at once/,
  },
  {
    title: 'a build that writes without end',
    recipe: {
      programs: {
        fill: 'fn main(c, v) { var fd = open(v[1], 0x41, 0x1a4); while (write(fd, out, 65536) > 0) {} return 1; }',
      },
      steps: [['./fill', '@{out}/x']],
    },
    limits: { diskBytes: 8 * MiB },
    code: 'ABN_BUILD_DISK',
    says: /8 MiB on the disk/,
  },
  {
    title: 'a build that prints without end',
    recipe: { programs: { yes: 'fn main() { while (1) print("y\\n"); }' } },
    limits: { outputBytes: 1 * MiB },
    code: 'ABN_BUILD_LOG',
    says: /2 MiB of output/,
  },
  {
    title: 'a build that leaves a set-user-ID file',
    recipe: {
      programs: {
        suid: 'fn main(c, v) { close(open(v[1], 0x41, 0x1a4)); return syscall(90, v[1], 0x9ed, 0, 0, 0, 0) < 0; }',
      },
      steps: [['./suid', '@{out}/x']],
    },
    code: 'ABN_OUTPUT_SET_UID',
    says: /set-user-ID/,
  },
  {
    title: 'a smoke test that fails',
    recipe: {
      programs: { copier, fail },
      directories: ['@{out}/bin'],
      steps: [['./copier', './fail', '@{out}/bin/tool']],
      smoke: [['bin/tool', '--version']],
    },
    code: 'ABN_SMOKE_FAILED',
    says: /bin\/tool --version' of the package that was built: exit status 3/,
  },
  {
    title: 'a smoke test whose program is missing',
    recipe: { programs: { write }, steps: [['./write', '@{out}/x', 'x']], smoke: [['bin/tool']] },
    code: 'ABN_SMOKE_FAILED',
    says: /could not be started: ENOENT/,
  },
  {
    title: 'a recipe whose directory is a file of the sources',
    recipe: { programs: { write }, files: [{ path: 'write/x', text: '', executable: false }] },
    code: 'ABN_SOURCE_COLLISION',
    says: /the recipe writes write\/x, but the sources have a file/,
  },
]

for (const { title, recipe, limits, code, says } of cases) {
  test(title, async (t) => {
    using channel = new TestChannel()
    const bad = channel.package({ name: 'bad', ...recipe })
    const events: RealiseEvent[] = []
    const error = await t.throwsAsync(channel.realise([bad], { limits, onEvent: (event) => events.push(event) }), {
      instanceOf: AbnError,
    })
    t.is(error?.code, code)
    t.regex(error?.message ?? '', says)
    t.false(error?.message.includes('\x1b'))
    t.truthy(error?.hint)
    t.false(channel.has(bad))
    t.false(existsSync(channel.physical(bad)))
    t.deepEqual(readdirSync(channel.store.layout.temporary), [], 'no workspace is left')
    const failed = events.find((event) => event.kind === 'build-failed')
    t.is(failed?.failure.error, error)
    t.true(existsSync(failed?.failure.log ?? ''))
  })
}

test('the log of a failed build is on disk, whole', async (t) => {
  using channel = new TestChannel()
  const bad = channel.package({ name: 'bad', programs: { fail } })
  await t.throwsAsync(channel.realise([bad]))
  const out = outputPathsOf(bad).get('out')
  t.is(out && readLog(logPathOf(channel.store.layout, out)).toString(), 'a first line\n\x1b[31mthe reason\n')
})

test('a failed build keeps its directory when asked, as the own files of this user', async (t) => {
  using channel = new TestChannel()
  const bad = channel.package({
    name: 'bad',
    programs: { write, fail },
    steps: [['./write', 'left', 'behind'], ['./write', '@{out}/part', '1'], ['./fail']],
  })
  let kept: string | undefined
  const error = await t.throwsAsync(
    channel.realise([bad], {
      keepFailed: true,
      onEvent: (event) => {
        if (event.kind === 'build-failed') kept = event.failure.kept
      },
    }),
  )
  t.true(error?.message.endsWith(`\nbuild directory: ${kept}`))
  t.is(readFileSync(join(kept ?? '', 'build/left'), 'utf8'), 'behind')
  t.is(readFileSync(join(kept ?? '', 'output-out/part'), 'utf8'), '1')
  writeFileSync(join(kept ?? '', 'build/left'), 'mine')
  t.deepEqual(readdirSync(channel.store.layout.temporary), [])
})

test('what does not need the failed build is finished, what needs it is not begun', async (t) => {
  using channel = new TestChannel()
  const slow = channel.package({
    name: 'slow',
    programs: { nap: 'fn main() { nap(); nap(); nap(); nap(); nap(); return 0; }' },
  })
  const bad = channel.package({ name: 'bad', programs: { fail } })
  const user = channel.package({ name: 'user', inputs: [bad], programs: { write } })
  const started: string[] = []
  const onEvent = (event: RealiseEvent) => {
    if (event.kind === 'build-start') started.push(event.build.package.derivation.name)
  }
  await t.throwsAsync(channel.realise([slow, user], { jobs: 2, onEvent }), { code: 'ABN_BUILD_FAILED' })
  t.deepEqual(started.sort(), ['bad', 'slow'])
  t.true(channel.has(slow))
})

test('a source that is nowhere fails before anything is built for it', async (t) => {
  using channel = new TestChannel()
  const one = channel.package({ name: 'one', programs: { write } })
  const { path } = Object.values(one.metadata.sources).flatMap((hint) => (hint.kind === 'local' ? [hint] : []))[0] ?? {
    path: '',
  }
  writeFileSync(join(channel.directory, path), 'altered')
  await t.throwsAsync(channel.realise([one]), { code: 'ABN_SOURCE_WRONG_HASH' })
  t.false(channel.has(one))
})

test('without a network, a source that is not cached is an error, and one that is cached is not', async (t) => {
  using channel = new TestChannel()
  const program = Buffer.from('not a program')
  const sha256 = sha256Of(program)
  const hint = { kind: 'urls', urls: ['https://nowhere.invalid/x'], size: program.length } as const
  const base = channel.package({ name: 'base', programs: { write }, steps: [['./write', '@{out}/x', 'x']] })
  const derivation = {
    ...base.derivation,
    sources: [
      ...base.derivation.sources,
      { to: 'zfile', sha256, unpack: { kind: 'file', executable: false }, patches: [] },
    ],
  } as const
  const one = {
    ...base,
    derivation,
    metadata: { ...base.metadata, sources: { ...base.metadata.sources, [sha256]: hint } },
  }
  t.like(channel.plan(one).downloads[0], { sha256, size: program.length })
  const offline = { ...channel.options().sources, offline: true }
  await t.throwsAsync(channel.realise([one], { sources: offline }), { code: 'ABN_SOURCE_OFFLINE' })
  mkdirSync(channel.sourceCache, { recursive: true })
  writeFileSync(join(channel.sourceCache, parseSha256(sha256)), program)
  t.deepEqual(channel.plan(one).downloads, [])
  await channel.realise([one], { sources: offline })
  t.true(channel.has(one))
})

test('an input that is not among the recipes', async (t) => {
  using channel = new TestChannel()
  const gone = channel.package({ name: 'gone', programs: { write } })
  const one = channel.package({ name: 'one', inputs: [gone] })
  channel.packages.delete(gone.recipeHash)
  t.throws(() => channel.plan(one), { code: 'ABN_INPUT_UNKNOWN' })
})

const whenFull: readonly (readonly [string, string])[] = [
  ['waits', 'pause();'],
  ['fails', 'return 1;'],
  [
    'does not notice, and leaves a file that ends too early',
    'syscall(77, fd, lseek(fd, 0, 1) - 262144, 0, 0, 0, 0); return 0;',
  ],
]
for (const [title, then] of whenFull) {
  test(`a full disk, when the build ${title}`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'abn-full-'))
    try {
      // A small disk of its own, in a namespace of its own.
      const mountAndRun = 'mount -t tmpfs -o size=16m tmpfs "$1" && exec "$2" "$3" "$1" "$4"'
      const fill = join(import.meta.dirname, '_support/fill.ts')
      const { stdout } = await promisify(execFile)('unshare', [
        ...['--user', '--map-root-user', '--mount', 'sh', '-c', mountAndRun, 'sh'],
        ...[directory, process.execPath, fill, then],
      ])
      t.deepEqual(JSON.parse(stdout), { code: 'ABN_DISK_FULL', temporary: [], store: 1, small: true, big: false })
    } finally {
      rmdirSync(directory)
    }
  })
}

for (const user of users) {
  test(`what a build leaves is removed or kept, and in nobody's way (as ${user.name})`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'abn-hostile-'))
    try {
      own(directory, user)
      const driver = join(import.meta.dirname, '_support/hostile.ts')
      const { stdout } = await promisify(execFile)(process.execPath, [driver, directory], { ...user.ids, cwd: '/' })
      const kept = ['build', 'output-out', 'tmp']
      t.deepEqual(JSON.parse(stdout), {
        results: [
          ['deep-build', 'built'],
          ['deep-output', 'ABN_OUTPUT_NAME', ...kept],
          ['deep-failure', 'ABN_BUILD_FAILED', ...kept],
          ['closed', 'ABN_BUILD_FAILED', ...kept],
          ['next', 'built'],
        ],
        temporary: [],
      })
    } finally {
      removeDirectory(directory)
    }
  })
}

test('when a build directory cannot be kept, the error says why', async (t) => {
  using channel = new TestChannel()
  writeFileSync(join(channel.root, 'var/failed'), 'in the way')
  const bad = channel.package({ name: 'bad', programs: { fail } })
  const error = await t.throwsAsync(channel.realise([bad], { keepFailed: true }), { code: 'ABN_BUILD_FAILED' })
  t.regex(error?.message ?? '', /\nnot all of the build directory could be kept: .*var\/failed/)
})
