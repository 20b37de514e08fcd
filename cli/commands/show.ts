// abnpkg show NAME
import { findPackage } from '../../builder/evaluate/find.ts'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import { compareVersions } from '../../builder/evaluate/versions.ts'
import type { SourceHint } from '../../builder/fetch/hint.ts'
import type { RecipeHash } from '../../format/hash.ts'
import { type StorePath, storePathOf } from '../../format/store-path.ts'
import type { ProfilePackage } from '../../store/manifest.ts'
import { defaultProfile, listProfiles, readProfile } from '../../store/profiles.ts'
import type { Store } from '../../store/store.ts'
import type { Command } from '../commands.ts'
import { oneName } from '../names.ts'
import { evaluationFor, existingStore } from '../session.ts'
import { fieldsOfOrigin, howItCame } from '../store/how-it-came.ts'

export const show: Command = {
  usage: 'NAME[@VERSION] | --broken',
  details: [
    'Tells what the recipe says of a package, in which profiles it is, and how it came into the store: whether it was built or fetched,',
    'when, why, and on whose word. `abnpkg why` tells the reasons in full.',
  ].join('\n'),
  options: { broken: { type: 'boolean', help: 'instead of a package: what is wrong with recipes that are broken' } },
  async run(args, { output, signal }) {
    const evaluation = await evaluationFor(args, signal)
    if (args.options.broken && args.names.length === 0) {
      return (await import('../recipes/broken.ts')).printBroken(evaluation, output)
    }
    const found = await findPackage(evaluation, oneName(args, 'show'))
    const { derivation, recipeHash, metadata } = found
    const { name, version, inputs } = derivation
    const store = existingStore(args)
    const profiles = store === undefined ? [] : profilesWith(name, store)
    const installed = profiles.find(({ profile, recipe }) => profile === defaultProfile && recipe === recipeHash)
    const outputs = await outputsOf(found, store)
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
    for (const one of profiles) field('installed', installedText(one, recipeHash))
    if (profiles.length === 0) field('installed', 'no')
    for (const { path, state } of outputs) field('store', `${path}${state === undefined ? ' (not built here)' : ''}`)
    for (const { state } of outputs.slice(0, 1)) {
      if (state) for (const [label, text] of fieldsOfOrigin(state, state.bytes)) field(label, text)
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
      profiles,
      outputs,
      inputs: tools,
      sources,
    })
    return 0
  },
}

type InProfile = ProfilePackage & { readonly profile: string; readonly generation: number }

/** The default profile first. */
function profilesWith(name: string, store: Store): readonly InProfile[] {
  const all = [...listProfiles(store)].sort((a, b) => Number(b === defaultProfile) - Number(a === defaultProfile))
  return all.flatMap((profile) => {
    const current = readProfile(store, profile)
    const found = current?.manifest.packages.find((one) => one.name === name)
    return current && found ? { ...found, profile, generation: current.number } : []
  })
}

function installedText({ profile, version, recipe, requested, priority }: InProfile, recipeHash: RecipeHash): string {
  const where = profile === defaultProfile ? '' : ` in profile ${profile}`
  if (recipe === recipeHash) return `yes${where}, as ${requested}${priority === 0 ? '' : `, with priority ${priority}`}`
  return `no, but ${version} is${where}, as ${requested}`
}

async function outputsOf({ derivation, recipeHash }: EvaluatedPackage, store: Store | undefined) {
  return await Promise.all(
    derivation.outputs.map(async (output) => {
      const path = storePathOf(recipeHash, derivation.name, derivation.version, output)
      return { output, path, state: await stateOf(path, store) }
    }),
  )
}

async function stateOf(path: StorePath, store: Store | undefined) {
  if (!store?.has(path)) return undefined
  const item = store.readItem(path)
  const { outputDigest, bytes, references } = item
  return { outputDigest, bytes, references, ...(await howItCame(store, item)) }
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
