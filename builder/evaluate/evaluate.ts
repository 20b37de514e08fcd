/**
 * Evaluates the recipes of channels, or finds the result of an earlier evaluation: first by the state of the files on disk
 * (sizes, times), then by their contents. Nothing heavy is loaded unless recipes must really be evaluated.
 */
import { readFileSync } from 'node:fs'
import { AbnError } from '../../format/errors.ts'
import { type Sha256, sha256Of } from '../../format/hash.ts'
import { isLasting } from './broken.ts'
import { type CacheKey, EvaluationCache } from './cache.ts'
import { type Channel, type ChannelListing, listChannel, mainChannel, moduleIdOf } from './channel.ts'
import { codeRoot, listCode } from './code.ts'
import { Evaluation } from './evaluation.ts'
import { useEvaluation } from './file-states.ts'
import { encodeRecords } from './records.ts'
import type { ModuleText, SandboxLimits } from './sandbox.ts'

export type EvaluateOptions = {
  /** Where results are remembered; none are without it. */
  readonly cacheDirectory?: string
  readonly limits?: Partial<SandboxLimits>
  /** Ends the evaluation at once, with its reason. */
  readonly signal?: AbortSignal | undefined
}

/** The recipes that come with abnpkg. */
export const ownChannel: Channel = { name: mainChannel, directory: codeRoot, modules: 'recipes/packages' }

/**
 * Recipes that are broken take out themselves and what needs them; the evaluation says which they are. Throws
 * ABN_CHANNEL_UNREADABLE, ABN_RECIPE_… when no single module is to blame, ABN_EVALUATOR_FAILED or the reason of the signal.
 */
export async function evaluate(channels: readonly Channel[], options: EvaluateOptions = {}): Promise<Evaluation> {
  const cache = options.cacheDirectory === undefined ? undefined : new EvaluationCache(options.cacheDirectory, channels)
  const unchanged = cache?.readUnchanged()
  if (unchanged !== undefined) return unchanged
  const started = Date.now()
  const listings = channels.map(listChannel)
  const modules = readModules(channels, listings)
  const key = contentKey(channels, modules)
  const known = cache?.read(key)
  if (known !== undefined) {
    cache?.remember({ key, listings, locals: known.locals, started })
    return known.evaluation
  }
  const { evaluateAnew } = await import('./evaluate-anew.ts')
  const { packages, locals, broken } = await evaluateAnew(channels, modules, options)
  const records = encodeRecords(packages)
  const remembering = broken.every(isLasting) ? cache : undefined
  const stored = remembering?.write(key, records, { locals, broken })
  if (remembering === undefined) useEvaluation(undefined)
  else remembering.remember({ key, listings, locals, started })
  return stored ?? new Evaluation(channels, records.index, { data: { kind: 'memory', bytes: records.data }, broken })
}

function readModules(channels: readonly Channel[], listings: readonly ChannelListing[]): readonly ModuleText[] {
  let length = 0
  return channels.flatMap((channel, i) =>
    (listings[i]?.modules ?? []).map((path) => {
      const text = readFileSync(`${channel.directory}/${path}`, 'utf8')
      length += text.length
      if (text.length > LARGEST_MODULE || length > LARGEST_CHANNELS) {
        throw new AbnError(
          'ABN_RECIPE_SIZE_LIMIT',
          `${path}: recipes may have ${LARGEST_MODULE} characters each, ${LARGEST_CHANNELS} together`,
        )
      }
      return { id: moduleIdOf(channel, path), text }
    }),
  )
}

const LARGEST_MODULE = 4 << 20
const LARGEST_CHANNELS = 128 << 20

/** Covers all that a result depends on, except files that recipes name with local(). */
function contentKey(channels: readonly Channel[], modules: readonly ModuleText[]): CacheKey {
  const code = listCode().files.map((path) => [path, sha256Of(readFileSync(path))])
  const content: [string, Sha256][] = modules.map(({ id, text }) => [id, sha256Of(text)])
  return sha256Of(
    JSON.stringify([
      'abnpkg-evaluation-v1',
      process.version,
      channels.map(({ name, modules: at }) => [name, at]),
      code,
      content,
    ]),
  )
}
