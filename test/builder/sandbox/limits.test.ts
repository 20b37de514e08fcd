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
