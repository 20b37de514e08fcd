/**
 * Our own recipes together with those of other channels. Each channel is evaluated by itself, beside a copy of ours that it may
 * import: so what one channel does, be it hostile, slow or broken, changes nothing of ours and nothing of another channel.
 *
 * A name means ours if we have it, else that of the first channel that has it; `<channel>:<name>` means that channel's.
 */
import type { RecipeHash } from '../../format/hash.ts'
import type { BrokenModule } from '../evaluate/broken.ts'
import { type Channel, mainChannel } from '../evaluate/channel.ts'
import { Evaluation } from '../evaluate/evaluation.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import type { PackageEntry } from '../evaluate/records.ts'

/** `failure`: why there are no packages of it. */
export type EvaluatedChannel = {
  readonly channel: Channel
  readonly evaluation: Evaluation | undefined
  readonly failure?: BrokenModule | undefined
}

export class CombinedEvaluation extends Evaluation {
  readonly #own: Evaluation
  readonly #others: readonly EvaluatedChannel[]
  readonly #sources = new WeakMap<PackageEntry, Evaluation>()

  constructor(own: Evaluation, others: readonly EvaluatedChannel[]) {
    const channels = others.map(({ channel }) => channel)
    const broken = others.flatMap(({ channel, evaluation, failure }) => [
      ...(failure === undefined ? [] : [failure]),
      ...(evaluation?.broken ?? []).filter(({ module }) => module.startsWith(`${channel.name}:`)),
    ])
    super([...own.channels, ...channels], '', {
      data: { kind: 'memory', bytes: Buffer.alloc(0) },
      broken: [...own.broken, ...broken],
    })
    this.#own = own
    this.#others = others
  }

  override entriesNamed(name: string): readonly PackageEntry[] {
    const [, channel, plain = name] = /^([^:]*):(.*)$/s.exec(name) ?? []
    if (channel === mainChannel) return this.#ownNamed(plain)
    if (channel !== undefined) {
      const other = this.#others.find((one) => one.channel.name === channel)
      return other === undefined ? [] : this.#othersNamed(other, plain)
    }
    const all = [this.#ownNamed(name), ...this.#others.map((other) => this.#othersNamed(other, name))]
    return all.find((entries) => entries.some(({ hidden }) => !hidden)) ?? all.find(({ length }) => length > 0) ?? []
  }

  /** Those of other channels have the channel's name before their own. */
  override entries(): readonly PackageEntry[] {
    const own = this.#own.entries()
    const hashes = new Set(own.map(({ recipeHash }) => recipeHash))
    const theirs = this.#others.flatMap(({ channel, evaluation }) =>
      (evaluation?.entries() ?? [])
        .filter(({ recipeHash }) => !hashes.has(recipeHash))
        .map((entry) => this.#from(evaluation, { ...entry, name: `${channel.name}:${entry.name}` })),
    )
    return [...own.map((entry) => this.#from(this.#own, entry)), ...theirs]
  }

  override entriesWith(words: readonly string[]): readonly PackageEntry[] {
    const own = this.#own.entriesWith(words).map((entry) => this.#from(this.#own, entry))
    const theirs = this.#others.flatMap(({ channel, evaluation }) => {
      const prefix = `${channel.name}:`
      const found = evaluation?.entriesWith(words.filter((word) => !prefix.includes(word))) ?? []
      return found
        .filter(({ name, recipeHash }) => this.#own.entriesNamed(name).every((one) => one.recipeHash !== recipeHash))
        .map((entry) => this.#from(evaluation, { ...entry, name: prefix + entry.name }))
    })
    return [...own, ...theirs]
  }

  override names(): readonly string[] {
    return [...new Set(this.entries().map(({ name }) => name))]
  }

  override get packages(): readonly EvaluatedPackage[] {
    return this.entries().map((entry) => this.load(entry))
  }

  override byHash(hash: RecipeHash): EvaluatedPackage | undefined {
    const all = [this.#own, ...this.#others.map(({ evaluation }) => evaluation)]
    for (const evaluation of all) {
      const found = evaluation?.byHash(hash)
      if (found !== undefined) return found
    }
    return undefined
  }

  override load(entry: PackageEntry): EvaluatedPackage {
    const from = this.#sources.get(entry)
    if (from !== undefined) return from.load(entry)
    const found = this.byHash(entry.recipeHash)
    if (found === undefined) throw new TypeError(`load: ${entry.name} is not of this evaluation`)
    return found
  }

  #ownNamed(name: string): readonly PackageEntry[] {
    return this.#own.entriesNamed(name).map((entry) => this.#from(this.#own, entry))
  }

  /** Without what is ours and was only evaluated beside it. */
  #othersNamed({ evaluation }: EvaluatedChannel, name: string): readonly PackageEntry[] {
    const own = new Set(this.#own.entriesNamed(name).map(({ recipeHash }) => recipeHash))
    return (evaluation?.entriesNamed(name) ?? [])
      .filter(({ recipeHash }) => !own.has(recipeHash))
      .map((entry) => this.#from(evaluation, entry))
  }

  #from(evaluation: Evaluation | undefined, entry: PackageEntry): PackageEntry {
    if (evaluation !== undefined) this.#sources.set(entry, evaluation)
    return entry
  }
}
