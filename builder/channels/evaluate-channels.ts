/** The packages of our own channel and others: each evaluated alone, so that one that fails takes out only itself. */
import { AbnError } from '../../format/errors.ts'
import type { Channel } from '../evaluate/channel.ts'
import { type EvaluateOptions, evaluate } from '../evaluate/evaluate.ts'
import type { Evaluation } from '../evaluate/evaluation.ts'
import { useEvaluation } from '../evaluate/file-states.ts'
import { type CheckoutOptions, checkedOut } from './checkout.ts'
import { CombinedEvaluation, type EvaluatedChannel } from './combine.ts'
import type { ConfiguredChannel } from './configuration.ts'

export type Evaluating = EvaluateOptions & { readonly own: Channel; readonly signal: AbortSignal }

/** With those channels. Throws what evaluating our own throws, or the reason of the signal. */
export async function evaluateWith(channels: readonly Channel[], options: Evaluating): Promise<Evaluation> {
  const own = await evaluate([options.own], options)
  if (channels.length === 0) return own
  const others: EvaluatedChannel[] = []
  for (const channel of channels) others.push(await evaluated(channel, options))
  return new CombinedEvaluation(own, others)
}

/** With the channels that are configured; those that are not here are fetched. */
export async function evaluateConfigured(
  channels: readonly ConfiguredChannel[],
  options: Evaluating & { readonly checkout: CheckoutOptions },
): Promise<Evaluation> {
  const own = await evaluate([options.own], options)
  const others: EvaluatedChannel[] = []
  for (const configured of channels) {
    try {
      others.push(await evaluated(await channelOf(configured, options.checkout), options))
    } catch (error) {
      const channel = { name: configured.name, directory: '/nonexistent', modules: 'recipes/packages' }
      others.push({ channel, evaluation: undefined, failure: failureOf(channel, error, options.signal) })
    }
  }
  return others.length === 0 ? own : new CombinedEvaluation(own, others)
}

/** As it is on disk. Throws as checkedOut. */
export async function channelOf(configured: ConfiguredChannel, options: CheckoutOptions): Promise<Channel> {
  if (configured.kind !== 'live') return checkedOut(configured.pin, options)
  return { name: configured.name, directory: configured.directory, modules: 'recipes/packages' }
}

async function evaluated(channel: Channel, options: Evaluating): Promise<EvaluatedChannel> {
  try {
    return { channel, evaluation: await evaluate([options.own, channel], options) }
  } catch (error) {
    return { channel, evaluation: undefined, failure: failureOf(channel, error, options.signal) }
  }
}

function failureOf({ name }: Channel, error: unknown, signal: AbortSignal) {
  signal.throwIfAborted()
  if (!(error instanceof AbnError)) throw error
  // What made it fail is not among what is remembered, so that no answer may be that was given without it.
  useEvaluation(undefined)
  const { code, message, hint } = error
  return { module: `${name}:`, names: [], code, message, ...(hint === undefined ? {} : { hint }) }
}
