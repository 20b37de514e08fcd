/**
 * Watches what a sandbox writes, so that a build without end is stopped long before the disk is full.
 *
 * Walking the directories is dear, asking the file system for its free space is not: directories are measured only when
 * the file system has lost as much as would break the limit. Free space is watched in any case, and more often when there is
 * not much of it.
 *
 * Not measured: what lies deeper than a path can name, what an ordinary user's build has made unreadable, and files that are
 * open but have no name any more. A build that hides files in these ways can pass its own limit; the reserve of free space is
 * kept all the same, as that is asked of the file system.
 */
import { lstat, readdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'

export type DiskFinding = { readonly kind: 'disk' | 'free-space'; readonly bytes: number }

/** Calls `onFinding` once, when the directories hold more than `limitBytes` or the disk has too little left. */
export function watchDisk(
  directories: readonly string[],
  { limitBytes, onFinding }: { readonly limitBytes: number; readonly onFinding: (finding: DiskFinding) => void },
): { stop(): void } {
  let stopped = false
  let held = 0 // what was there before the run is counted when it is first measured
  let freeThen: number | undefined
  let pauseMs = LOOK_MS
  const look = async (): Promise<void> => {
    const { free, reserve } = await freeSpace(directories[0] ?? '/')
    pauseMs = free < reserve + 4 * 2 ** 30 ? LOOK_NEAR_END_MS : LOOK_MS
    if (free < reserve) return report({ kind: 'free-space', bytes: free })
    freeThen ??= free
    if (freeThen - free < limitBytes - held) return
    held = await heldBytes(directories)
    freeThen = free
    if (held > limitBytes) report({ kind: 'disk', bytes: held })
  }
  const report = (finding: DiskFinding): void => {
    if (!stopped) onFinding(finding)
    stopped = true
  }
  let timer: NodeJS.Timeout | undefined
  const lookAgain = (): void => {
    timer = setTimeout(
      () =>
        void look()
          .catch(goOn)
          .then(() => stopped || lookAgain()),
      pauseMs,
    )
  }
  void look()
    .catch(goOn)
    .then(() => stopped || lookAgain())
  return {
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}

/** Free bytes of the file system that `path` is on, and how many of them builds must leave. */
export async function freeSpace(path: string): Promise<{ readonly free: number; readonly reserve: number }> {
  const { bavail, blocks, bsize } = await statfs(path)
  return { free: bavail * bsize, reserve: Math.min(256 * 2 ** 20, (blocks * bsize) / 50) }
}

const LOOK_MS = 200
/** A disk takes longer than this to write the reserve, so that the end of free space is seen before a build meets it. */
const LOOK_NEAR_END_MS = 20

/** A look that failed is followed by the next one. */
function goOn(): void {}

/** Bytes allocated below the directories; what vanishes meanwhile counts nothing. */
async function heldBytes(directories: readonly string[]): Promise<number> {
  let bytes = 0
  for (const directory of directories) {
    const entries = await readdir(directory, { withFileTypes: true }).catch(() => [])
    const sizes = entries.map(async (entry) => (await lstat(join(directory, entry.name))).blocks * 512)
    for (const size of await Promise.allSettled(sizes)) bytes += size.status === 'fulfilled' ? size.value : 0
    bytes += await heldBytes(entries.filter((entry) => entry.isDirectory()).map((entry) => join(directory, entry.name)))
  }
  return bytes
}
