// abnpkg cache add|list|remove, and what whoever runs a cache does with it (cache-serve.ts)
import {
  configurationDirectories,
  parseCacheAddress,
  readCaches,
  readConfiguration,
  writeCaches,
} from '../../builder/substitute/configuration.ts'
import { AbnError } from '../../format/errors.ts'
import type { Command, Surroundings } from '../commands.ts'
import { isServerAction, runServerAction, serverOptions, serverUsage } from './cache-serve.ts'

export const cache: Command = {
  usage: `add URL | list | remove URL | ${serverUsage}`,
  details: [
    'Which caches are asked for what others have built. A cache is a courier: adding one makes nothing be accepted; that is for',
    'your policy (abnpkg policy). The other actions are for whoever runs one: docs/running-a-cache.md.',
  ].join('\n'),
  options: serverOptions,
  async run(args, surroundings) {
    const [verb = 'list', ...names] = args.names
    if (isServerAction(verb)) {
      if (names.length > 1) throw new AbnError('ABN_USAGE', `cache ${verb}: too many names`)
      return runServerAction(verb, args, { ...surroundings, target: names[0] })
    }
    if (verb === 'list' && names.length === 0) return list(surroundings)
    const [address] = names
    if ((verb === 'add' || verb === 'remove') && address !== undefined && names.length === 1) {
      return verb === 'add' ? add(address, surroundings) : remove(address, surroundings)
    }
    throw new AbnError('ABN_USAGE', `cache: expected add URL, list or remove URL, got '${args.names.join(' ')}'`)
  },
}

function list({ output }: Surroundings): number {
  const directories = configurationDirectories(process.env)
  const { caches, policy } = readConfiguration(directories)
  for (const address of caches) output.line(address)
  if (caches.length === 0) output.note('no caches are configured')
  else if (policy === undefined) output.note("without a policy they are not asked: see 'abnpkg policy'")
  output.document({ caches, policy: policy?.file ?? null })
  return 0
}

function add(text: string, { output }: Surroundings): number {
  const address = parseCacheAddress(text)
  const directory = userDirectory()
  const before = readCaches(directory)
  if (!before.includes(address)) writeCaches(directory, [...before, address])
  output.line(before.includes(address) ? `${address} is configured already` : `added ${address}`)
  output.document({ address, added: !before.includes(address) })
  return 0
}

function remove(text: string, { output }: Surroundings): number {
  const address = parseCacheAddress(text)
  const directory = userDirectory()
  const before = readCaches(directory)
  if (!before.includes(address)) {
    throw new AbnError('ABN_CACHE_UNKNOWN', `${address} is not among your caches`, {
      hint: "'abnpkg cache list' shows them; those of /etc/abnpkg are the administrator's",
    })
  }
  writeCaches(
    directory,
    before.filter((one) => one !== address),
  )
  output.line(`removed ${address}`)
  output.document({ address, removed: true })
  return 0
}

function userDirectory(): string {
  const { user } = configurationDirectories(process.env)
  if (user !== undefined) return user
  throw new AbnError('ABN_CONFIGURATION', 'there is no home directory to keep the configuration in', {
    hint: 'set HOME or XDG_CONFIG_HOME',
  })
}
