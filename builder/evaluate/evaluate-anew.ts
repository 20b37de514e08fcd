/** Evaluation itself, without any memory of earlier ones. Loads QuickJS, in a thread. */

import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import type { Channel } from './channel.ts'
import { readApiModules } from './code.ts'
import { hashLocalFile } from './local-file.ts'
import { lower } from './lower.ts'
import type { EvaluatedPackage } from './package.ts'
import { parseRaw } from './raw.ts'
import { defaultLimits, type ModuleText, runSandbox, type SandboxLimits } from './sandbox.ts'

export type FreshOptions = { readonly limits?: Partial<SandboxLimits>; readonly signal?: AbortSignal | undefined }

/** A file that a recipe takes from its channel. */
export type LocalFile = { readonly channel: string; readonly path: string; readonly sha256: Sha256 }

export type FreshEvaluation = { readonly packages: readonly EvaluatedPackage[]; readonly locals: readonly LocalFile[] }

/** Throws ABN_RECIPE_…, ABN_SOURCE_ADDRESS, ABN_EVALUATOR_FAILED or the reason of `signal`. */
export async function evaluateAnew(
  channels: readonly Channel[],
  modules: readonly ModuleText[],
  { limits, signal }: FreshOptions,
): Promise<FreshEvaluation> {
  const result = await runSandbox(
    { channels, modules, api: readApiModules(), limits: { ...defaultLimits, ...limits } },
    signal,
  )
  const raw = parseRaw(result.exports, result.recipes, new Set(modules.map(({ id }) => id)))
  const locals = new Map<string, LocalFile>()
  const packages = lower(raw, (name, path) => {
    const known = locals.get(`${name}:${path}`)
    if (known !== undefined) return known.sha256
    const channel = channels.find((each) => each.name === name)
    if (channel === undefined) throw new AbnError('ABN_RECIPE_INVALID', `no channel is called ${JSON.stringify(name)}`)
    const sha256 = hashLocalFile(channel.directory, path)
    locals.set(`${name}:${path}`, { channel: name, path, sha256 })
    return sha256
  })
  return { packages, locals: [...locals.values()] }
}
