/**
 * Evaluation itself, without any memory of earlier ones: modules that need it are interpreted in a thread, and what comes out is
 * made into packages meanwhile; those that are only data are read here.
 */
import type { Sha256 } from '../../format/hash.ts'
import { type BrokenModule, brokenModules } from './broken.ts'
import type { Channel, ModuleId } from './channel.ts'
import { readApiModules } from './code.ts'
import { Harvest } from './harvest.ts'
import { NotLiteral } from './literal.ts'
import { evaluationOrder, type Order } from './order.ts'
import type { Problem } from './problem.ts'
import { positionAt, readLiteral, type Sized } from './read-literal.ts'
import type { RecordParts } from './records.ts'
import { defaultLimits, type ModuleText, runSandbox, type SandboxLimits } from './sandbox.ts'

export type FreshOptions = { readonly limits?: Partial<SandboxLimits>; readonly signal?: AbortSignal | undefined }

/** A file that a recipe takes from its channel. */
export type LocalFile = { readonly channel: string; readonly path: string; readonly sha256: Sha256 }

export type FreshEvaluation = {
  readonly packages: readonly RecordParts[]
  readonly locals: readonly LocalFile[]
  readonly broken: readonly BrokenModule[]
}

/** Throws ABN_RECIPE_… when no single module is to blame, ABN_EVALUATOR_FAILED or the reason of `signal`. */
export async function evaluateAnew(
  channels: readonly Channel[],
  modules: readonly ModuleText[],
  options: FreshOptions,
): Promise<FreshEvaluation> {
  options.signal?.throwIfAborted()
  // Where a module that looks like data is none, all is done again with it interpreted, and the third time with every one.
  const forced = new Set<ModuleId>()
  const limits = { ...defaultLimits, ...options.limits }
  for (let attempt = 1; ; attempt++) {
    const order = evaluationOrder(modules, channels, (id) => attempt > 2 || forced.has(id))
    const { harvest, failed, wanted } = await interpret(order, channels, { limits, signal: options.signal })
    const mistaken = wanted === undefined ? readAll(order, { harvest, failed, limit: limits.resultLength }) : [wanted]
    for (const id of mistaken) forced.add(id)
    if (mistaken.length > 0) continue
    const { packages, locals, broken } = harvest.finish(modules.map(({ id }) => id))
    return { packages, locals, broken: brokenModules(modules, failed, broken) }
  }
}

async function interpret(
  { interpreted, literal }: Order,
  channels: readonly Channel[],
  { limits, signal }: { readonly limits: SandboxLimits; readonly signal: AbortSignal | undefined },
): Promise<Evaluated> {
  let harvest = new Harvest(channels)
  if (interpreted.length === 0) return { harvest, failed: new Map() }
  const { broken, wanted } = await runSandbox(
    {
      channels,
      modules: interpreted,
      others: literal.map(({ id }) => id),
      api: readApiModules(),
      limits,
    },
    () => {
      harvest = new Harvest(channels)
      return (ids, text) => harvest.take(ids, text)
    },
    signal,
  )
  return { harvest, failed: broken, wanted }
}

type Evaluated = {
  readonly harvest: Harvest
  readonly failed: Map<ModuleId, Problem>
  readonly wanted?: ModuleId | undefined
}

/** Reads the modules that are only data, and returns those that are not. */
function readAll(
  { literal }: Order,
  { harvest, failed, limit }: Evaluated & { readonly limit: number },
): readonly ModuleId[] {
  const refused: ModuleId[] = []
  const sizes = new Map<string, Sized>()
  let length = 0
  for (const module of literal) {
    const target = (request: string) => module.targets.get(request) ?? ''
    const broken = module.literal.imports.find(({ request }) => failed.has(target(request)))
    if (broken !== undefined) {
      const frames = [positionAt(module, broken.offset)]
      failed.set(module.id, { kind: 'needs', name: target(broken.request), message: '', frames })
      continue
    }
    try {
      const exports = readLiteral(module, {
        note: (note, size) => {
          length += size
          if (length > limit) throw new NotLiteral()
          return harvest.note(note)
        },
        outputsOf: (index) => harvest.outputsOf(index),
        imported: (request, name) => {
          const place = `${target(request)}#${name}`
          const known = sizes.get(place)
          if (known !== undefined) return known
          const exported = harvest.exportsOf(target(request))
          if (exported?.has(name) !== true) throw new NotLiteral()
          const value = exported.get(name)
          const sized = { value, size: JSON.stringify(value).length }
          sizes.set(place, sized)
          return sized
        },
      })
      for (const [name, sized] of exports) sizes.set(`${module.id}#${name}`, sized)
      harvest.exported(module.id, new Map([...exports].map(([name, { value }]) => [name, value])))
    } catch (error) {
      if (!(error instanceof NotLiteral)) throw error
      refused.push(module.id)
    }
  }
  return refused
}
