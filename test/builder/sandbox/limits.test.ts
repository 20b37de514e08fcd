// Builds that fork, eat, write or wait without end are stopped, and the result says at which limit.
import test from 'ava'
import type { SandboxLimits } from '../../../builder/sandbox/limits.ts'
import { place, tryInSandbox, users } from './_support/harness.ts'

type Case = {
  readonly title: string
  readonly program: string
  readonly limits: Partial<SandboxLimits>
  readonly expected: Record<string, unknown>
}

const MiB = 2 ** 20
const cases: readonly Case[] = [
  {
    title: 'a fork bomb',
    program: 'fn main() { while (1) fork(); }',
    limits: { processes: 100 },
    expected: { kind: 'limit', limit: 'processes' },
  },
  {
    title: 'a fork bomb of processes that leave their session and ignore signals',
    program: `var ignore[4];
      fn main() { ignore[0] = 1; var s = 1; while (s < 65) { syscall(13, s, ignore, 0, 8, 0, 0); s = s + 1; }
        while (1) { fork(); syscall(112, 0, 0, 0, 0, 0, 0); } }`,
    limits: { processes: 100 },
    expected: { kind: 'limit', limit: 'processes' },
  },
  {
    title: 'memory without end in one process',
    program: `fn main() { while (1) { var p = mmap(1048576, 3, 0x22, -1); if (p < 0) return 1;
        var i = 0; while (i < 1048576) { p.[i] = 1; i = i + 4096; } } }`,
    limits: { memoryBytes: 64 * MiB },
    expected: { kind: 'limit', limit: 'memory' },
  },
  {
    title: 'memory in many processes, each below the limit',
    program: `fn main() { var n = 0; while (n < 16) { if (fork() == 0) {
        var p = mmap(8388608, 3, 0x22, -1); var i = 0; while (i < 8388608) { p.[i] = 1; i = i + 4096; } pause(); } n = n + 1; } pause(); }`,
    limits: { memoryBytes: 64 * MiB },
    expected: { kind: 'limit', limit: 'memory' },
  },
  {
    title: 'memory that is shared, without end',
    program: `fn main() { while (1) { var p = mmap(1048576, 3, 0x21, -1); if (p < 0) return 1;
        var i = 0; while (i < 1048576) { p.[i] = 1; i = i + 4096; } } }`,
    limits: { memoryBytes: 64 * MiB },
    expected: { kind: 'limit', limit: 'memory' },
  },
  {
    title: 'System V shared memory that nobody has attached any more',
    program: `fn main() { while (1) { var id = syscall(29, 0, 1048576, 0x3ff, 0, 0, 0); if (id < 0) return 1;
        var p = syscall(30, id, 0, 0, 0, 0, 0); var i = 0; while (i < 1048576) { p.[i] = 1; i = i + 4096; }
        syscall(67, p, 0, 0, 0, 0, 0); } }`,
    limits: { memoryBytes: 64 * MiB },
    expected: { kind: 'limit', limit: 'memory' },
  },
  {
    title: 'memory without end in a process that has taken its descriptors from init',
    program: `fn main() { out[0] = 0; out[1] = 0; syscall(302, 1, 7, out, 0, 0, 0);
        while (1) { var p = mmap(1048576, 3, 0x22, -1); if (p < 0) return 1;
        var i = 0; while (i < 1048576) { p.[i] = 1; i = i + 4096; } } }`,
    limits: { memoryBytes: 64 * MiB },
    expected: { kind: 'limit', limit: 'memory' },
  },
  {
    title: 'a program that computes for ever',
    program: 'fn main() { while (1) {} }',
    limits: { seconds: 0.5 },
    expected: { kind: 'limit', limit: 'time', reached: 0.5 },
  },
  {
    title: 'a program that waits for ever and says nothing',
    program: 'fn main() { print("once\\n"); pause(); }',
    limits: { silentSeconds: 1 },
    expected: { kind: 'limit', limit: 'silence' },
  },
  {
    title: 'one file without end',
    program: 'fn main() { var fd = open("/build/f", 0x41, 0x1a4); while (write(fd, out, 65536) > 0) {} pause(); }',
    limits: { diskBytes: 16 * MiB },
    expected: { kind: 'limit', limit: 'disk' },
  },
  {
    title: 'a file that claims to be huge',
    program: 'fn main() { return syscall(77, open("/build/f", 0x41, 0x1a4), 1 << 40, 0, 0, 0, 0); }',
    limits: { diskBytes: 16 * MiB },
    expected: { kind: 'limit', limit: 'disk', reached: 16 * MiB },
  },
  {
    title: 'files without number, in /tmp',
    program: `fn main() { var n = 0; while (1) { decimal(copy(out, "/tmp/"), n); var fd = open(out, 0x41, 0x1a4);
        if (fd < 0) pause(); write(fd, out, 65536); close(fd); n = n + 1; } }`,
    limits: { diskBytes: 16 * MiB },
    expected: { kind: 'limit', limit: 'disk' },
  },
  {
    title: 'output without end',
    program: 'fn main() { while (1) print("all work and no play\\n"); }',
    limits: { outputBytes: 1 * MiB },
    expected: { kind: 'limit', limit: 'output' },
  },
  {
    title: 'output without end from what a step has left behind',
    program: 'fn main() { if (fork() == 0) while (1) print("still here\\n"); while (1) nap(); }',
    limits: { outputBytes: 1 * MiB },
    expected: { kind: 'limit', limit: 'output' },
  },
]

for (const user of users) {
  for (const { title, program, limits, expected } of cases) {
    test(`${title} (as ${user.name})`, async (t) => {
      const at = place(user)
      try {
        const outcome = await tryInSandbox(at, { user, programs: { program }, limits })
        t.like(outcome.result ?? {}, expected)
        t.true(outcome.text.length < 2 * MiB)
      } finally {
        at.remove()
      }
    })
  }
}

for (const user of users) {
  test(`shared memory counts once, however many have it (as ${user.name})`, async (t) => {
    const at = place(user)
    try {
      // 16 MiB that 16 processes have mapped and touched, for longer than it takes to look several times.
      const program = `fn main() { var p = mmap(16777216, 3, 0x21, -1); var n = 0; while (n < 15) {
          if (fork() == 0) { touch(p); pause(); } n = n + 1; }
        touch(p); n = 0; while (n < 25) { nap(); n = n + 1; } return 0; }
        fn touch(p) { var i = 0; while (i < 16777216) { p.[i] = 1; i = i + 4096; } }`
      const { result } = await tryInSandbox(at, { user, programs: { program }, limits: { memoryBytes: 64 * MiB } })
      t.deepEqual(result, { kind: 'done' })
    } finally {
      at.remove()
    }
  })
}
