// abnpkg channel add|update|list|pin|remove
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import {
  type ConfiguredChannel,
  jsonOfChannel,
  readChannels,
  readChannelsIn,
  writeChannels,
} from '../../builder/channels/configuration.ts'
import type { Followed, FollowedChannel } from '../../builder/channels/follow.ts'
import { requireChannelName } from '../../builder/channels/pin.ts'
import { fingerprintOf, parseFingerprint, parseSshKey } from '../../builder/channels/ssh-key.ts'
import type { Evaluation } from '../../builder/evaluate/evaluation.ts'
import { configurationDirectories } from '../../builder/substitute/configuration.ts'
import { AbnError } from '../../format/errors.ts'
import { layoutOf } from '../../store/layout.ts'
import { type Arguments, textOption } from '../args.ts'
import type { Command, Surroundings } from '../commands.ts'
import { countText, type Output } from '../output.ts'
import { evaluationFor, isOffline, rootOf } from '../session.ts'

export const channel: Command = {
  usage: 'add NAME URL|DIRECTORY | update [NAME...] | list | pin NAME COMMIT | remove NAME',
  details: [
    "Other people's recipes, and your own. A channel is a git repository with recipes in recipes/packages; each of its commits",
    'must be signed by a key that the commit before it lists (docs/channels.md). You name the first commit that you trust, and',
    'the key that signed it:  abnpkg channel add games https://example.org/games.git --introduction COMMIT --key SHA256:…',
    '',
    '  add      follow a channel; --unsigned for one without signatures, --live for a directory as it is',
    '  update   go on to the newest commits; what is not signed as it should be, or goes back, is refused',
    '  list     the channels, in the order in which a name is looked for after our own',
    '  pin      stay at a commit; update --unpin goes on',
    '  remove   forget a channel; what is installed from it stays',
  ].join('\n'),
  options: {
    introduction: { type: 'string', value: 'COMMIT', help: 'add: the commit at which trust begins, in full' },
    key: {
      type: 'string',
      value: 'KEY',
      help: 'add: who signed it: ssh-ed25519 …, its SHA256:… fingerprint or a .pub file',
    },
    branch: {
      type: 'string',
      value: 'NAME',
      help: 'add: follow this branch, not the one that the repository puts forward',
    },
    unsigned: {
      type: 'boolean',
      help: 'add: check no signatures: whoever can write to the repository can change recipes',
    },
    live: { type: 'boolean', help: 'add: read a directory as it is at every command, for recipes that you write' },
    'allow-rollback': { type: 'boolean', help: 'update: take a commit that does not come after the one you have' },
    unpin: { type: 'boolean', help: 'update: go on from a commit that was pinned' },
    'dry-run': { type: 'boolean', help: 'fetch and check, but leave everything as it is' },
  },
  async run(args, surroundings) {
    const [verb = 'list', ...names] = args.names
    const [name, second] = names
    if (verb === 'list' && names.length === 0) return list(surroundings)
    if (verb === 'update') return update(names, args, surroundings)
    if (verb === 'add' && name !== undefined && second !== undefined && names.length === 2) {
      return add(name, second, { args, surroundings })
    }
    if (verb === 'pin' && name !== undefined && second !== undefined && names.length === 2) {
      return pin(name, second, { args, surroundings })
    }
    if (verb === 'remove' && name !== undefined && names.length === 1) return remove(name, { args, surroundings })
    throw usage(`expected add NAME URL, update, list, pin NAME COMMIT or remove NAME, got '${args.names.join(' ')}'`)
  },
}

type Context = { readonly args: Arguments; readonly surroundings: Surroundings }

async function add(name: string, address: string, { args, surroundings }: Context): Promise<number> {
  const { output } = surroundings
  requireChannelName(name)
  const directory = userDirectory()
  if (readChannelsIn(directory).some((one) => one.name === name)) {
    throw new AbnError('ABN_CHANNEL_EXISTS', `you have a channel called ${name} already`, {
      hint: `abnpkg channel update ${name} brings it up to date, abnpkg channel remove ${name} forgets it`,
    })
  }
  const url = /^[a-z][a-z0-9+.-]*:/i.test(address) || address.startsWith('-') ? address : directoryAt(address)
  const added = await addedChannel({ name, url }, { args, surroundings })
  const evaluation = await evaluatedAlone(added.channel, { args, surroundings })
  if (args.options['dry-run'] !== true) writeChannels(directory, [...readChannelsIn(directory), added.channel])
  output.line(`${args.options['dry-run'] === true ? 'would add' : 'added'} ${described(added.channel)}`)
  tellAbout(added, evaluation, output)
  output.document({ ...jsonOfChannel(added.channel), packages: namesOf(evaluation), broken: brokenOf(evaluation) })
  return 0
}

type Added = { readonly channel: ConfiguredChannel } & Partial<Pick<Followed, 'commits'>>

async function addedChannel(
  { name, url }: { readonly name: string; readonly url: string },
  { args, surroundings }: Context,
): Promise<Added> {
  const [introduction, key, branch] = [
    textOption(args, 'introduction'),
    textOption(args, 'key'),
    textOption(args, 'branch'),
  ]
  const { unsigned, live } = args.options
  const isIntroduced = introduction !== undefined && key !== undefined
  if (
    [unsigned === true, live === true, isIntroduced].filter(Boolean).length > 1 ||
    (introduction === undefined) !== (key === undefined)
  ) {
    throw usage('--introduction with --key, --unsigned and --live exclude each other')
  }
  if (live === true) {
    if (!url.startsWith('/')) throw usage('--live is for a directory of this machine')
    if (branch !== undefined) throw usage('--live reads the directory as it is, so that there is no --branch')
    return { channel: { kind: 'live', name, directory: url } }
  }
  if (url.startsWith('/') && !isRepository(url)) {
    throw new AbnError('ABN_CHANNEL_ADDRESS', `${url} is no git repository`, {
      hint: `to use your own recipes as they are: abnpkg channel add ${name} ${url} --live`,
    })
  }
  if (!isIntroduced && unsigned !== true) {
    throw new AbnError('ABN_CHANNEL_UNTRUSTED', `from where on is the channel ${name} to be trusted?`, {
      hint: 'name its introduction, --introduction COMMIT --key SHA256:…, as its keepers publish it; or say --unsigned',
    })
  }
  const { addChannel } = await import('../../builder/channels/follow.ts')
  const known = isIntroduced ? { commit: introduction, key: keyFrom(key) } : undefined
  return addChannel({ name, url, branch: branch ?? '', introduction: known }, fetching({ args, surroundings }))
}

async function update(names: readonly string[], args: Arguments, surroundings: Surroundings): Promise<number> {
  const { output } = surroundings
  const directory = userDirectory()
  const all = readChannelsIn(directory)
  for (const name of names) requireKnown(name, all)
  const wanted = names.length === 0 ? all : all.filter(({ name }) => names.includes(name))
  const results: object[] = []
  let failed = 0
  for (const one of wanted) {
    if (one.kind === 'live' || (one.isPinned && args.options.unpin !== true)) {
      output.line(`${one.name}: ${one.kind === 'live' ? 'read as it is' : `pinned at ${short(one)}`}`)
      results.push({ ...jsonOfChannel(one), updated: false })
      continue
    }
    try {
      const now = await updated(one, { args, surroundings })
      if (now !== one && args.options['dry-run'] !== true) replace(directory, now)
      output.line(now === one ? `${one.name}: nothing new` : `${one.name}: ${short(one)} → ${short(now)}`)
      results.push({ ...jsonOfChannel(now), updated: now !== one })
    } catch (error) {
      surroundings.signal.throwIfAborted()
      if (wanted.length === 1 || !(error instanceof AbnError)) throw error
      failed++
      output.note(`${one.name}: not updated: ${error.message}`)
      results.push({ ...jsonOfChannel(one), updated: false, error: { code: error.code, message: error.message } })
    }
  }
  if (wanted.length === 0) output.note('you follow no channels')
  output.document(results)
  return failed === 0 ? 0 : 1
}

async function updated(one: FollowedChannel, context: Context): Promise<FollowedChannel> {
  const { updateChannel } = await import('../../builder/channels/follow.ts')
  const allowRollback = context.args.options['allow-rollback'] === true
  const { channel: now } = await updateChannel(one, { ...fetching(context), allowRollback })
  if (now !== one) await evaluatedAlone(now, context)
  return now
}

async function pin(name: string, commit: string, { args, surroundings }: Context): Promise<number> {
  const { output } = surroundings
  const directory = userDirectory()
  const one = requireKnown(name, readChannelsIn(directory))
  if (one.kind === 'live') throw usage(`${name} is a directory that is read as it is; it has no commits`)
  const { updateChannel } = await import('../../builder/channels/follow.ts')
  const options = { ...fetching({ args, surroundings }), allowRollback: true, commit }
  const { channel: now } = await updateChannel(one, options)
  await evaluatedAlone(now, { args, surroundings })
  if (args.options['dry-run'] !== true) replace(directory, now)
  output.line(`${name}: pinned at ${short(now)}`)
  output.document(jsonOfChannel(now))
  return 0
}

function remove(name: string, { args, surroundings }: Context): number {
  const directory = userDirectory()
  const all = readChannelsIn(directory)
  requireKnown(name, all)
  if (args.options['dry-run'] !== true) {
    writeChannels(
      directory,
      all.filter((one) => one.name !== name),
    )
  }
  surroundings.output.line(`${args.options['dry-run'] === true ? 'would remove' : 'removed'} ${name}`)
  surroundings.output.document({ name, removed: args.options['dry-run'] !== true })
  return 0
}

function list({ output }: Surroundings): number {
  const channels = readChannels(configurationDirectories(process.env))
  const width = Math.max(0, ...channels.map(({ name }) => name.length))
  for (const one of channels) {
    const where = one.kind === 'live' ? one.directory : one.pin.url
    const commit = one.kind === 'live' ? 'as it is' : `${short(one)}${one.isPinned ? ' (pinned)' : ''}`
    const kind = one.kind === 'unsigned' ? output.paint('yellow', 'UNSIGNED') : one.kind.padEnd(8)
    output.line(`${output.paint('bold', one.name.padEnd(width))}  ${kind}  ${commit.padEnd(21)}  ${where}`)
  }
  if (channels.length === 0) output.note('you follow no channels: packages come from our own recipes')
  output.document(channels.map(jsonOfChannel))
  return 0
}

/** The packages of the channel beside ours. Throws what makes it useless as a whole, so that it is not taken over. */
async function evaluatedAlone(configured: ConfiguredChannel, { args, surroundings }: Context): Promise<Evaluation> {
  const { channelOf } = await import('../../builder/channels/evaluate-channels.ts')
  const found = await channelOf(configured, { ...fetching({ args, surroundings }), offline: isOffline(args) })
  const evaluation = await evaluationFor(args, surroundings.signal, [found])
  const failure = evaluation.broken.find(({ module }) => module === `${configured.name}:`)
  if (failure === undefined) return evaluation
  const { code, message, hint } = failure
  throw new AbnError(
    code,
    `the channel ${configured.name} cannot be used: ${message}`,
    hint === undefined ? {} : { hint },
  )
}

function tellAbout({ channel: { name, kind }, commits }: Added, evaluation: Evaluation, output: Output): void {
  const names = namesOf(evaluation)
  const broken = brokenOf(evaluation)
  if (commits !== undefined) {
    output.note(
      `${countText(commits, 'commit')} ${kind === 'signed' ? 'checked' : 'without signatures that were checked'}`,
    )
  }
  const shown = names.slice(0, 10).join(', ')
  output.note(`${countText(names.length, 'package')}: ${shown}${names.length > 10 ? ', …' : ''}`)
  if (broken.length > 0)
    output.note(
      `${countText(broken.length, 'recipe')} of ${name} ${broken.length === 1 ? 'is' : 'are'} broken: abnpkg show --broken`,
    )
}

function namesOf(evaluation: Evaluation): string[] {
  const names = evaluation.entries().flatMap(({ name, hidden }) => (hidden || !name.includes(':') ? [] : [name]))
  return [...new Set(names)]
}

function brokenOf({ broken }: Evaluation): string[] {
  return broken.flatMap(({ module }) => (module.includes(':') ? [module] : []))
}

function described(one: ConfiguredChannel): string {
  if (one.kind === 'live') return `${one.name}: ${one.directory}, read as it is`
  const by = one.kind === 'signed' ? `introduced by ${fingerprintOf(one.introduction.key)}` : 'UNSIGNED'
  return `${one.name}: ${one.pin.url} at ${short(one)}, ${by}`
}

function short(one: ConfiguredChannel): string {
  return one.kind === 'live' ? '' : one.pin.commit.slice(0, 12)
}

function replace(directory: string, now: ConfiguredChannel): void {
  writeChannels(
    directory,
    readChannelsIn(directory).map((one) => (one.name === now.name ? now : one)),
  )
}

function requireKnown(name: string, all: readonly ConfiguredChannel[]): ConfiguredChannel {
  const found = all.find((one) => one.name === name)
  if (found !== undefined) return found
  throw new AbnError('ABN_CHANNEL_UNKNOWN', `you have no channel called ${name}`, {
    hint: "'abnpkg channel list' shows them; those of /etc/abnpkg are the administrator's",
  })
}

function fetching({ args, surroundings }: Context) {
  return { cacheDirectory: join(layoutOf(rootOf(args)).cache, 'channels'), signal: surroundings.signal }
}

function directoryAt(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat?.isDirectory() === true) return realpathSync(resolve(path))
  throw new AbnError('ABN_CHANNEL_ADDRESS', `there is no directory ${path}`, {
    hint: 'write a path, or an address such as https://example.org/recipes.git',
  })
}

function isRepository(directory: string): boolean {
  return existsSync(join(directory, '.git')) || existsSync(join(directory, 'HEAD'))
}

function keyFrom(text: string) {
  if (text.startsWith('SHA256:')) return parseFingerprint(text)
  if (/^[a-z0-9@.-]+ /.test(text)) return parseSshKey(text)
  try {
    return parseSshKey(readFileSync(text, 'utf8').trim())
  } catch (cause) {
    if (cause instanceof AbnError) throw cause
    throw usage(`--key: expected 'ssh-ed25519 AAAA…', a SHA256:… fingerprint or a .pub file, got '${basename(text)}'`)
  }
}

function userDirectory(): string {
  const { user } = configurationDirectories(process.env)
  if (user !== undefined) return user
  throw new AbnError('ABN_CONFIGURATION', 'there is no home directory to keep the configuration in', {
    hint: 'set HOME or XDG_CONFIG_HOME',
  })
}

function usage(reason: string): AbnError {
  return new AbnError('ABN_USAGE', `channel: ${reason}`, { hint: "see 'abnpkg channel --help'" })
}
