/**
 * The few operations on the kernel's files (configfs, sysfs) that this room needs. They are behind a type because the faults of those
 * files, such as EBUSY, cannot be made with files of a disk: tests put a kernel of their own in their place.
 */
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, rmdir } from 'node:fs/promises'

export type TeeFiles = {
  /** Makes a directory, in which the kernel makes files. */
  make(path: string): Promise<void>
  /** Removes it with those files. */
  remove(path: string): Promise<void>
  /** All that it says; when that is more than `maximum` bytes, some number of bytes above it. */
  read(path: string, maximum: number): Promise<Uint8Array>
  /** In one piece, into a file that is there. */
  write(path: string, bytes: Uint8Array): Promise<void>
}

export const kernelFiles: TeeFiles = {
  make: async (path) => {
    await mkdir(path)
  },
  remove: rmdir,
  read: (path, maximum) => withFile(path, constants.O_RDONLY, (file) => readAll(file, maximum)),
  write: (path, bytes) =>
    withFile(path, constants.O_WRONLY, async (file) => {
      const { bytesWritten } = await file.write(bytes)
      if (bytesWritten !== bytes.length) throw new Error(`${path}: ${bytesWritten} of ${bytes.length} bytes were taken`)
    }),
}

export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** These files say that they have 4,096 bytes, or none; only their end tells how many there are. */
async function readAll(file: FileHandle, maximum: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(maximum + 1)
  let at = 0
  while (at < buffer.length) {
    const { bytesRead } = await file.read(buffer, at, buffer.length - at, null)
    if (bytesRead === 0) break
    at += bytesRead
  }
  return buffer.slice(0, at)
}

/** Closing a file of configfs is what hands on what was written, and can fail too. */
async function withFile<T>(path: string, flags: number, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, flags)
  try {
    const result = await use(file)
    await file.close()
    return result
  } catch (error) {
    await file.close().catch(() => {})
    throw error
  }
}
