// Recipes that somebody writes: in which directory they are, and their packages beside our own.
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { readChannels } from '../../builder/channels/configuration.ts'
import type { BrokenModule } from '../../builder/evaluate/broken.ts'
import type { Channel } from '../../builder/evaluate/channel.ts'
import { codeRoot } from '../../builder/evaluate/code.ts'
import type { Evaluation } from '../../builder/evaluate/evaluation.ts'
import { findPackage } from '../../builder/evaluate/find.ts'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import { configurationDirectories } from '../../builder/substitute/configuration.ts'
import { AbnError } from '../../format/errors.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import { type Arguments, textOption } from '../args.ts'
import { evaluationFor } from '../session.ts'

export type RecipeDirectory = {
  /** It has, or will have, recipes/packages. */
  readonly directory: string
  /** Whether it is the checkout of abnpkg itself, whose recipes are ours anyway. */
  readonly isOwn: boolean
}

const MODULES = 'recipes/packages'

/** That of --directory; else the nearest one above with recipes/packages; else the current one. */
export function recipeDirectory(args: Arguments): RecipeDirectory {
  const given = textOption(args, 'directory')
  const own = resolve(textOption(args, 'channel') ?? (process.env.ABNPKG_CHANNEL || codeRoot))
  const directory = given === undefined ? nearest(process.cwd()) : resolve(given)
  return { directory, isOwn: directory === own }
}

function nearest(start: string): string {
  for (let directory = start; ; directory = dirname(directory)) {
    if (existsSync(join(directory, MODULES))) return directory
    if (directory === dirname(directory) || directory === process.env.HOME || existsSync(join(directory, '.git')))
      return start
  }
}

export function modulePath({ directory }: RecipeDirectory, name: string): string {
  return join(directory, MODULES, `${name}.ts`)
}

export function makeRecipeDirectory({ directory }: RecipeDirectory): void {
  const path = join(directory, MODULES)
  withDiskErrors(`cannot make ${path}`, () => mkdirSync(path, { recursive: true }))
}

/** The name under which the user has the directory as a channel, if so; else one that is made up. */
export function channelAt({ directory, isOwn }: RecipeDirectory): Channel | undefined {
  if (isOwn) return undefined
  const known = readChannels(configurationDirectories(process.env)).find(
    (one) => one.kind === 'live' && one.directory === directory,
  )
  return { name: known?.name ?? 'here', directory, modules: MODULES }
}

export type Authored = {
  readonly evaluation: Evaluation
  readonly channel: Channel | undefined
  readonly directory: RecipeDirectory
}

/** Our recipes and those of the directory. Throws ABN_CHANNEL_UNREADABLE when there are none. */
export async function authored(args: Arguments, signal: AbortSignal): Promise<Authored> {
  const directory = recipeDirectory(args)
  const channel = channelAt(directory)
  const evaluation = await evaluationFor(args, signal, channel === undefined ? [] : [channel])
  const failure = channel && evaluation.broken.find(({ module }) => module === `${channel.name}:`)
  if (failure !== undefined) {
    throw new AbnError(failure.code, failure.message, {
      hint: `recipes are in ${MODULES} of a directory: go there, or name it with --directory`,
    })
  }
  return { evaluation, channel, directory }
}

export type AuthoredModule = {
  /** As a person types it. */
  readonly path: string
  readonly text: string
  /** Those that it exports, as far as they are whole. */
  readonly packages: readonly EvaluatedPackage[]
  /** What is wrong with it, or with recipes of it. */
  readonly broken: readonly BrokenModule[]
}

/** The module of a package or a file. */
export async function moduleOf(word: string, { evaluation, channel, directory }: Authored): Promise<AuthoredModule> {
  const id = word.endsWith('.ts')
    ? idOfFile(word, { channel, directory })
    : await idOfPackage(word, evaluation, channel)
  const broken = evaluation.broken.filter(({ module }) => module === id)
  const path = join(directory.directory, id.slice(id.indexOf(':') + 1))
  const packages = evaluation.packages.filter(({ metadata }) => metadata.module === id)
  return { path, text: readFileSync(path, 'utf8'), packages, broken }
}

/** Every module of the directory, broken ones too. */
export function moduleIds({ evaluation, channel }: Authored): readonly string[] {
  const isHere = (id: string) => (channel === undefined ? !id.includes(':') : id.startsWith(`${channel.name}:`))
  const whole = evaluation.packages.map(({ metadata }) => metadata.module).filter((id) => id !== '')
  return [...new Set([...whole, ...evaluation.broken.map(({ module }) => module)])].filter(isHere).sort()
}

/** The package of that name that the directory has. Throws what is wrong with its recipe. */
export function authoredPackage(name: string, { evaluation, channel }: Authored): Promise<EvaluatedPackage> {
  const spec = channel === undefined || name.includes(':') ? name : `${channel.name}:${name}`
  return findPackage(evaluation, spec, { refuseBroken: true })
}

/** Modules of the directory of which something is broken. */
export function brokenIn({ evaluation, channel }: Authored): readonly BrokenModule[] {
  return evaluation.broken.filter(({ module }) =>
    channel === undefined ? !module.includes(':') : module.startsWith(`${channel.name}:`),
  )
}

async function idOfPackage(word: string, evaluation: Evaluation, channel: Channel | undefined): Promise<string> {
  const spec = channel === undefined || word.includes(':') ? word : `${channel.name}:${word}`
  return (await findPackage(evaluation, spec)).metadata.module
}

function idOfFile(file: string, { channel, directory }: Pick<Authored, 'channel' | 'directory'>): string {
  const path = resolve(file)
  const below = `${join(directory.directory, MODULES)}/`
  const inside = path.startsWith(below) && statSync(path, { throwIfNoEntry: false })?.isFile() === true
  if (!inside) {
    throw new AbnError('ABN_USAGE', `${basename(file)} is no recipe below ${below}`, {
      hint: 'name the directory that has recipes/packages with --directory',
    })
  }
  const id = `${MODULES}/${path.slice(below.length)}`
  return channel === undefined ? id : `${channel.name}:${id}`
}
