/**
 * The ladder from the seed to a C compiler: one table of its stages, from which LADDER.md is generated, and a function
 * that climbs it on this machine. `node bootstrap/ladder.ts DIRECTORY` builds every stage into that directory.
 *
 * Each stage is one command: a program that an earlier stage made, reading files of this repository (or a directory of
 * upstream sources that the caller names). What it must write is fixed here by SHA-256.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ccModules, tccByCc, tccByTcc, tccInputs } from './tcc/commands.ts'

export type Stage = {
  readonly number: number
  readonly name: string
  readonly summary: string
  /** Files below bootstrap/. */
  readonly inputs: readonly string[]
  /**
   * The program and its arguments, run in bootstrap/. `@inputs` stands for the inputs, one argument each; `@output` for
   * the file to make; `@` and the name of an earlier stage for what that made; `@` and the name of a directory of the
   * caller for that directory.
   */
  readonly command: readonly string[]
  readonly bytes: number
  readonly sha256: string
}

export const seedPath = fileURLToPath(new URL('hex0/seed.bin', import.meta.url))

/** To change a stage, change its source, run the ladder, and put the size and hash that it reports here. */
export const stages: readonly Stage[] = [
  {
    number: 0,
    name: 'hex0',
    summary: 'the seed: bytes from hexadecimal digits; made here by itself',
    inputs: ['hex0/hex0.hex0'],
    command: ['@seed', '@inputs', '@output'],
    bytes: 199,
    sha256: 'ddb9a71bbfd5741d580c9949d8403113697eefe77a62d1e71765a75d7bc7e54f',
  },
  {
    number: 1,
    name: 'link',
    summary: 'linker: adds labels',
    inputs: ['link/link.hex0'],
    command: ['@hex0', '@inputs', '@output'],
    bytes: 602,
    sha256: '7142d7d5d8a283890f2b0ff88ebf656db59a7f6d91c784d261748cecefa05549',
  },
  {
    number: 2,
    name: 'abl',
    summary: 'compiler of the systems language Abl',
    inputs: ['abl/abl.link'],
    command: ['@link', '@inputs', '@output'],
    bytes: 3369,
    sha256: 'd6eb3c8e4eece4497cfa2223111e94a6d5c59a33639158d4881a670a4fbd2b4f',
  },
  {
    number: 3,
    name: 'cc',
    summary: 'C compiler, good enough for tcc',
    inputs: ccModules,
    command: ['@abl', '@output', '@inputs'],
    bytes: 110975,
    sha256: '2405e76311a66fde5f36a5c4cb46396b288c742bf7385b8286e1fb892b0c9008',
  },
  {
    number: 4,
    name: 'tcc-by-cc',
    summary: 'tcc with our libc, compiled by cc',
    inputs: tccInputs,
    command: tccByCc({ compiler: '@cc', tccSource: '@tcc-source', output: '@output' }),
    bytes: 356272,
    sha256: '4aadcc7c96c7e83740bd963791fedbe482b2f7864434bdc94220b22091881742',
  },
  {
    number: 5,
    name: 'tcc',
    summary: 'the same, compiled by tcc',
    inputs: tccInputs,
    command: tccByTcc({ compiler: '@tcc-by-cc', tccSource: '@tcc-source', output: '@output' }),
    bytes: 360376,
    sha256: 'a8ae0805b843cb630eca706fdbe038caacd6b516b49a7a5a83bf290bc4e421fb',
  },
]

export type Climb = {
  readonly outDir: string
  /** Another implementation of hex0 to start from; seed.bin if not given. */
  readonly seed?: string
  /** The last stage to build, by name; all if not given. */
  readonly through?: string
  /** Directories of upstream sources, by the names that commands use. */
  readonly directories?: Readonly<Record<string, string>>
}

export type Rung = { readonly stage: Stage; readonly path: string; readonly milliseconds: number }

/** Builds the stages into `outDir`, each file named like its stage. Throws where one fails or writes other bytes. */
export async function runLadder({ outDir, seed = seedPath, through, directories = {} }: Climb): Promise<Rung[]> {
  mkdirSync(outDir, { recursive: true })
  const start = join(outDir, 'seed')
  copyFileSync(seed, start)
  chmodSync(start, 0o755)
  const paths = new Map(Object.entries({ ...directories, seed: start }))
  const rungs: Rung[] = []
  for (const stage of stages) {
    const path = join(outDir, stage.name)
    const [program, ...args] = expand(stage, new Map([...paths, ['output', path]]))
    assert(program !== undefined)
    const began = performance.now()
    await promisify(execFile)(program, args, { cwd: fileURLToPath(new URL('.', import.meta.url)), env: {} })
    const milliseconds = performance.now() - began
    const made = readFileSync(path)
    const actual = { bytes: made.length, sha256: createHash('sha256').update(made).digest('hex') }
    assert.deepEqual(actual, { bytes: stage.bytes, sha256: stage.sha256 }, `${stage.name} is not what it should be`)
    paths.set(stage.name, path)
    rungs.push({ stage, path, milliseconds })
    if (stage.name === through) return rungs
  }
  if (through !== undefined) throw new TypeError(`no stage is called '${through}'`)
  return rungs
}

function expand(stage: Stage, paths: ReadonlyMap<string, string>): string[] {
  return stage.command.flatMap((argument) => {
    if (argument === '@inputs') return stage.inputs
    return argument.replace(/@([a-z][a-z0-9-]*)/g, (_, name: string) => {
      const path = paths.get(name)
      if (path === undefined) throw new TypeError(`stage ${stage.name} needs the directory '${name}'`)
      return path
    })
  })
}

/** The text of LADDER.md. */
export function ladderOverview(): string {
  const rows = stages.map((stage) => {
    const lines = stage.inputs.reduce((sum, input) => sum + sourceLines(input), 0)
    const maker = stage.command[0]?.slice(1) ?? ''
    const from = stage.inputs.length > 3 ? `${stage.inputs.length} files` : stage.inputs.join(', ')
    const cells = [stage.number, stage.name, stage.summary, maker, from, lines, stage.bytes, `\`${stage.sha256}\``]
    return `| ${cells.join(' | ')} |`
  })
  return [
    '# The ladder',
    '',
    'Generated from the table in ladder.ts; `ACCEPT=1 npx ava test/bootstrap/ladder.test.ts` writes it anew.',
    'Lines are those of the source that are neither blank nor only a comment.',
    '',
    '| stage | program | what it is | made by | from | lines | bytes | SHA-256 |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

function sourceLines(input: string): number {
  const isComment = input.endsWith('.c') || input.endsWith('.h') ? /^\s*(\/\/|\/\*|\*)/ : /^\s*#/
  const lines = readFileSync(new URL(input, import.meta.url), 'latin1').split('\n')
  return lines.filter((line) => line.trim() !== '' && !isComment.test(line)).length
}

if (import.meta.main) {
  const [outDir, through] = process.argv.slice(2)
  if (outDir === undefined) throw new TypeError('usage: ladder.ts DIRECTORY [LAST STAGE]')
  for (const { stage, path, milliseconds } of await runLadder(through === undefined ? { outDir } : { outDir, through }))
    console.log(`${stage.number} ${stage.name}: ${stage.bytes} bytes in ${milliseconds.toFixed(1)} ms: ${path}`)
}
