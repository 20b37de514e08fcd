/**
 * As whom a sandbox runs, seen from the host. Inside it is always user 1000.
 *
 * An ordinary user's sandbox runs as that user, through a user namespace that `unshare` makes. Root's runs as a user
 * that exists for nothing else, so that a build that breaks out is nobody, and so that the kernel's limit on processes
 * holds, which it does not for root. Where root lacks the power for that (many containers), it is treated like a user.
 */
import { lchownSync, lstatSync, readdirSync, readFileSync } from 'node:fs'

export type SandboxIdentity =
  | { readonly kind: 'root'; readonly hostId: number; readonly unshareFlags: readonly string[] }
  | { readonly kind: 'user'; readonly hostId: number; readonly unshareFlags: readonly string[] }

/** User and group of root's builds: in the range that systemd's list of user ids leaves unused, and below 65536. */
export const BUILD_ID = 61100

export function sandboxIdentity(): SandboxIdentity {
  if (process.geteuid?.() === 0 && hasPowers() && isMapped(BUILD_ID, 'uid_map') && isMapped(BUILD_ID, 'gid_map'))
    return { kind: 'root', hostId: BUILD_ID, unshareFlags: [] }
  return { kind: 'user', hostId: 0, unshareFlags: ['--user', '--map-root-user'] }
}

/** Gives a directory and all below to the sandbox's user. Links are not followed. */
export function giveToSandbox(directory: string, identity: SandboxIdentity): void {
  if (identity.kind === 'root') changeOwner(Buffer.from(directory), identity.hostId)
}

/** The reverse, for what outlives the sandbox and is not made canonical. The kernel clears set-user-ID bits on the way. */
export function takeFromSandbox(directory: string): void {
  if (sandboxIdentity().kind === 'root') changeOwner(Buffer.from(directory), 0)
}

/**
 * Paths are bytes here: a name that is not UTF-8 belongs to the sandbox's user too. What lies deeper than a path can name, which
 * only a build can have made, keeps its owner.
 */
function changeOwner(path: Buffer, id: number): void {
  if (path.length > MAXIMUM_PATH_BYTES) return
  const status = lstatSync(path)
  if (status.uid !== id || status.gid !== id) lchownSync(path, id, id)
  if (!status.isDirectory()) return
  for (const name of readdirSync(path, { encoding: 'buffer' })) changeOwner(Buffer.concat([path, slash, name]), id)
}

/** PATH_MAX without the NUL at the end. */
const MAXIMUM_PATH_BYTES = 4095
const slash = Buffer.from('/')

function hasPowers(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  const needed = [0, 1, 6, 7, 21] // CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN
  return effective !== undefined && needed.every((bit) => (BigInt(`0x${effective}`) >> BigInt(bit)) & 1n)
}

function isMapped(id: number, map: 'uid_map' | 'gid_map'): boolean {
  return readFileSync(`/proc/self/${map}`, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .some(([first = 0, , count = 0]) => first <= id && id < first + count)
}
