// What a build system makes of its options, without evaluating a recipe: the script, and a way to really run it.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Build, BuildContext, Plan } from '../../recipes/api/plan.ts'

export const context: BuildContext = {
  name: 'demo',
  version: '1.2',
  outputs: ['out'],
  tools: ['/abn/store/tcc', '/abn/store/busybox'],
  libraries: [],
  shell: '/abn/store/busybox/bin/sh',
  variables: { CC: 'tcc', AR: 'ar', CFLAGS: '' },
}

export function scriptOf(plan: Plan): string {
  const text = plan.files?.find(({ path }) => path === '.abn/build.sh')?.text
  if (text === undefined) throw new Error('no script')
  return text
}

export type Bench = {
  readonly build: string
  readonly out: string
  /** Puts a file under the build directory; programs go into tools/. */
  readonly write: (path: string, text: string, mode?: number) => void
  readonly run: (made: Build, ...phases: readonly string[]) => { status: number | null; stdout: string; stderr: string }
  readonly read: (path: string) => string
  readonly [Symbol.dispose]: () => void
}

/** A directory that stands for /build, another for the output, and the machine's sh in place of the sandbox's. */
export function bench(): Bench {
  const directory = mkdtempSync(join(tmpdir(), 'abnpkg-script-'))
  const build = join(directory, 'build')
  const out = join(directory, 'out')
  mkdirSync(join(build, 'tools'), { recursive: true })
  return {
    build,
    out,
    write: (path, text, mode = 0o644) => {
      const to = path.startsWith('/') ? path : join(build, path)
      mkdirSync(dirname(to), { recursive: true })
      writeFileSync(to, text)
      chmodSync(to, mode)
    },
    run: (made, ...phases) => {
      const plan = made(context)
      for (const each of plan.directories ?? []) mkdirSync(join(build, each), { recursive: true })
      const script = scriptOf(plan)
        .replaceAll('@{out}', out)
        .replaceAll(/\/build(?=[/\s]|$)/gm, build)
      writeFileSync(join(directory, 'build.sh'), script)
      const env = { PATH: `${join(build, 'tools')}:/usr/bin:/bin`, ABN_CORES: '3', ...plan.env }
      return spawnSync('sh', [join(directory, 'build.sh'), ...phases], { cwd: build, env, encoding: 'utf8' })
    },
    read: (path) => readFileSync(path.startsWith('/') ? path : join(build, path), 'utf8'),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  }
}
