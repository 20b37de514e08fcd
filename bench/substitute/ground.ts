/**
 * Where a run writes: a new ext4 file system on a loop device when root runs this and can mount, else a new directory. A file system in
 * which much was removed before avoids the inodes that became free, and makes new files ten times as slowly: nothing can be measured there.
 * Nor in one that has little room: ext4 waits for the disk before it lets more be written when what is free is less than one and a half times
 * what it has not placed yet, and then everybody who writes spends half of the time in that wait.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { removeDirectory } from '../../store/remove-directory.ts'

export type Ground = Disposable & { readonly directory: string }

/** Whether file systems can be made and mounted here. */
export function canMount(scratch: string): boolean {
  if (process.geteuid?.() !== 0) return false
  try {
    freshFileSystem(scratch, 64)[Symbol.dispose]()
    return true
  } catch {
    return false
  }
}

export function freshGround(scratch: string, { mount, megabytes }: { mount: boolean; megabytes: number }): Ground {
  if (mount) return freshFileSystem(scratch, megabytes)
  const directory = mkdtempSync(join(scratch, 'run-'))
  return { directory, [Symbol.dispose]: () => removeDirectory(directory) }
}

function freshFileSystem(scratch: string, megabytes: number): Ground {
  const base = mkdtempSync(join(scratch, 'run-'))
  const image = join(base, 'image')
  const directory = join(base, 'mounted')
  mkdirSync(directory)
  // Enough for files of twenty kilobytes each; to write the tables of more takes longer than what is measured.
  const inodes = Math.max(1000, megabytes * 50)
  try {
    execFileSync('truncate', ['-s', `${megabytes}M`, image])
    // Without the thread that would go on initialising tables while we measure.
    const whole = 'lazy_itable_init=0,lazy_journal_init=0'
    execFileSync('mkfs.ext4', ['-q', '-F', '-E', whole, '-N', String(inodes), image], { stdio: 'pipe' })
    execFileSync('mount', ['-o', 'loop', image, directory], { stdio: 'pipe' })
  } catch (error) {
    rmSync(base, { recursive: true, force: true })
    throw error
  }
  spawnSync('sync')
  return {
    directory,
    [Symbol.dispose]: () => {
      execFileSync('umount', [directory])
      rmSync(base, { recursive: true, force: true })
    },
  }
}
