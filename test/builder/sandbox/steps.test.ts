// Steps: their order, what runs beside what, how a failure is reported, and that nothing outlives a sandbox.
import { closeSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { defaultLimits } from '../../../builder/sandbox/limits.ts'
import { runInSandbox } from '../../../builder/sandbox/sandbox.ts'
import { type Place, place, processesWith, tryInSandbox, type User, users } from './_support/harness.ts'
import { writeProbe } from './_support/probes.ts'

function each(title: string, check: (t: ExecutionContext, user: User, at: Place) => Promise<void>): void {
  for (const user of users) {
    test(`${title} (as ${user.name})`, async (t) => {
      const at = place(user)
      try {
        await check(t, user, at)
      } finally {
        at.remove()
      }
    })
  }
}

const exit = 'fn main(argc, argv) { print(argv[1]); print(" "); return number(argv[2]); }'

each('run in order, and the first that fails ends the run', async (t, user, at) => {
  const outcome = await tryInSandbox(at, {
    user,
    programs: { exit },
    steps: [
      ['./exit', 'a', '0'],
      { args: ['./build/exit', 'b', '0'], cwd: '/' },
      ['/build/exit', 'c', '3'],
      ['/build/exit', 'd', '0'],
    ],
  })
  t.is(outcome.text, 'a b c ')
  t.deepEqual(outcome.started, [0, 1, 2])
  t.deepEqual(outcome.result, { kind: 'failed', step: 2, how: { kind: 'exit', code: 3 } })
})

each('a step that a signal ends is reported with it', async (t, user, at) => {
  const { result } = await tryInSandbox(at, { user, programs: { crash: 'fn main() { var p = 0; return p[0]; }' } })
  t.deepEqual(result, { kind: 'failed', step: 0, how: { kind: 'signal', signal: 11 } })
})

each('programs are looked up on PATH', async (t, user, at) => {
  const programs = { 'b/tool': exit, 'a/other': exit }
  const steps = [['tool', 'found', '0'], ['missing']]
  const outcome = await tryInSandbox(at, { user, programs, steps, env: { PATH: '/none:/build/a:/build/b' } })
  t.is(outcome.text, 'found ')
  t.deepEqual(outcome.result, { kind: 'failed', step: 1, how: { kind: 'not-executed', errno: 2 } })
  const without = await tryInSandbox(at, { user, programs, steps })
  t.deepEqual(without.result, { kind: 'failed', step: 0, how: { kind: 'not-executed', errno: 2 } })
})

each('a step whose directory is missing is not executed', async (t, user, at) => {
  const { result } = await tryInSandbox(at, {
    user,
    programs: { exit },
    steps: [{ args: ['/build/exit', '', '0'], cwd: '/nowhere' }],
  })
  t.deepEqual(result, { kind: 'failed', step: 0, how: { kind: 'not-executed', errno: 2 } })
})

each('a program that somebody has open for writing for a moment is waited for', async (t, user, at) => {
  const first = await tryInSandbox(at, { user, programs: { exit }, steps: [['/build/exit', 'a', '0']] })
  t.is(first.text, 'a ')
  const compiled = readdirSync(join(at.directory, 'cache')).map((name) => join(at.directory, 'cache', name))
  t.is(compiled.length, 1)
  for (const [index, program] of [...compiled, join(at.build, 'exit')].entries()) {
    const held = openSync(program, 'r+')
    setTimeout(() => closeSync(held), 1000)
    const { text, result } = await again(at, user)
    t.is(text, 'b ', `${index}: ${JSON.stringify(result)}`)
  }
})

/** Without writing the programs anew. */
function again(at: Place, user: User) {
  return tryInSandbox(at, { user, programs: {}, steps: [['/build/exit', 'b', '0']] })
}

/** Ends only when both of its kind run at once. */
const meet = `
  fn main(argc, argv) {
    mkdir(argv[1], 0x1ed);
    while (syscall(21, argv[2], 0, 0, 0, 0, 0) < 0) nap();   # access
    return 0;
  }`

/** Fails when another of its kind runs at the same time. */
const alone = `
  fn main() {
    if (mkdir("/build/lock", 0x1ed) < 0) return 1;
    nap();
    return syscall(84, "/build/lock", 0, 0, 0, 0, 0) < 0;   # rmdir
  }`

each('parallel steps run beside each other, others alone', async (t, user, at) => {
  const parallel = (args: string[]) => ({ args, parallel: true })
  const outcome = await tryInSandbox(at, {
    user,
    programs: { meet, alone },
    cores: 2,
    steps: [
      ['/build/alone'],
      ['/build/alone'],
      parallel(['/build/meet', 'x', 'y']),
      parallel(['/build/meet', 'y', 'x']),
      ['/build/alone'],
      parallel(['/build/alone']),
    ],
  })
  t.deepEqual(outcome.result, { kind: 'done' })
})

each('no more parallel steps run than there are cores', async (t, user, at) => {
  const steps = Array.from({ length: 8 }, () => ({ args: ['/build/alone'], parallel: true }))
  t.deepEqual((await tryInSandbox(at, { user, programs: { alone }, steps, cores: 1 })).result, { kind: 'done' })
  const { result } = await tryInSandbox(at, { user, programs: { alone }, steps, cores: 8 })
  t.like(result ?? {}, { kind: 'failed', how: { kind: 'exit', code: 1 } }, 'the program does notice company')
})

each('a thousand steps', async (t, user, at) => {
  const steps = Array.from({ length: 1000 }, (_, i) => ({
    args: ['/build/exit', String(i), '0'],
    parallel: i % 3 === 0,
  }))
  const { result, text, started } = await tryInSandbox(at, { user, programs: { exit }, steps, cores: 4 })
  t.deepEqual(result, { kind: 'done' })
  t.is(started.length, 1000)
  t.is(text.trim().split(' ').length, 1000)
})

each('orphans are reaped', async (t, user, at) => {
  const orphans =
    'fn main() { var n = 0; while (n < 50) { if (fork() == 0) { fork(); exit(0); } n = n + 1; } return 0; }'
  const lonely = `
    fn processes() {
      var fd = open("/proc", O_DIRECTORY, 0); var n = 0;
      var got = getdents(fd, out, 65536); var p = out;
      while (p < out + got) { if (p.[19] >= '0' && p.[19] <= '9') n = n + 1; p = p + p.[16] + p.[17] * 256; }
      close(fd);
      return n;
    }
    fn main() { while (processes() > 2) nap(); return 0; }`
  const { result } = await tryInSandbox(at, { user, programs: { orphans, lonely }, limits: { seconds: 30 } })
  t.deepEqual(result, { kind: 'done' })
})

/** Leaves a child behind that has its own session and ignores every signal that can be ignored. */
const haunt = `
  var ignore[4];
  fn main(argc, argv) {
    ignore[0] = 1;
    var s = 1;
    while (s < 65) { syscall(13, s, ignore, 0, 8, 0, 0); s = s + 1; }
    if (fork() == 0) { syscall(112, 0, 0, 0, 0, 0, 0); print("haunting\\n"); pause(); }
    while (argv[2]) pause();
    nap(); nap();
    return 0;
  }`

each('what a step left behind ends with the sandbox', async (t, user, at) => {
  const token = `token-${at.directory}`
  const outcome = await tryInSandbox(at, { user, programs: { haunt }, steps: [['/build/haunt', token]] })
  t.deepEqual(outcome, { text: 'haunting\n', started: [0], result: { kind: 'done' } })
  t.deepEqual(processesWith(token), [])
})

each('kill -9 of the driver ends every process', async (t, user, at) => {
  const token = `token-${at.directory}`
  let seen = 0
  const outcome = await tryInSandbox(at, {
    user,
    programs: { haunt },
    steps: [['/build/haunt', token, 'stay']],
    onOutput: (_, driver) => {
      seen = processesWith(token).length
      driver.kill()
    },
  })
  t.is(outcome.text, 'haunting\n')
  t.is(outcome.result, undefined)
  t.is(seen, 2)
  // The kernel closes the driver's sockets a moment after it is gone; init ends when it sees that.
  while (processesWith(token).length > 0) await new Promise((resolve) => setTimeout(resolve, 10))
  t.pass()
})

test('an abort ends every process before the promise settles', async (t) => {
  const at = place({ name: 'this user' })
  try {
    writeProbe(join(at.build, 'haunt'), haunt)
    const token = `token-${at.directory}`
    const abort = new AbortController()
    let seen = 0
    const run = runInSandbox(
      {
        scratch: join(at.directory, 'scratch'),
        cache: join(at.directory, 'cache'),
        readOnly: [],
        writable: [{ source: at.build, target: '/build' }],
        files: [],
        links: [],
        env: {},
        steps: [{ args: ['/build/haunt', token, 'stay'], cwd: '/build', env: {}, parallel: false }],
        cores: 1,
        limits: defaultLimits(),
      },
      {
        signal: abort.signal,
        onEvent: ({ kind }) => {
          if (kind !== 'output') return
          seen = processesWith(token).length
          abort.abort(new Error('enough'))
        },
      },
    )
    await t.throwsAsync(run, { message: 'enough' })
    t.is(seen, 2)
    t.deepEqual(processesWith(token), [])
  } finally {
    at.remove()
  }
})
