// abnpkg show NAME

import { findPackage } from '../../builder/evaluate/find.ts'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import { compareVersions } from '../../builder/evaluate/versions.ts'
import type { SourceHint } from '../../builder/fetch/hint.ts'
import { type StorePath, storePathOf } from '../../format/store-path.ts'
import { defaultProfile, readProfile } from '../../store/profiles.ts'
import type { Store } from '../../store/store.ts'
import type { Command } from '../commands.ts'
import { oneName } from '../names.ts'
import { sizeText, timeText } from '../output.ts'
import { evaluationFor, existingStore } from '../session.ts'

export const show: Command = {
  usage: 'NAME',
  options: {},
  async run(args, { output, signal }) {
    const evaluation = await evaluationFor(args, signal)
    const found = await findPackage(evaluation, oneName(args, 'show'))
    const { derivation, recipeHash, metadata } = found
    const { name, version, inputs } = derivation
    const store = existingStore(args)
    const installed =
      store && readProfile(store, defaultProfile)?.manifest.packages.find((one) => one.recipe === recipeHash)
    const outputs = outputsOf(found, store)
    const versions = evaluation.entriesNamed(name).map((entry) => entry.version)
    const tools = inputs.flatMap(({ recipe }) => {
      const input = evaluation.byHash(recipe)?.derivation
      return input ? [`${input.name}@${input.version}`] : []
    })
    const sources = sourcesOf(found)

    const field = (label: string, text: string) => {
      if (text !== '') output.line(`  ${output.paint('dim', label.padEnd(9))} ${text}`)
    }
    output.line(`${output.paint('bold', name)} ${version}`)
    field('summary', metadata.summary)
    field('homepage', metadata.homepage)
    field('license', metadata.license)
    field('versions', versions.length > 1 ? versions.sort((a, b) => compareVersions(b, a)).join(', ') : '')
    field('installed', installed ? `yes, as ${installed.requested}` : 'no')
    for (const { path, state } of outputs) field('store', `${path}${state === undefined ? ' (not built here)' : ''}`)
    for (const { state } of outputs.slice(0, 1)) {
      if (state) field(state.kind === 'built' ? 'built' : 'fetched', `${howItCame(state)}, ${sizeText(state.bytes)}`)
    }
    field('recipe', metadata.module)
    field('hash', recipeHash)
    for (const { sha256, from } of sources) field('source', `${from[0] ?? ''} (${sha256.slice(0, 16)}…)`)
    field('made with', tools.join(', '))
    output.document({
      name,
      version,
      ...metadata,
      recipeHash,
      versions,
      installed: installed ?? null,
      outputs,
      inputs: tools,
      sources,
    })
    return 0
  },
}

type State = NonNullable<ReturnType<typeof stateOf>>

/** `2026-11-22 03:46 UTC in 12 s` */
function howItCame({ at, seconds, from }: State): string {
  const when = `${new Date(at * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`
  if (seconds === undefined) return `${when} from ${from}; abnpkg why tells on whose word`
  return `${when} in ${seconds < 1 ? 'under 1 s' : timeText(seconds)}`
}

function outputsOf({ derivation, recipeHash }: EvaluatedPackage, store: Store | undefined) {
  return derivation.outputs.map((output) => {
    const path = storePathOf(recipeHash, derivation.name, derivation.version, output)
    return { output, path, state: stateOf(path, store) }
  })
}

function stateOf(path: StorePath, store: Store | undefined) {
  if (!store?.has(path)) return undefined
  const { outputDigest, bytes, references, origin } = store.readItem(path)
  const seconds = origin.kind === 'built' ? origin.seconds : undefined
  const from = origin.kind === 'substituted' ? origin.from : undefined
  return { outputDigest, bytes, references, kind: origin.kind, at: origin.at, seconds, from }
}

function sourcesOf({ derivation, metadata }: EvaluatedPackage) {
  const hashes = derivation.sources.flatMap(({ sha256, patches }) => [sha256, ...patches])
  return [...new Set(hashes)].map((sha256) => ({ sha256, from: placesOf(metadata.sources[sha256]) }))
}

function placesOf(hint: SourceHint | undefined): readonly string[] {
  if (hint === undefined) return []
  if (hint.kind === 'urls') return hint.urls
  return hint.kind === 'local' ? [hint.path] : [`${hint.url} ${hint.commit}`]
}
