/**
 * What one sandbox may use, and who enforces it.
 *
 * init counts processes and memory ten times a second and ends everything when there is too much; the kernel
 * holds the number of processes and threads (RLIMIT_NPROC, counted inside the sandbox's user namespace since Linux 5.14)
 * and the size of one file (RLIMIT_FSIZE). The driver watches time, silence, output and the disk.
 */
import { availableParallelism, totalmem } from 'node:os'

export type SandboxLimits = {
  readonly seconds: number // of the whole run
  readonly silentSeconds: number // without a line of output and without a step that begins
  readonly processes: number
  readonly memoryBytes: number // of all processes together, shared memory included, files not
  readonly diskBytes: number // that all writable directories together may hold
  readonly outputBytes: number // of standard output and standard error
}

export function defaultLimits(): SandboxLimits {
  return {
    seconds: 12 * 3600,
    silentSeconds: 2 * 3600,
    processes: 1000 + 50 * availableParallelism(),
    memoryBytes: Math.floor((totalmem() * 7) / 8),
    diskBytes: 64 * 2 ** 30,
    outputBytes: 256 * 2 ** 20,
  }
}

/** The kernel's resource limits of every step: number, soft, hard. Fixed, so that a build does not see the user's own. */
export function resourceLimits(limits: SandboxLimits): readonly (readonly [number, bigint, bigint])[] {
  const none = 2n ** 64n - 1n
  const disk = BigInt(limits.diskBytes)
  const tasks = BigInt(2 * limits.processes + 64) // threads count too; init reports processes before this is reached
  return [
    [0, none, none], // RLIMIT_CPU
    [1, disk, disk], // RLIMIT_FSIZE
    [2, none, none], // RLIMIT_DATA
    [3, 8n << 20n, none], // RLIMIT_STACK
    [4, 0n, 0n], // RLIMIT_CORE
    [6, tasks, tasks], // RLIMIT_NPROC
    [7, 1024n, 4096n], // RLIMIT_NOFILE
    [8, 65536n, 65536n], // RLIMIT_MEMLOCK
    [9, none, none], // RLIMIT_AS
  ]
}
