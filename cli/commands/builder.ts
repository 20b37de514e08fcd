// abnpkg builder run|status
import { resolve } from 'node:path'
import type { BuilderConfig } from '../../builder/service/config.ts'
import type { ServiceEvent } from '../../builder/service/service-events.ts'
import type { Task } from '../../builder/service/tasks.ts'
import { textOfStatus } from '../../builder/session/status.ts'
import { AbnError } from '../../format/errors.ts'
import { type Arguments, textOption } from '../args.ts'
import type { Command, Surroundings } from '../commands.ts'
import { keyOptions, passphraseFrom } from '../operators/passphrase.ts'
import { countText, type Output, sizeText, timeText } from '../output.ts'
import { sourceCacheOf } from '../plans/work.ts'
import { evaluationFor, existingStore, storeFor } from '../session.ts'

export const builder: Command = {
  usage: 'run --config FILE | status | configuration --config FILE',
  details: [
    'A service that builds packages from source, signs what came out and publishes it to caches. `run` goes on until it is',
    'stopped, and where it was when it is started again; `status` tells what it has done and what is left. `configuration` prints',
    'what the sessions of such a builder say of its configuration: the whole of it, its digest, and RTMR3 of a TDX guest.',
    'docs/running-a-builder.md explains the configuration.',
  ].join('\n'),
  options: {
    ...keyOptions,
    config: { type: 'string', value: 'FILE', help: 'what to build and where to publish' },
    once: { type: 'boolean', help: 'run: try everything once, then end' },
    reproduce: { type: 'boolean', help: 'run: build what others have attested, and agree or contradict' },
    'quote-per-build': { type: 'boolean', help: 'run: a session, and so a quote, for each build' },
  },
  async run(args, surroundings) {
    const [action = '', ...more] = args.names
    if (more.length === 0 && action === 'run') return run(args, surroundings)
    if (more.length === 0 && action === 'status') return status(args, surroundings)
    if (more.length === 0 && action === 'configuration') return configuration(args, surroundings)
    throw new AbnError('ABN_USAGE', 'builder: expected run, status or configuration', {
      hint: "see 'abnpkg builder --help'",
    })
  },
}

async function run(args: Arguments, { output, signal }: Surroundings): Promise<number> {
  const { findKey, keyDirectoryFrom, openKey, readPassphraseFile } = await import('../../builder/service/keys.ts')
  const { createCounters, startObserver } = await import('../../builder/service/observe.ts')
  const { revokedStatements } = await import('../../builder/service/revocations.ts')
  const { runBuilder } = await import('../../builder/service/run.ts')
  const { softwareOf } = await import('../../builder/service/statement.ts')
  const config = await configOf(args)
  const { passphraseFile } = config
  const passphrase =
    passphraseFile === undefined || args.options['passphrase-file'] !== undefined
      ? passphraseFrom(args, output)
      : () => readPassphraseFile(passphraseFile)
  const keyDirectory = keyDirectoryFrom(process.env)
  const entry = findKey(keyDirectory, textOption(args, 'key') ?? config.key)
  const signer = await openKey(entry, passphrase)
  revokedStatements(keyDirectory, signer.publicKey)
  const store = storeFor(args)
  const nowSeconds = () => Math.floor(Date.now() / 1000)
  const counters = createCounters(nowSeconds)
  await using observer = config.listen === undefined ? undefined : await startObserver(config.listen, store, counters)
  if (observer) output.note(`health, metrics and status: ${observer.url}`)
  const once = args.options.once === true
  const tasks = await runBuilder({
    store,
    signer,
    keyDirectory,
    config,
    software: softwareOf(`${import.meta.dirname}/../..`),
    evaluate: () => evaluationFor(args, signal),
    sourceCache: sourceCacheOf(store),
    once,
    reproduce: args.options.reproduce === true,
    signal,
    nowSeconds,
    onEvent: (event) => {
      counters.note(event)
      tell(event, output)
    },
  })
  return finish(tasks, config, { output, isFailureFatal: once && !signal.aborted })
}

function finish(
  tasks: readonly Task[],
  { caches }: BuilderConfig,
  { output, isFailureFatal }: { readonly output: Output; readonly isFailureFatal: boolean },
): number {
  const open = tasks.filter(({ state }) => state !== 'done')
  if (isFailureFatal && open.length > 0) {
    throw new AbnError(
      'ABN_BUILDER_TASKS',
      `${countText(open.length, 'task')} of ${tasks.length} not done: ${titles(open)}`,
      {
        hint: '`abnpkg builder status` says why',
      },
    )
  }
  output.line(
    `${countText(tasks.length - open.length, 'package')} done, ${open.length} left, ${countText(caches.length, 'cache')}`,
  )
  output.document({ tasks })
  return 0
}

async function status(args: Arguments, { output }: Surroundings): Promise<number> {
  const { readTasks } = await import('../../builder/service/tasks.ts')
  const { readStatus } = await import('../../builder/session/status.ts')
  const store = existingStore(args)
  const tasks = store === undefined ? [] : readTasks(store)
  const isRunning = store !== undefined && (await isLocked(`${store.layout.locks}/builder-service`))
  const session = store && readStatus(store)
  output.line(isRunning ? 'a builder is running' : 'no builder is running')
  if (session) output.line(`${isRunning ? '' : 'last '}${textOfStatus(session)}`)
  for (const task of tasks) {
    const where = task.published.map(({ cache }) => cache).join(', ')
    const error = task.error === null ? '' : `  ${task.error.code}: ${task.error.message.split('\n')[0] ?? ''}`
    const others =
      task.contradictions.length === 0 ? '' : `  contradicted by ${countText(task.contradictions.length, 'statement')}`
    output.line(
      `${task.state.padEnd(8)}${task.name} ${task.version}${where === '' ? '' : `  ${where}`}${error}${others}`,
    )
  }
  output.document({ running: isRunning, session: session ?? null, tasks })
  return 0
}

async function isLocked(path: string): Promise<boolean> {
  const { existsSync } = await import('node:fs')
  if (!existsSync(path)) return false
  const { tryLock } = await import('../../store/lock.ts')
  using lock = tryLock(path, 'shared')
  return lock === undefined
}

/** A service's log: one line for each thing that happened, with its time. */
function tell(event: ServiceEvent, output: Output): void {
  const line = lineOf(event)
  if (line !== undefined) output.note(`${new Date().toISOString().slice(0, 19)}Z ${line}`)
}

function lineOf(event: ServiceEvent): string | undefined {
  switch (event.kind) {
    case 'task-start':
      return `begin ${titleOf(event.task)}`
    case 'task-done':
      return `done ${titleOf(event.task)}`
    case 'task-failed': {
      const { state, notBefore } = event.task
      const next =
        state === 'failed' ? 'given up' : `again after ${new Date(notBefore * 1000).toISOString().slice(0, 19)}Z`
      return `failed ${titleOf(event.task)}: ${event.error.code}: ${event.error.message} (${next})`
    }
    case 'realise':
      if (event.event.kind !== 'build-done' || event.event.how !== 'built') return undefined
      return `built ${event.event.build.package.derivation.name} ${event.event.build.package.derivation.version} in ${timeText(event.event.seconds)}`
    case 'attested':
      return event.fresh === 0 ? undefined : `signed ${countText(event.fresh, 'statement')}`
    case 'published': {
      const { accepted, sent, bytes } = event.published
      return `published to ${event.cache}: ${countText(accepted, 'statement')}, ${countText(sent, 'file')}, ${sizeText(bytes)}`
    }
    case 'contradiction': {
      const { cache, recipe, key, verified, cause } = event.contradiction
      const who = `${verified ? 'key' : 'an unverified key'} ${key.slice(0, 8)}`
      const what = cause === 'build' ? 'another result from the same inputs' : 'another result from other inputs'
      return `DIVERGENCE at ${cache}: ${who} states ${what} for recipe ${recipe}`
    }
    case 'session':
      return textOfStatus(event.session)
    case 'problem':
      return `problem: ${event.error.code}: ${event.error.message}`
    case 'idle':
      return undefined
    default:
      return event satisfies never
  }
}

function titleOf({ name, version }: Task): string {
  return `${name} ${version}`
}

function titles(tasks: readonly Task[]): string {
  return tasks.slice(0, 5).map(titleOf).join(', ')
}

async function configuration(args: Arguments, { output }: Surroundings): Promise<number> {
  const { effectiveConfiguration } = await import('../../builder/session/configuration.ts')
  const { canonicalJson } = await import('../../format/canonical-json.ts')
  const { sha256Of } = await import('../../format/hash.ts')
  const { runtimeRegisterOf } = await import('../../trust/tee/measure-runtime.ts')
  const effective = effectiveConfiguration(await configOf(args), { reproduce: args.options.reproduce === true })
  const digest = sha256Of(canonicalJson(effective))
  const rtmr3 = runtimeRegisterOf(digest).toHex()
  output.line(JSON.stringify(effective, undefined, 2))
  output.line(`digest  ${digest}`)
  output.line(`rtmr3   ${rtmr3}`)
  output.document({ configuration: effective, digest, rtmr3 })
  return 0
}

/** As the options change it. */
async function configOf(args: Arguments): Promise<BuilderConfig> {
  const { PLACE, readBuilderConfig } = await import('../../builder/service/config.ts')
  const file = textOption(args, 'config')
  if (file === undefined) {
    throw new AbnError('ABN_USAGE', 'builder: expected --config FILE', { hint: 'see docs/running-a-builder.md' })
  }
  const config = readBuilderConfig(resolve(file))
  if (args.options['quote-per-build'] !== true) return config
  const { withQuotePerBuild } = await import('../../builder/session/config.ts')
  return { ...config, session: withQuotePerBuild(config.session, { ...PLACE, path: '--quote-per-build' }) }
}
