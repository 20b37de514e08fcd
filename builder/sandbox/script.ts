/**
 * The script that init carries out: setup.abl and init.abl describe its records. Here it is put together from a SandboxSpec.
 *
 * The order is fixed: everything that needs the host's files, then `pivot`, then `user`, which gives up all privileges,
 * then limits and the filter, then the steps.
 */
import { posix } from 'node:path'
import { systemCallFilter } from './filter.ts'
import type { SandboxIdentity } from './identity.ts'
import { resourceLimits } from './limits.ts'
import type { SandboxSpec } from './spec.ts'

export type ScriptRecord = readonly [word: string, ...fields: readonly string[]]

/** `root` is an empty directory of the host, on which the new root is mounted. */
export function sandboxScript(
  spec: SandboxSpec,
  { root, identity }: { root: string; identity: SandboxIdentity },
): ScriptRecord[] {
  return [
    ['root', root],
    ...directoriesOf(spec).map((path): ScriptRecord => ['dir', path]),
    ['tmpfs', 'dev/shm', 'mode=1777,size=64m'],
    ...devices.map((name): ScriptRecord => ['device', `/dev/${name}`, `dev/${name}`]),
    ...deviceLinks.map(([path, target]): ScriptRecord => ['link', target, path]),
    ['proc', 'proc'],
    ...spec.readOnly.map(({ source, target }): ScriptRecord => ['bind', source, relative(target)]),
    ...spec.writable.map(({ source, target }): ScriptRecord => ['writable', source, relative(target)]),
    ...[...accounts, ...spec.files].map(({ path, text }): ScriptRecord => ['file', relative(path), text]),
    ...spec.links.map(({ path, target }): ScriptRecord => ['link', target, relative(path)]),
    ['pivot', 'abn'],
    ['user', '1000', String(identity.hostId)],
    ...resourceLimits(spec.limits).map((limit): ScriptRecord => ['limit', ...texts(limit)]),
    filterRecord(),
    ['watch', ...texts([spec.limits.processes + 1, spec.limits.memoryBytes])], // init itself counts
    ['cores', String(spec.cores)],
    ...stepRecords(spec),
  ]
}

/** Throws a TypeError for a field that holds a NUL byte. */
export function encodeScript(records: readonly ScriptRecord[]): Buffer {
  return Buffer.concat(
    records.flat().map((field) => {
      if (field.includes('\0'))
        throw new TypeError(`a field of a sandbox script holds a NUL byte: ${JSON.stringify(field)}`)
      return Buffer.from(`${field}\0`)
    }),
  )
}

const devices = ['null', 'zero', 'full', 'random', 'urandom']
const deviceLinks = [
  ['dev/fd', '/proc/self/fd'],
  ['dev/stdin', '/proc/self/fd/0'],
  ['dev/stdout', '/proc/self/fd/1'],
  ['dev/stderr', '/proc/self/fd/2'],
] as const
const accounts = [
  { path: '/etc/passwd', text: 'root:x:0:0:root:/homeless:/bin/sh\nabn:x:1000:1000:abn:/homeless:/bin/sh\n' },
  { path: '/etc/group', text: 'root:x:0:\nabn:x:1000:\n' },
  { path: '/etc/hosts', text: '127.0.0.1 localhost\n' },
]

/** Every directory that something is put into or mounted on, parents first, relative to the root. */
function directoriesOf(spec: SandboxSpec): string[] {
  const found = new Set<string>()
  const add = (path: string): void => {
    if (path === '.' || found.has(path)) return
    add(posix.dirname(path))
    found.add(path)
  }
  for (const path of ['dev/shm', 'proc', 'etc', 'tmp']) add(path)
  for (const { target } of [...spec.readOnly, ...spec.writable]) add(relative(target))
  for (const { path } of [...spec.files, ...spec.links]) add(posix.dirname(relative(path)))
  return [...found]
}

/** Throws a TypeError for a path that is not absolute or not in its shortest form. */
function relative(path: string): string {
  if (!path.startsWith('/') || posix.normalize(path) !== path || path === '/')
    throw new TypeError(`a path in a sandbox must be absolute and normal: ${JSON.stringify(path)}`)
  return path.slice(1)
}

function filterRecord(): ScriptRecord {
  const words = systemCallFilter()
  return ['filter', ...texts([words.length, ...words])]
}

/** Environment and directory are said only where they change: a step is usually like the one before. */
function stepRecords(spec: SandboxSpec): ScriptRecord[] {
  let before = ''
  return spec.steps.flatMap((step) => {
    const variables = Object.entries({ ...spec.env, ...step.env }).map(([name, value]) => `${name}=${value}`)
    const context: ScriptRecord[] = [
      ['env', String(variables.length), ...variables],
      ['cwd', step.cwd],
    ]
    const key = JSON.stringify(context)
    const isNew = key !== before
    before = key
    const run: ScriptRecord = ['run', step.parallel ? '1' : '0', String(step.args.length), ...step.args]
    return isNew ? [...context, run] : [run]
  })
}

function texts(numbers: readonly (number | bigint)[]): string[] {
  return numbers.map(String)
}
