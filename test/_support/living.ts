// A store in use: rounds in which two installs, a shell and a collection of garbage run at once, some of them ended by kill -9 at a
// random instant; after each, everything that must hold is looked at.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { allPaths } from '../../cli/store/store-names.ts'
import type { StorePath } from '../../format/store-path.ts'
import { listRoots } from '../../store/roots.ts'
import { openStore } from '../../store/store.ts'
import { verifyItems } from '../../store/verify.ts'
import { dateHolds } from '../store/support.ts'
import type { Home } from './channel.ts'
import { launcher } from './channel.ts'

export type RoundReport = { readonly killed: number; readonly failed: readonly string[]; readonly shells: number }

/** Throws when something does not hold. `failed`: what commands that were not killed complained of. */
export async function liveRound(home: Home, random: () => number): Promise<RoundReport> {
  const installs = [
    ['install', 'greet'],
    ['install', 'greet@1.0.0', '--profile', 'other'],
  ]
  const commands = [...installs, ['gc'], ['gc', '--older-than', '0s']].map((args) => start(home, args))
  const shells = [start(home, ['shell', 'greet@1.0.0', '--', 'sh', '-c', 'echo "ready $PATH"; read line'])]
  let killed = 0
  const killing = [...commands, ...shells].map(async ({ child }) => {
    if (random() < 0.5) return
    await delay(random() * random() * 900) // most of them early, for a command may take only 100 ms
    if (child.exitCode === null && child.kill('SIGKILL')) killed++
  })
  await Promise.all(killing)
  await Promise.all(commands.map(({ ended }) => ended))
  // A shell that has started keeps what it was started with, also when the abnpkg that started it was killed.
  const living = shells.filter(({ child, said }) => /^ready /m.test(said()) && child.stdout?.readableEnded === false)
  const after = start(home, ['gc', '--older-than', '0s'])
  await after.ended
  if (after.child.exitCode !== 0) throw new Error(`gc afterwards: ${after.said()}`)
  for (const { said } of living) {
    const item = /\/abn\/store\/([^/:]+)\/bin/.exec(said())?.[1]
    if (item === undefined) throw new Error(`no store path in ${said()}`)
    const isThere =
      existsSync(`${home.root}/store/${item}/bin/greet`) && existsSync(`${home.root}/var/items/${item}.json`)
    if (!isThere) throw new Error(`${item} was deleted under a living shell`)
  }
  for (const { child } of shells) child.stdin?.end('\n')
  await Promise.all(shells.map(({ ended }) => ended))
  await requireWhole(home.root)
  const failed = [...commands, ...shells].flatMap(({ child, said, args }) =>
    child.signalCode === null && child.exitCode !== 0 ? [`${args.join(' ')}: ${said()}`] : [],
  )
  return { killed, failed, shells: living.length }
}

/** In the end nothing is left for a person to remove, and all works. */
export async function requireUsable(home: Home): Promise<void> {
  dateHolds(home.root)
  for (const args of [['install', 'greet'], ['gc'], ['verify']]) {
    const { status, stderr } = spawnSync(launcher, args, { env: home.env, encoding: 'utf8', timeout: 120_000 })
    if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
  }
  const store = openStore({ root: home.root })
  for (const directory of [store.layout.temporary, `${home.root}/var/holds`]) {
    const left = existsSync(directory) ? readdirSync(directory) : []
    if (left.length > 0) throw new Error(`${directory}: ${left.join(', ')}`)
  }
  await requireWhole(home.root)
}

async function requireWhole(root: string): Promise<void> {
  const store = openStore({ root })
  const { problems } = await verifyItems(store, allPaths(store), { threads: 1 })
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  const lost: readonly StorePath[] = listRoots(store).flatMap(({ kind, path }) =>
    kind === 'generation' && !store.has(path) ? [path] : [],
  )
  if (lost.length > 0) throw new Error(`a profile names what is gone: ${lost.join(', ')}`)
}

type Started = {
  readonly args: readonly string[]
  readonly child: ChildProcess
  readonly ended: Promise<unknown>
  readonly said: () => string
}

function start(home: Home, args: readonly string[]): Started {
  const child = spawn(launcher, args, { env: home.env, stdio: ['pipe', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += String(chunk)))
  child.stdin.on('error', () => {})
  // What a killed command has left running may keep its streams open: only the process counts.
  return { args, child, ended: once(child, 'exit'), said: () => text }
}
