// Answers that are known already, where there are channels: what any of them holds, or whether it can be read, is part of the answer.
import { spawnSync } from 'node:child_process'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { knownAnswer } from '../../cli/quick.ts'
import { type Home, makeHome } from '../_support/channel.ts'
import { quietHouse } from '../_support/quiet-house.ts'
import { hasGit, TestRepository } from '../builder/channels/_support/repository.ts'

const recipe = (name: string, version: string) => `
import { out, recipe, steps } from 'abnpkg'
import { tool } from 'abnpkg/tool.ts'
const build = steps({ directories: [\`\${out}/share\`], steps: [['tool', 'write', \`\${out}/share/${name}\`, '${version}']] })
export const made = recipe({ name: '${name}', version: '${version}', summary: 'made', license: 'MIT', tools: [tool], build })
`

test('answers with channels', async (t) => {
  using home = makeHome()
  const known = (...argv: readonly string[]) => knownAnswer(argv, home.env)
  const lines = [['install', 'plum'], ['show', 'plum'], ['search', 'plum'], ['path', 'plum'], ['list']] as const
  /** Asks until it is remembered: files that were changed less than two seconds ago are never taken for unchanged. */
  const settle = async () => {
    for (let attempt = 0; attempt < 10; attempt++) {
      for (const argv of lines) abnpkg(home, argv)
      if (lines.every((argv) => known(...argv))) return true
      await delay(2100)
    }
    return false
  }
  const write = (channel: string, version: string) => {
    const directory = join(home.directory, channel, 'recipes/packages')
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, 'plum.ts'), recipe('plum', version))
  }
  for (const [name, version] of [
    ['first', '1.1'],
    ['second', '2'],
  ] as const) {
    write(name, version)
    abnpkg(home, ['channel', 'add', name, join(home.directory, name), '--live'])
  }
  abnpkg(home, ['install', 'greet', 'plum'])
  t.true(await settle(), 'with channels, answers are remembered')
  t.deepEqual(known('install', 'plum'), ['plum 1.1 is installed already'])
  t.is(abnpkg(home, ['install', 'plum']), 'plum 1.1 is installed already\n')

  // Another version in the channel.
  write('first', '1.2')
  for (const argv of lines.slice(0, 4)) t.is(known(...argv), undefined, argv.join(' '))
  abnpkg(home, ['install', 'plum'])
  t.true(await settle())
  t.deepEqual(known('install', 'plum'), ['plum 1.2 is installed already'])

  // A channel that cannot be read: the name means another one now, and that is no answer for when it can be read again.
  const [there, aside] = [join(home.directory, 'first'), join(home.directory, 'aside')]
  renameSync(there, aside)
  for (const argv of lines.slice(0, 4)) t.is(known(...argv), undefined, argv.join(' '))
  abnpkg(home, ['install', 'plum'])
  await delay(2100)
  t.is(abnpkg(home, ['install', 'plum']), 'plum 2 is installed already\n')
  t.is(known('install', 'plum'), undefined)
  renameSync(aside, there)
  t.regex(abnpkg(home, ['install', 'plum']), /plum 2 → 1\.2/)

  t.true(await settle())
  abnpkg(home, ['channel', 'remove', 'first'])
  for (const argv of lines) t.is(known(...argv), undefined, argv.join(' '))
})

;(hasGit ? test : test.skip)('answers with a channel that is followed', async (t) => {
  using home = makeHome()
  const repository = new TestRepository(join(home.directory, 'repository'))
  const first = repository.commit({ files: { 'recipes/packages/plum.ts': recipe('plum', '1') } })
  abnpkg(home, ['channel', 'add', 'plums', repository.directory, '--unsigned'])
  abnpkg(home, ['install', 'plum'])
  const known = () => knownAnswer(['install', 'plum'], home.env)
  for (let attempt = 0; attempt < 10 && known() === undefined; attempt++) {
    await delay(2100)
    abnpkg(home, ['install', 'plum'])
  }
  t.deepEqual(known(), ['plum 1 is installed already'])
  repository.commit({ files: { 'recipes/packages/plum.ts': recipe('plum', '2') }, parents: [first] })
  t.deepEqual(known(), ['plum 1 is installed already'], 'until it is updated')
  abnpkg(home, ['channel', 'update'])
  t.is(known(), undefined)
  t.regex(abnpkg(home, ['install', 'plum']), /plum 1 → 2/)
})

const { launcher, remove } = quietHouse()

test.after.always(remove)

function abnpkg({ env }: Home, args: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(launcher, args, { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return stdout
}
