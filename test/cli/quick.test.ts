// Answers that are known already: given again as long as nothing has changed that they were made from, and not a moment longer.
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { knownAnswer } from '../../cli/quick.ts'
import { type Home, makeHome } from '../_support/channel.ts'
import { quietHouse } from '../_support/quiet-house.ts'

const commands = ['install greet', 'list', 'path greet', 'show greet', 'search greet', 'search --all'].map((line) =>
  line.split(' '),
)
const install = ['install', 'greet']

test('an answer is given again as long as nothing has changed', async (t) => {
  using home = makeHome()
  const configuration = join(home.directory, '.config/abnpkg')
  mkdirSync(configuration, { recursive: true })
  const known = (argv: readonly string[]) => knownAnswer(argv, home.env)
  const learn = () => commands.map((argv) => abnpkg(home, argv))
  // Files that were changed less than two seconds ago are never taken for unchanged.
  const settle = async () => {
    for (let attempt = 0; attempt < 10 && !commands.every(known); attempt++) {
      await delay(2100)
      learn()
    }
  }
  t.is(known(install), undefined, 'before anything is installed')
  abnpkg(home, install)
  t.is(known(install), undefined, 'an install that did something')
  await settle()
  const first = learn()
  for (const [i, argv] of commands.entries()) t.truthy(known(argv), commands[i]?.join(' '))
  t.deepEqual(known(install), ['greet 1.1.0 is installed already'])
  t.deepEqual(learn(), first)
  const colours = { ...home, env: { ...home.env, ABNPKG_COLOR: 'always' } }
  t.true(abnpkg(colours, ['list']).includes(`${String.fromCharCode(27)}[1mgreet`))
  t.is(abnpkg(colours, ['list']), abnpkg(colours, ['list']))
  learn()

  t.is(known(['install', 'tool']), undefined, 'another package')
  t.is(known([...install, '--json']), undefined, 'an option')
  abnpkg(home, ['install', '--dry-run', 'greet'])
  t.is(known(['install', '--dry-run', 'greet']), undefined, 'what would be done depends on more')
  t.is(knownAnswer(install, { ...home.env, ABNPKG_CHANNEL: undefined }), undefined, 'another channel')

  const record = recordOf(home)
  const aside = join(home.root, 'aside')
  const changes: Readonly<Record<string, readonly [change: () => void, back: () => void]>> = {
    'another generation': [() => abnpkg(home, ['install', 'greet@1.0.0']), () => abnpkg(home, install)],
    'an item that is gone': [() => renameSync(record, aside), () => renameSync(aside, record)],
    'new settings': [
      () => writeFileSync(join(configuration, 'config.json'), '{ "format": 1 }'),
      () => rmSync(join(configuration, 'config.json')),
    ],
  }
  for (const [title, [change, back]] of Object.entries(changes)) {
    change()
    for (const argv of commands) t.is(known(argv), undefined, `${title}: ${argv.join(' ')}`)
    back()
    await settle()
    t.deepEqual(learn(), first, title)
    t.truthy(known(install), title)
  }
  appendFileSync(join(home.channel, 'recipes/packages/greet.ts'), '\n')
  for (const argv of commands)
    t.is(known(argv) === undefined, argv[0] !== 'list', `a changed recipe: ${argv.join(' ')}`)
})

test('what is more than lines, or ends in an error, is no answer', async (t) => {
  using home = makeHome()
  await delay(2100)
  abnpkg(home, ['list', '--json'])
  t.false(existsSync(home.root), 'a command that looks makes no store')
  abnpkg(home, install)
  writeFileSync(join(home.channel, 'recipes/packages/broken.ts'), 'export')
  await delay(2100)
  t.regex(abnpkg(home, ['search', 'greet']), /^greet/)
  t.is(knownAnswer(['search', 'greet'], home.env), undefined, 'one that says which recipes are broken')
  t.is(spawnSync(launcher, ['search', 'nothing'], { env: home.env }).status, 1)
  t.is(knownAnswer(['search', 'nothing'], home.env), undefined)
})

function recordOf({ root }: Home): string {
  const name = readdirSync(join(root, 'var/items')).find((each) => each.includes('-greet-1.1.0')) ?? ''
  return join(root, 'var/items', name)
}

/** abnpkg's own files are among those that an answer depends on, and somebody may be at work on them. */
const { launcher, remove } = quietHouse()

test.after.always(remove)

function abnpkg({ env }: Home, args: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(launcher, args, { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return stdout
}
