/** Why a sandbox cannot be made on this machine, and what to type about it. */
import { existsSync, readFileSync } from 'node:fs'
import { getSystemErrorMap } from 'node:util'
import { AbnError } from '../../format/errors.ts'
import type { ScriptRecord } from './script.ts'

export type UnshareFailure = {
  readonly complaint: string // what unshare said on standard error
  readonly exit?: number | string
  readonly cause?: unknown
}

/** For an `unshare` that could not be started, or ended before init said how the run ended. */
export function unshareError({ complaint, exit, cause }: UnshareFailure, host: HostFacts = hostFacts()): AbnError {
  if (hasCode(cause, 'ENOENT'))
    return new AbnError('ABN_SANDBOX_UNSHARE', "the program 'unshare' of util-linux was not found on PATH", {
      hint: 'install util-linux (Debian: apt install util-linux)',
      cause,
    })
  const said = complaint.trim().replaceAll(/\s+/g, ' ')
  if (/unrecognized option|invalid option|invalid argument/i.test(said))
    return new AbnError('ABN_SANDBOX_UNSHARE', `the installed 'unshare' is too old: ${said}`, {
      hint: 'install util-linux 2.36 or later',
    })
  if (/failed to execute/.test(said))
    return new AbnError('ABN_SANDBOX_SETUP', `a sandbox could not be started: ${said}`, {
      hint: 'put the store (ABNPKG_ROOT) on a file system that is not mounted noexec',
    })
  if (said !== '') return forbidden(said, host)
  return new AbnError('ABN_SANDBOX_ENDED', `the sandbox was ended from outside (${String(exit)})`, {
    hint: 'the kernel may have run out of memory: see dmesg, and try fewer --jobs',
  })
}

/** Whether init could not be started only because another process had it open for writing (ETXTBSY). */
export function isBusy(error: unknown): boolean {
  return error instanceof AbnError && error.code === 'ABN_SANDBOX_SETUP' && error.message.includes('Text file busy')
}

/** For a record of init's script that failed. */
export function setupError(record: ScriptRecord, errno: number, host: HostFacts = hostFacts()): AbnError {
  const what = record.slice(0, 3).join(' ').slice(0, 200)
  const message = `init could not carry out '${what}': ${errnoName(errno)}`
  if (errno === EPERM || errno === EACCES) return forbidden(message, host)
  if (record[0] === 'proc' && errno === EINVAL)
    return new AbnError('ABN_SANDBOX_KERNEL', `the kernel cannot mount a private /proc (${errnoName(errno)})`, {
      hint: 'use Linux 5.10 or later',
    })
  return new AbnError('ABN_SANDBOX_SETUP', message, {
    hint: 'this should not happen; please report it with this message',
  })
}

/** `EPERM (operation not permitted)`. */
export function errnoName(errno: number): string {
  const entry = getSystemErrorMap().get(-errno)
  return entry ? `${entry[0]} (${entry[1]})` : `error ${errno}`
}

/** What the host says about user namespaces; passed in so that a test can say something else. */
export type HostFacts = {
  readonly setting: (name: string) => string | undefined
  readonly isRoot: boolean
  readonly inContainer: boolean
}

function hostFacts(): HostFacts {
  return {
    setting: (name) => {
      const path = `/proc/sys/${name.replaceAll('.', '/')}`
      return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
    },
    isRoot: process.geteuid?.() === 0,
    inContainer: existsSync('/.dockerenv') || existsSync('/run/.containerenv') || process.env.container !== undefined,
  }
}

function forbidden(reason: string, host: HostFacts): AbnError {
  return new AbnError(
    'ABN_SANDBOX_FORBIDDEN',
    `this machine does not let ${host.isRoot ? 'root' : 'you'} make a sandbox: ${reason}`,
    {
      hint: remedy(host),
    },
  )
}

/** The first setting that explains it. `sysctl -w` lasts until the machine restarts; that is said with it. */
function remedy({ setting, isRoot, inContainer }: HostFacts): string {
  const change = (name: string, value: string): string =>
    `let an administrator run: sysctl -w ${name}=${value} (to keep it: a line ${name}=${value} in /etc/sysctl.d/abnpkg.conf)`
  if (!isRoot && setting('kernel.unprivileged_userns_clone') === '0')
    return change('kernel.unprivileged_userns_clone', '1')
  if (!isRoot && setting('kernel.apparmor_restrict_unprivileged_userns') === '1')
    return change('kernel.apparmor_restrict_unprivileged_userns', '0')
  if (setting('user.max_user_namespaces') === '0') return change('user.max_user_namespaces', '10000')
  if (inContainer)
    return 'containers forbid it by default; start this one with --privileged, or with --security-opt seccomp=unconfined --security-opt systempaths=unconfined'
  return isRoot ? 'see dmesg for what refused it' : 'try it as root, or see dmesg for what refused it'
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

const [EPERM, EACCES, EINVAL] = [1, 13, 22]
