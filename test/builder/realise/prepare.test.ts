// What the driver writes into a build directory goes nowhere else, whatever the sources have put there.
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { prepareBuild } from '../../../builder/realise/prepare.ts'
import type { Derivation } from '../../../format/derivation.ts'
import { AbnError } from '../../../format/errors.ts'

const empty: Derivation = {
  name: 'x',
  version: '1',
  system: 'x86_64-linux',
  outputs: ['out'],
  inputs: [],
  sources: [],
  directories: [],
  files: [],
  links: [],
  env: {},
  steps: [],
}

function inBuild(check: (build: string, outside: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'abn-prepare-'))
  const [build, outside] = [join(directory, 'build'), join(directory, 'outside')]
  mkdirSync(build)
  mkdirSync(outside)
  writeFileSync(join(outside, 'file'), 'as it was')
  return check(build, outside).finally(() => rmSync(directory, { recursive: true }))
}

for (const [title, path] of [
  ['a link to a directory', 'link/file'],
  ['a link to a directory, further down', 'link/a/b'],
  ['a link to a file', 'to-file'],
  ['a link to nothing', 'dangling'],
] as const) {
  test(`a file is not written through ${title}`, (t) =>
    inBuild(async (build, outside) => {
      symlinkSync(outside, join(build, 'link'))
      symlinkSync(join(outside, 'file'), join(build, 'to-file'))
      symlinkSync(join(outside, 'new'), join(build, 'dangling'))
      const derivation = { ...empty, files: [{ path, text: 'overwritten', executable: false }] }
      const preparing = prepareBuild(derivation, { build, outputs: new Map() }, { files: new Map() })
      await t.throwsAsync(preparing, { instanceOf: AbnError, code: 'ABN_SOURCE_COLLISION' })
      t.deepEqual(readdirSync(outside), ['file'])
      t.is(readFileSync(join(outside, 'file'), 'utf8'), 'as it was')
    }))
}

test('modes and times do not depend on the umask or on the clock', (t) =>
  inBuild(async (build) => {
    const files = [
      { path: 'a/b/run', text: '', executable: true },
      { path: 'text', text: '', executable: false },
    ]
    await prepareBuild({ ...empty, files, directories: ['c/d'] }, { build, outputs: new Map() }, { files: new Map() })
    const modeOf = (path: string) => statSync(join(build, path)).mode & 0o7777
    t.deepEqual(['a', 'a/b', 'c/d', 'a/b/run', 'text'].map(modeOf), [0o755, 0o755, 0o755, 0o755, 0o644])
    t.is(statSync(join(build, 'text')).mtimeMs, 1000)
  }))
