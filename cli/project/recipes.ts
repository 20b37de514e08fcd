// The recipes that a project's packages come from: those of abnpkg itself and those of the channels that abnpkg.json names (channels.ts).
// Other channels of the user do not count, so that a project means the same for everyone.
import { mainChannel } from '../../builder/evaluate/channel.ts'
import type { Evaluation } from '../../builder/evaluate/evaluation.ts'
import { type Sha256, sha256Of } from '../../format/hash.ts'
import type { LockedChannel, Lockfile } from '../../format/lockfile.ts'
import { evaluationFor } from '../session.ts'
import { type ProjectChannel, projectChannels, type WantedChannels } from './channels.ts'
import type { ProjectContext } from './context.ts'

export type Recipes = {
  readonly evaluation: Evaluation
  /** As a lock records them. */
  readonly channels: readonly LockedChannel[]
}

/** Tells of broken recipes. Throws ABN_PROJECT_CHANNEL, and what fetching a channel and evaluating throw. */
export async function recipesOf(wanted: WantedChannels, context: ProjectContext): Promise<Recipes> {
  const others = await projectChannels(wanted, context)
  const { args, surroundings } = context
  // Whatever other channels the user has.
  const evaluation = await evaluationFor(
    args,
    surroundings.signal,
    others.map(({ channel }) => channel),
  )
  if (evaluation.broken.length > 0) (await import('../recipes/broken.ts')).noteBroken(evaluation, surroundings.output)
  const own = { name: mainChannel, url: undefined, commit: undefined, digest: digestOfRecipes(evaluation, mainChannel) }
  return { evaluation, channels: [own, ...others.map((one) => lockedChannel(one, evaluation))] }
}

/** As a lock has them. */
export function channelsIn({ channels }: Lockfile): WantedChannels {
  const addresses = channels.flatMap(({ name, url }): [string, string][] => (url === undefined ? [] : [[name, url]]))
  return { addresses: new Map(addresses), pins: channels }
}

function lockedChannel({ channel, address, pin }: ProjectChannel, evaluation: Evaluation): LockedChannel {
  const { name } = channel
  return { name, url: address, commit: pin?.commit, digest: pin?.digest ?? digestOfRecipes(evaluation, name) }
}

/** What is read as it is on disk is known by what it makes, not by how it is written. */
export function digestOfRecipes(evaluation: Evaluation, channel: string): Sha256 {
  // Packages of other channels than ours are listed with the channel's name before their own.
  const isOfChannel = (name: string) => (channel === mainChannel ? !name.includes(':') : name.startsWith(`${channel}:`))
  const entries = evaluation.entries().filter(({ name }) => isOfChannel(name))
  const hashes = entries.map(({ recipeHash }) => recipeHash).sort()
  return sha256Of(`abnpkg-recipes-v1\n${hashes.map((hash) => `${hash}\n`).join('')}`)
}
