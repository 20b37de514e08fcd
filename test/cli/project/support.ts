/** Homes with a project in them, and a channel of packages that need each other while they run. */
import { execFile } from 'node:child_process'
import { chownSync, cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { type Lockfile, parseLockfile } from '../../../format/lockfile.ts'
import { type Home, launcher, makeHome } from '../../_support/channel.ts'

export type ProjectHome = Home & {
  readonly project: string
  readonly user: { readonly uid?: number; readonly gid?: number }
}

export type Said = {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
  readonly text: string
}

/** `needy` 2.0.0 refers to greet, `needy` 1.0.0 does not; the others are there to be many. */
const IMPORTS = [
  "import { out, recipe, steps } from 'abnpkg'",
  "import { greet } from './greet.ts'",
  "import { tool } from './tool.ts'",
].join('\n')

const RECIPES = `${IMPORTS}

const simple = (name: string, version: string, text: string) =>
  recipe({
    name,
    version,
    summary: 'simple',
    license: 'MPL-2.0',
    tools: [tool],
    libraries: [greet],
    build: steps({ directories: [\`\${out}/share\`], steps: [['tool', 'write', \`\${out}/share/text\`, text]] }),
  })

export const needy = simple('needy', '2.0.0', \`\${greet}\`)
export const needy1 = simple('needy', '1.0.0', 'nothing')
export const alpha = simple('alpha', '1.0', 'a')
export const beta = simple('beta', '1.0', 'b')
export const delta = simple('delta', '1.0', 'd')
export const omega = simple('omega', '1.0', 'o')
`

/** `uid`: the home belongs to this user, and abnpkg runs as it. */
export function projectHome(t: ExecutionContext, user: ProjectHome['user'] = {}): ProjectHome {
  const home = makeHome()
  t.teardown(() => home[Symbol.dispose]())
  const project = join(home.directory, 'project')
  mkdirSync(project)
  writeFileSync(join(home.channel, 'recipes/packages/needy.ts'), RECIPES)
  if (user.uid !== undefined) own(home.directory, user.uid)
  const { CI: _, ...env } = home.env
  return { ...home, env, project, user }
}

/** In the project's directory. */
export function abnpkgIn(home: ProjectHome, ...args: readonly string[]): Promise<Said> {
  return abnpkgWith(home, {}, ...args)
}

export function abnpkgWith(
  home: ProjectHome,
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<Said> {
  return new Promise((resolve) => {
    const options = { env: { ...home.env, ...env }, cwd: home.project, encoding: 'utf8', ...home.user } as const
    const child = execFile(launcher, args, options, (_error, stdout, stderr) => {
      resolve({ status: child.exitCode, stdout, stderr, text: stdout + stderr })
    })
  })
}

/** The same project on another machine. */
export function copyProject(from: ProjectHome, to: ProjectHome): void {
  cpSync(from.project, to.project, { recursive: true })
  if (to.user.uid !== undefined) own(to.project, to.user.uid)
}

export function lockIn({ project }: ProjectHome): Lockfile {
  return parseLockfile(lockTextIn({ project }))
}

export function lockTextIn({ project }: Pick<ProjectHome, 'project'>): string {
  return readFileSync(join(project, 'abnpkg.lock'), 'utf8')
}

export function writeLock({ project }: ProjectHome, change: (text: string) => string): void {
  const before = lockTextIn({ project })
  const after = change(before)
  if (after === before) throw new Error('the change changes nothing')
  writeFileSync(join(project, 'abnpkg.lock'), after)
}

export function writeProjectFile({ project }: ProjectHome, value: object): void {
  writeFileSync(join(project, 'abnpkg.json'), JSON.stringify(value))
}

/** Names and contents of all files below, to see whether anything was written. */
export function snapshot(directory: string): string {
  if (!existsSync(directory)) return 'nothing'
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => (lstatSync(path).isFile() ? `${path}\n${readFileSync(path, 'latin1')}` : path))
    .join('\n')
}

function own(path: string, uid: number): void {
  chownSync(path, uid, uid)
  if (!lstatSync(path).isDirectory()) return
  for (const name of readdirSync(path)) own(join(path, name), uid)
}
