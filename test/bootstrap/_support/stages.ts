/** Runs the programs of the ladder in a directory of their own, for the tests of this folder. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestFn } from 'ava'
import { runLadder } from '../../../bootstrap/ladder.ts'

export type Outcome = { readonly status: number | null; readonly output: Uint8Array | undefined }

export type Stages = {
  readonly directory: string
  /** Runs `program input output` and returns what it wrote. */
  assemble(program: 'hex0' | 'link', input: Uint8Array | string): Outcome
  /** Runs `abl output input...`. */
  compile(inputs: readonly string[]): Outcome
  /** Runs an executable. */
  execute(program: Uint8Array, args?: readonly string[]): { status: number | null; stdout: string }
}

/** Builds the ladder through `through` before the tests of a file, and removes everything after them. */
export function withStages(test: TestFn, through: 'hex0' | 'link' | 'abl'): Stages {
  const directory = mkdtempSync(join(tmpdir(), 'abnpkg-ladder-'))
  test.before(async () => void (await runLadder({ outDir: directory, through })))
  test.after.always(() => rmSync(directory, { recursive: true, force: true }))
  let runs = 0
  const fresh = () => {
    const path = join(directory, `run-${runs++}`)
    mkdirSync(path)
    return path
  }
  const outcome = (program: string, args: readonly string[], output: string): Outcome => {
    const { status } = spawnSync(join(directory, program), args)
    return { status, output: existsSync(output) ? readFileSync(output) : undefined }
  }
  return {
    directory,
    assemble(program, input) {
      const path = fresh()
      writeFileSync(join(path, 'input'), input)
      return outcome(program, [join(path, 'input'), join(path, 'output')], join(path, 'output'))
    },
    compile(inputs) {
      const path = fresh()
      const names = inputs.map((text, i) => {
        const name = join(path, `${i}.abl`)
        writeFileSync(name, text, 'latin1')
        return name
      })
      return outcome('abl', [join(path, 'output'), ...names], join(path, 'output'))
    },
    execute(program, args = []) {
      const path = join(fresh(), 'program')
      writeFileSync(path, program, { mode: 0o755 })
      const { status, stdout } = spawnSync(path, args, { encoding: 'latin1' })
      return { status, stdout }
    },
  }
}
