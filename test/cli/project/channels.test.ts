// Packages from the user's channels: at the locked commit wherever the user's own is, and never from a commit that does not count.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type ConfiguredChannel, writeChannels } from '../../../builder/channels/configuration.ts'
import { addChannel, type FollowedChannel } from '../../../builder/channels/follow.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import {
  channelFile,
  type Files,
  hasGit,
  newSigner,
  TestRepository,
} from '../../builder/channels/_support/repository.ts'
import {
  abnpkgIn,
  copyProject,
  lockIn,
  lockTextIn,
  type ProjectHome,
  projectHome,
  writeLock,
  writeProjectFile,
} from './support.ts'

const withGit = hasGit ? test : test.skip

const rocket = (version: string, says = version): Files => ({
  'recipes/packages/rocket.ts': [
    "import { out, recipe, steps } from 'abnpkg'",
    "import { tool } from 'abnpkg/tool.ts'",
    "export const rocket = recipe({ name: 'rocket', summary: 'flies', license: 'MIT', tools: [tool],",
    `  version: '${version}',`,
    `  build: steps({ directories: [\`\${out}/share\`], steps: [['tool', 'write', \`\${out}/share/rocket\`, '${says}']] }) })`,
  ].join('\n'),
})

/** A signed channel with two commits of alice's and one, on another branch, of mallory's. */
async function scene(t: ExecutionContext, isSigned: boolean) {
  const top = temporaryDirectory(t)
  const repository = new TestRepository(join(top, 'repository'))
  const [alice, mallory] = [newSigner(), newSigner()]
  const listed = { '.abnpkg-channel.json': channelFile(alice) }
  const first = repository.commit({ files: { ...listed, ...rocket('1.0.0') }, by: alice })
  const second = repository.commit({ files: { ...listed, ...rocket('1.1.0') }, parents: [first], by: alice })
  const evil = repository.commit(
    { files: { ...listed, ...rocket('1.0.0', 'evil') }, parents: [first], by: mallory },
    'evil',
  )
  const at = async (commit: string, introduced = isSigned): Promise<FollowedChannel> => {
    const introduction = introduced ? { commit: first, key: alice.key } : undefined
    const wanted = { name: 'acme', url: repository.directory, branch: 'main', introduction, commit }
    const options = { cacheDirectory: join(top, 'cache'), signal: new AbortController().signal }
    return (await addChannel(wanted, options)).channel
  }
  return { repository, first, second, evil, at, mallory }
}

function configure(home: ProjectHome, ...channels: readonly ConfiguredChannel[]): void {
  const directory = join(home.directory, '.config/abnpkg')
  mkdirSync(directory, { recursive: true })
  writeChannels(directory, channels)
}

withGit('the locked commit of a channel is used, whatever the user has now', async (t) => {
  const { repository, first, second, at } = await scene(t, true)
  const one = projectHome(t)
  configure(one, await at(first))
  writeProjectFile(one, { packages: {}, channels: { acme: repository.directory } })
  const added = await abnpkgIn(one, 'add', 'rocket', 'greet')
  t.is(added.status, 0, added.text)
  t.like(
    lockIn(one).channels.find(({ name }) => name === 'acme'),
    { url: repository.directory, commit: first },
  )
  t.deepEqual(
    lockIn(one).packages.map(({ name, version, channel }) => [name, version, channel]),
    [
      ['greet', '1.1.0', 'abnpkg'],
      ['rocket', '1.0.0', 'acme'],
    ],
  )
  const newer = projectHome(t)
  configure(newer, await at(second))
  copyProject(one, newer)
  const synced = await abnpkgIn(newer, 'sync', '--locked')
  t.is(synced.status, 0, synced.text)
  t.is(lockTextIn(newer), lockTextIn(one))
  t.is((await abnpkgIn(newer, 'lock', '--check', '--offline')).status, 0, 'what was found to count is remembered')
  t.regex((await abnpkgIn(newer, 'outdated')).stdout, /rocket {3}1\.0\.0 {3}1\.1\.0 {3}1\.1\.0/)
  const more = await abnpkgIn(newer, 'add', 'beta')
  t.is(more.status, 0, more.text)
  t.like(lockIn(newer).channels[1], { commit: first })
  t.regex((await abnpkgIn(newer, 'update', 'rocket')).stdout, /rocket 1\.0\.0 -> 1\.1\.0/)
  t.like(lockIn(newer).channels[1], { commit: second })

  const elsewhere = projectHome(t)
  configure(elsewhere, await at(second))
  copyProject(one, elsewhere)
  t.regex((await abnpkgIn(elsewhere, 'sync', '--offline')).stderr, /ABN_CHANNEL_OFFLINE/)
  writeProjectFile(elsewhere, { packages: { rocket: '^1' }, channels: { acme: `${repository.directory}/other` } })
  t.regex((await abnpkgIn(elsewhere, 'sync')).stderr, /ABN_PROJECT_CHANNEL.*yours of that name is another one/)
})

withGit('a lock cannot bring in a commit that does not count', async (t) => {
  for (const isSigned of [true, false]) {
    const { repository, first, second, evil, at } = await scene(t, isSigned)
    const evilDigest = (await at(evil, false)).pin.digest
    const own = await at(second)
    const home = projectHome(t)
    configure(home, own)
    writeProjectFile(home, { packages: { rocket: '^1' }, channels: { acme: repository.directory } })
    t.is((await abnpkgIn(home, 'lock')).status, 0)
    const good = lockTextIn(home)
    const victim = projectHome(t)
    configure(victim, own)
    const tries: readonly (readonly [commit: string, digest: string, message: RegExp])[] = [
      [evil, evilDigest, isSigned ? /ABN_CHANNEL_UNTRUSTED/ : /ABN_PROJECT_CHANNEL.*not in its history/],
      [second, evilDigest, /ABN_PROJECT_CHANNEL.*and the lock says/],
      [first, evilDigest, /ABN_PROJECT_CHANNEL.*and the lock says/],
      ['ab'.repeat(20), evilDigest, /ABN_CHANNEL_(FETCH|HISTORY|OBJECT)/],
    ]
    for (const [commit, digest, message] of tries) {
      copyProject(home, victim)
      writeLock(victim, (text) =>
        text.replace(/commit [0-9a-f]{40}\n {2}digest [0-9a-f]{64}/, `commit ${commit}\n  digest ${digest}`),
      )
      const said = await abnpkgIn(victim, 'sync', '--frozen')
      t.is(said.status, 1)
      t.regex(said.stderr, message, commit)
    }
    copyProject(home, victim)
    t.is(lockTextIn(victim), good)
    t.is((await abnpkgIn(victim, 'sync', '--locked')).status, 0)
  }
})

test('a directory of the user beside the project, as it is', async (t) => {
  const home = projectHome(t)
  const directory = join(home.project, 'own')
  mkdirSync(join(directory, 'recipes/packages'), { recursive: true })
  for (const [path, text] of Object.entries(rocket('3.0.0'))) writeFileSync(join(directory, path), text)
  writeProjectFile(home, { packages: { rocket: '*' }, channels: { own: './own' } })
  t.regex((await abnpkgIn(home, 'sync')).stderr, /ABN_PROJECT_CHANNEL.*'abnpkg channel add own \.\/own'/s)
  configure(home, { kind: 'live', name: 'own', directory })
  t.is((await abnpkgIn(home, 'sync')).status, 0)
  t.like(lockIn(home).channels[1], { name: 'own', url: './own', commit: undefined })
  // By the name of its channel it can be nobody else's.
  t.is((await abnpkgIn(home, 'add', 'own:rocket@^3')).status, 0)
  t.deepEqual(
    lockIn(home).packages.map(({ name, channel }) => [name, channel]),
    [
      ['own:rocket', 'own'],
      ['rocket', 'own'],
    ],
  )
  t.is((await abnpkgIn(home, 'remove', '--project', 'rocket')).status, 0)
  t.is((await abnpkgIn(home, 'sync', '--locked')).status, 0)
  t.regex((await abnpkgIn(home, 'add', 'own:greet')).stderr, /ABN_PACKAGE_UNKNOWN/)
  // A package of a channel that the project does not name is not taken.
  writeProjectFile(home, { packages: { rocket: '*' } })
  t.regex((await abnpkgIn(home, 'sync')).stderr, /ABN_PACKAGE_UNKNOWN/)
})
