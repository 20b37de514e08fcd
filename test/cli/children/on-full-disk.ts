// Does what changes something on a disk with less and less room, then with enough: `on-full-disk.ts DIRECTORY FREE,FREE,… CACHE`, with
// DIRECTORY a small disk of its own that has everything on it: the home, the store, the project, the channels, what is temporary;
// FREE bytes are left, or, for -1, not a single inode. CACHE, on another disk, is for code that Node has compiled.
// Prints a line of JSON for each attempt.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { allPaths } from '../../../cli/store/store-names.ts'
import { openStore } from '../../../store/store.ts'
import { verifyItems } from '../../../store/verify.ts'
import { launcher, makeHome } from '../../_support/channel.ts'
import { tarOf } from '../../builder/unpack/_archives.ts'

export type Attempt = {
  readonly title: string
  /** Bytes that were left on the disk; undefined: enough. */
  readonly free: number | undefined
  readonly status: number | null
  /** Of the error, and whether there was a hint. */
  readonly code: string | undefined
  readonly hint: boolean
  /** Files that are other than before. */
  readonly changed: readonly string[]
  /** What lies around, and what is wrong with the store. */
  readonly left: readonly string[]
  readonly said: string
}

type Case = {
  readonly title: string
  readonly args: readonly string[]
  readonly in?: string
  /** Run before each attempt, while there is room. */
  readonly before?: () => void
}

const [, , disk = '', levels = '', elsewhere = ''] = process.argv
/** In place of a number of bytes. */
const NO_INODES = -1
process.env.TMPDIR = disk
const home = makeHome()
const env = { ...home.env, TMPDIR: `${home.directory}/tmp`, XDG_CACHE_HOME: elsewhere, GIT_CONFIG_NOSYSTEM: '1' }
const project = `${home.directory}/project`
const mine = `${home.directory}/mine`
const games = `${home.directory}/games`
const configuration = `${home.directory}/.config/abnpkg`
for (const directory of [env.TMPDIR, project, mine]) mkdirSync(directory)

const archive = gzipSync(
  tarOf(
    { name: 'knob-3/Makefile', data: Buffer.from('all: knob\n') },
    { name: 'knob-3/knob.c', data: Buffer.from('int main(){}') },
  ),
)
const server = createServer((_, response) => void response.end(archive)).listen(0, '127.0.0.1')
await once(server, 'listening')
const address = server.address()
const base = `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`

const greet = () => readFileSync(`${home.channel}/recipes/packages/greet.ts`, 'utf8')
const store = () => openStore({ root: home.root })
const git = (...args: readonly string[]) => {
  const names = ['-c', 'user.name=keeper', '-c', 'user.email=keeper@example.org', '-c', 'commit.gpgsign=false']
  const { status, stderr } = spawnSync('git', ['-C', games, ...names, ...args], { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`)
}
const commit = (version: string) => {
  const text = greet().replaceAll('greet', 'chess').replace("'./tool.ts'", "'abnpkg/tool.ts'").replace('1.1.0', version)
  mkdirSync(`${games}/recipes/packages`, { recursive: true })
  writeFileSync(`${games}/recipes/packages/chess.ts`, text)
  git('add', '.')
  git('commit', '-q', '-m', version)
}
const hasGit = spawnSync('git', ['--version']).status === 0
if (hasGit) {
  mkdirSync(games)
  git('init', '-q', '-b', 'main')
  commit('1.1.0')
}
writeFileSync(
  `${home.directory}/manifest.ts`,
  "import { manifest } from 'abnpkg'\nexport const packages = manifest({ packages: ['greet@1.0.0', 'tool'] })\n",
)

const damage = () => {
  const path = `${home.root}/store/${readdirSync(`${home.root}/store`).find((name) => name.includes('-greet-1.1.0'))}`
  const file = `${path}/share/greet/version`
  chmodSync(file, 0o644)
  writeFileSync(file, 'damaged')
  chmodSync(file, 0o444)
}
const channelCases: readonly Case[] = [
  { title: 'channel add', args: ['channel', 'add', 'games', games, '--unsigned'] },
  { title: 'channel update', args: ['channel', 'update'], before: once_(() => commit('1.2.0')) },
]
const cases: readonly Case[] = [
  { title: 'config set', args: ['config', 'set', 'cores', '2'] },
  { title: 'shell, built', args: ['shell', 'greet@1.0.0', '--', 'true'] },
  { title: 'shell, there already', args: ['shell', 'greet@1.0.0', '--', 'true'] },
  { title: 'shell --container', args: ['shell', 'greet@1.0.0', '--container', '--', 'greet'], in: mine },
  { title: 'run', args: ['run', 'greet@1.0.0', '--', 'there'] },
  { title: 'develop', args: ['develop', 'greet', '--', 'unpack'], in: mine },
  { title: 'add', args: ['add', 'greet@^1.0.0'], in: project },
  {
    title: 'lock',
    args: ['lock'],
    in: project,
    before: () => writeFileSync(`${project}/abnpkg.json`, '{ "packages": { "greet": "1.0.0" } }\n'),
  },
  {
    title: 'sync',
    args: ['sync'],
    in: project,
    before: () => writeFileSync(`${project}/abnpkg.json`, '{ "packages": { "greet": ">=1.0.0", "tool": "*" } }\n'),
  },
  { title: 'update', args: ['update'], in: project },
  { title: 'remove --project', args: ['remove', '--project', 'tool'], in: project },
  { title: 'apply', args: ['apply', `${home.directory}/manifest.ts`] },
  { title: 'install', args: ['install', 'greet'] },
  { title: 'verify --repair', args: ['verify', '--repair'], before: damage },
  { title: 'recipe new', args: ['recipe', 'new', `${base}/knob-3.tar.gz`], in: mine },
  ...(hasGit ? channelCases : []),
  { title: 'rollback', args: ['rollback'] },
  { title: 'remove', args: ['remove', 'tool'] },
  { title: 'profile export', args: ['profile', 'export', `${mine}/exported.ts`] },
  { title: 'gc add-root', args: ['gc', 'add-root', 'mine', 'greet@1.0.0'] },
  { title: 'cache add', args: ['cache', 'add', 'http://127.0.0.1:9'] },
]

for (const one of cases) {
  let status: number | null = 1
  for (const free of levels.split(',').map(Number)) if (status !== 0) status = await attempt(one, free)
  if (status !== 0) await attempt(one, undefined)
}
server.close()

async function attempt(one: Case, free: number | undefined): Promise<number | null> {
  one.before?.()
  const before = filesThatMatter()
  const ballast = `${disk}/ballast`
  const inodes = `${disk}/inodes`
  if (free === NO_INODES) fillInodes(inodes)
  else if (free !== undefined) {
    const { bfree, bsize } = statfsSync(disk)
    writeFileSync(ballast, Buffer.alloc(bfree * bsize))
    truncateSync(ballast, Math.max(0, bfree * bsize - free))
  }
  const child = spawn(launcher, one.args, { env, cwd: one.in ?? home.directory, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += String(chunk)))
  await once(child, 'close')
  rmSync(ballast, { force: true })
  rmSync(inodes, { recursive: true, force: true })
  const after = filesThatMatter()
  const names = new Set([...before.keys(), ...after.keys()])
  const line: Attempt = {
    title: one.title,
    free,
    status: child.exitCode,
    code: /^error\[(ABN_\w+)\]/m.exec(said)?.[1],
    hint: /^hint: /m.test(said),
    changed: [...names].filter((name) => before.get(name) !== after.get(name)),
    left: await leftovers(one.title),
    said,
  }
  process.stdout.write(`${JSON.stringify(line)}\n`)
  return child.exitCode
}

/** Room, but for no other file. */
function fillInodes(directory: string): void {
  mkdirSync(directory)
  try {
    for (let i = 0; ; i++) writeFileSync(`${directory}/${i}`, '')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
  }
}

/** What a person would miss: project, configuration, recipes, which generations are current. */
function filesThatMatter(): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const directory of [project, configuration, `${mine}/recipes/packages`]) {
    if (!existsSync(directory)) continue
    for (const name of readdirSync(directory)) found.set(name, readFileSync(join(directory, name), 'utf8'))
  }
  const generations = `${home.root}/var/generations`
  const count = existsSync(generations) ? readdirSync(generations, { recursive: true }).length : 0
  found.set('generations', String(count))
  return found
}

async function leftovers(title: string): Promise<readonly string[]> {
  const directories = [env.TMPDIR, `${home.root}/var/tmp`, `${home.root}/var/items`, `${home.root}/var/cache/channels`]
  const lying = [...directories, project, configuration, mine].flatMap((directory) =>
    existsSync(directory)
      ? readdirSync(directory).flatMap((name) =>
          directory === env.TMPDIR || directory.endsWith('var/tmp') || name.startsWith('.new-')
            ? [join(directory, name)]
            : [],
        )
      : [],
  )
  if (!existsSync(`${home.root}/var/version`)) return lying
  const { problems } = await verifyItems(store(), allPaths(store()), { threads: 1 })
  const expected = title === 'verify --repair' ? problems.filter(({ kind }) => kind !== 'content') : problems
  return [...lying, ...expected.map((problem) => JSON.stringify(problem))]
}

function once_(action: () => void): () => void {
  let isDone = false
  return () => {
    if (!isDone) action()
    isDone = true
  }
}
