// Containers with probes in them (../../sandbox/_support), as the user who runs the tests and, where that is root, as an ordinary one too.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { ContainerSpec } from '../../../../builder/environment/container.ts'
import { own, type Place, type User } from '../../sandbox/_support/harness.ts'
import { writeProbe } from '../../sandbox/_support/probes.ts'

export type Container = {
  readonly user: User
  readonly probe: string // the text of a main function, and what it needs
  readonly args?: readonly string[]
  readonly spec?: Partial<ContainerSpec>
  readonly wrapper?: readonly string[] // a command in front of the driver's
}

export type Outcome = { readonly status: number | null; readonly said: string; readonly complaint: string }

export async function contain(at: Place, container: Container): Promise<Outcome> {
  const child = startContainer(at, container)
  const [said, complaint] = await Promise.all([text(child.stdout), text(child.stderr)])
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return { status: child.exitCode, said, complaint }
}

/** The probe is /abn/store/item/bin/probe, `desk` of the place is /desk, writable; both belong to the user. */
export function startContainer(
  at: Place,
  { user, probe, args = [], spec, wrapper = [] }: Container,
): ChildProcessByStdio<null, Readable, Readable> {
  const [store, desk] = [join(at.directory, 'store/item'), join(at.directory, 'desk')]
  writeProbe(join(store, 'bin/probe'), probe)
  mkdirSync(desk, { recursive: true })
  const whole: ContainerSpec = {
    cache: join(at.directory, 'cache'),
    mounts: [
      { source: store, target: '/abn/store/item', writable: false },
      { source: desk, target: '/desk', writable: true },
    ],
    files: [],
    links: [],
    home: '/abn/home',
    network: 'none',
    env: { PATH: '/abn/store/item/bin' },
    cwd: '/desk',
    args: ['probe', ...args],
    ...spec,
  }
  const file = join(at.directory, 'spec.json')
  writeFileSync(file, JSON.stringify(whole))
  mkdirSync(join(at.directory, 'tmp'), { recursive: true })
  own(at.directory, user)
  const [command = '', ...more] = [...wrapper, process.execPath, join(import.meta.dirname, 'runner.ts'), file]
  return spawn(command, more, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, TMPDIR: join(at.directory, 'tmp') },
    cwd: '/',
    detached: true,
    ...user.ids,
  })
}
