// abnpkg cache serve|fsck|gc|backup|export|import|operators: what whoever runs a cache does with its data directory.
import { resolve } from 'node:path'
import type { Cache } from '../../cache-server/cache.ts'
import type { CacheConfig } from '../../cache-server/config.ts'
import { AbnError } from '../../format/errors.ts'
import { type Arguments, type OptionTable, textOption } from '../args.ts'
import type { Surroundings } from '../commands.ts'
import { countText, sizeText } from '../output.ts'

export const serverActions = ['serve', 'fsck', 'gc', 'backup', 'export', 'import', 'operators'] as const
export type ServerAction = (typeof serverActions)[number]

export const serverUsage =
  'serve --data DIR [--listen HOST:PORT] | fsck|gc --data DIR | backup|export|import --data DIR DIRECTORY | operators'

export const serverOptions: OptionTable = {
  data: { type: 'string', value: 'DIR', help: 'the data directory of the cache' },
  listen: { type: 'string', value: 'HOST:PORT', help: 'serve: where to listen (default 127.0.0.1:8470)' },
  config: { type: 'string', value: 'FILE', help: 'configuration of the cache: operators, limits and more' },
  operator: {
    type: 'string',
    multiple: true,
    value: 'KEY',
    help: 'a public key that may write; its name is the operator',
  },
  upstream: { type: 'string', value: 'URL', help: 'serve: mirror this cache; what is missing is asked of it' },
  backups: { type: 'string', value: 'DIR', help: 'serve: on SIGUSR2, make a copy in a new directory below this one' },
  'access-log': { type: 'boolean', help: 'serve: a line of JSON for each request' },
  repair: { type: 'boolean', help: 'fsck: drop what is damaged' },
}

export function isServerAction(word: string | undefined): word is ServerAction {
  return serverActions.some((action) => action === word)
}

/** `target` is the directory that backup, export and import name. */
export async function runServerAction(
  action: ServerAction,
  args: Arguments,
  surroundings: Surroundings & { readonly target: string | undefined },
): Promise<number> {
  const { output, target } = surroundings
  requireTarget(action, target)
  const config = await configFor(args)
  switch (action) {
    case 'serve':
      return serve(args, config, surroundings)
    case 'operators': {
      const { encodePublicKey } = await import('../../trust/key.ts')
      const operators = config.operators.map(({ name, keys }) => ({ name, keys: keys.map(encodePublicKey) }))
      for (const { name, keys } of operators) for (const key of keys) output.line(`${name}  ${key}`)
      output.document({ operators })
      return 0
    }
    case 'fsck':
      return withCache(args, config, async (cache) => {
        const { checkCache } = await import('../../cache-server/fsck.ts')
        const report = await checkCache(cache, { repair: args.options.repair === true })
        for (const { what, reason } of report.faults) output.line(`${what}: ${reason}`)
        const { attestations, blobs, bytes, entries, faults } = report
        const looked = [countText(attestations, 'attestation'), `${countText(blobs, 'file')} (${sizeText(bytes)})`]
        if (entries > 0) looked.push(`a log of ${entries}`)
        output.line(`${looked.join(', ')}, ${countText(faults.length, 'fault')}`)
        output.document(report)
        return faults.length === 0 ? 0 : 1
      })
    case 'gc':
      return withCache(args, config, async (cache) => {
        const { collectGarbage } = await import('../../cache-server/collect-garbage.ts')
        return told(await collectGarbage(cache), surroundings)
      })
    case 'backup':
      return withCache(args, config, async (cache) => {
        const { backUpCache } = await import('../../cache-server/backup.ts')
        return told(await backUpCache(cache, dataOf(args), resolve(target ?? '')), surroundings)
      })
    case 'export':
      return withCache(args, config, async (cache) => {
        const { exportCache } = await import('../../cache-server/static-files.ts')
        return told(await exportCache(cache, resolve(target ?? '')), surroundings)
      })
    case 'import':
      return withCache(args, config, async (cache) => {
        const { importCache } = await import('../../cache-server/static-files.ts')
        return told(await importCache(cache, resolve(target ?? '')), surroundings)
      })
    default:
      return action satisfies never
  }
}

async function serve(args: Arguments, config: CacheConfig, { output, signal }: Surroundings): Promise<number> {
  const { startCache } = await import('../../cache-server/server.ts')
  const { encodePublicKey } = await import('../../trust/key.ts')
  const listen = textOption(args, 'listen')
  const report = (what: string, error?: unknown): void =>
    output.note(error === undefined ? what : `${what}: ${error instanceof Error ? error.message : String(error)}`)
  const running = await listening(
    startCache({
      data: dataOf(args),
      config,
      report,
      ...(listen === undefined ? {} : { listen }),
      ...(args.options['access-log'] === true ? { accessLog: (line) => output.note(line) } : {}),
    }),
    listen ?? config.listen,
  )
  output.line(`serving ${running.url}`)
  const log = running.cache.log && encodePublicKey(running.cache.log.key)
  if (log !== undefined) output.line(`with the log ${log}`)
  if (config.operators.length === 0) output.note('no operator is registered, so that nobody can publish here')
  const backups = textOption(args, 'backups')
  const stopBackups =
    backups === undefined ? undefined : backUpOnSignal(running.cache, args, { directory: resolve(backups), report })
  await new Promise<void>((done) =>
    signal.aborted ? done() : signal.addEventListener('abort', () => done(), { once: true }),
  )
  await stopBackups?.()
  await running.close()
  output.document({ url: running.url, log: log ?? null })
  return 0
}

type BackupOptions = { readonly directory: string; readonly report: (what: string, error?: unknown) => void }

/** The index belongs to the process that serves, so that only this one can copy it meanwhile. The result waits for the last copy. */
function backUpOnSignal(cache: Cache, args: Arguments, { directory, report }: BackupOptions): () => Promise<void> {
  let last = Promise.resolve()
  const backUp = async (): Promise<void> => {
    const { mkdir } = await import('node:fs/promises')
    const { backUpCache } = await import('../../cache-server/backup.ts')
    const target = `${directory}/${new Date().toISOString().replaceAll(/[:.]/g, '-')}`
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const { records, blobs } = await backUpCache(cache, dataOf(args), target)
      report(`backup in ${target}: ${countText(records, 'record')}, ${countText(blobs, 'file')}`)
    } catch (error) {
      report(`backup in ${target} failed`, error)
    }
  }
  const onSignal = (): void => {
    last = last.then(backUp)
  }
  process.on('SIGUSR2', onSignal)
  return async () => {
    process.off('SIGUSR2', onSignal)
    await last
  }
}

async function listening<T>(starting: Promise<T>, listen: string): Promise<T> {
  try {
    return await starting
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    if (!['EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES', 'ENOTFOUND'].includes(code)) throw cause
    throw new AbnError('ABN_CACHE_LISTEN', `cannot listen on ${listen} (${code})`, {
      hint: 'choose another address with --listen HOST:PORT',
      cause,
    })
  }
}

async function withCache(
  args: Arguments,
  config: CacheConfig,
  action: (cache: Cache) => Promise<number>,
): Promise<number> {
  const { openCache } = await import('../../cache-server/cache.ts')
  const cache = await openCache({ data: dataOf(args), config })
  try {
    return await action(cache)
  } finally {
    await cache.close()
  }
}

async function configFor(args: Arguments): Promise<CacheConfig> {
  const { loadConfig } = await import('../../cache-server/config.ts')
  const { parsePublicKey } = await import('../../trust/key.ts')
  const file = textOption(args, 'config')
  const upstream = textOption(args, 'upstream')
  const environment = upstream === undefined ? process.env : { ...process.env, ABNPKG_CACHE_UPSTREAM: upstream }
  const config = loadConfig(file === undefined ? undefined : resolve(file), environment)
  const given = args.options.operator
  const lines = Array.isArray(given) ? given.filter((line) => typeof line === 'string') : []
  const keys = lines.map(parsePublicKey)
  const known = new Set(config.operators.map(({ name }) => name))
  const added = [...Map.groupBy(keys, ({ name }) => name)].map(([name, own]) => ({ name, keys: own }))
  const twice = added.find(({ name }) => known.has(name))
  if (twice) throw usage(`the operator ${twice.name} is in the configuration already`)
  return { ...config, operators: [...config.operators, ...added] }
}

/** Counts, as they are. */
function told(counts: object, { output }: Surroundings): number {
  output.line(
    Object.entries(counts)
      .map(([name, count]) => `${name} ${String(count)}`)
      .join(', '),
  )
  output.document(counts)
  return 0
}

function dataOf(args: Arguments): string {
  const data = textOption(args, 'data')
  if (data !== undefined) return resolve(data)
  throw usage('expected --data with the data directory')
}

function requireTarget(action: ServerAction, target: string | undefined): void {
  const wants = action === 'backup' || action === 'export' || action === 'import'
  if (wants === (target !== undefined)) return
  throw usage(wants ? `${action}: expected a directory` : `${action}: expected no more names`)
}

function usage(reason: string): AbnError {
  return new AbnError('ABN_USAGE', `cache: ${reason}`, { hint: "see 'abnpkg cache --help'" })
}
