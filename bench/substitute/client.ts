/**
 * One cold substitution of the closure that generate.ts made, as `abnpkg install` does it once it has evaluated the recipes:
 * `node bench/substitute/client.ts DATA ROOT ADDRESS [durable]`. Prints what it saw as JSON.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import { type Derivation, parseDerivation, recipeHashOf } from '../../format/derivation.ts'

/** What a client saw of itself; the caller measures the time of the whole process. */
export type ClientResult = {
  /** Seconds from the start of the process, and megabytes. */
  readonly decided: number
  readonly ended: number
  readonly decidedMegabytes: number
  readonly peakMegabytes: number
  readonly cpuSeconds: number
}

export function packageOf(derivation: Derivation): EvaluatedPackage {
  const metadata = {
    exportName: '',
    module: '',
    channel: '',
    summary: '',
    homepage: '',
    license: '',
    smoke: [],
    sources: {},
    hidden: false,
  }
  return { derivation, recipeHash: recipeHashOf(derivation), metadata }
}

if (process.argv[1] === import.meta.filename) await main(process.argv.slice(2))

async function main([data = '', root = '', address = '', durable = '']: readonly string[]): Promise<void> {
  const { planBuild } = await import('../../builder/realise/plan.ts')
  const { realise } = await import('../../builder/realise/realise.ts')
  const { prepareSubstitution } = await import('../../builder/substitute/substitute.ts')
  const { openStore } = await import('../../store/store.ts')
  const { parsePolicy } = await import('../../trust/policy/policy.ts')
  const texts: readonly string[] = JSON.parse(readFileSync(join(data, 'derivations.json'), 'utf8'))
  const packages = texts.map((text) => packageOf(parseDerivation(Buffer.from(text))))
  const byHash = new Map<string, EvaluatedPackage>(packages.map((one) => [one.recipeHash, one]))
  const index = { byHash: (hash: string) => byHash.get(hash) }
  const targets = packages.slice(-1)
  const store = openStore({ root, durable: durable === 'durable' })
  const substitution = await prepareSubstitution(targets, {
    store,
    packages: index,
    policy: parsePolicy(readFileSync(join(data, 'policy.json'), 'utf8')),
    caches: [address],
    now: Math.floor(Date.now() / 1000),
  })
  const sourceCache = join(root, 'sources')
  const plan = planBuild(targets, { store, packages: index, sourceCache, choose: substitution.choose })
  const decided = performance.now() / 1000
  const decidedMegabytes = process.memoryUsage.rss() / 1e6
  await substitution.begin(plan)
  const { missed } = await realise(plan, {
    store,
    sources: { cacheDirectory: sourceCache, channels: [] },
    substitute: substitution.substitute,
    onEvent: (event) => {
      if (event.kind === 'substitute-refused') process.stderr.write(`${event.reason}\n`)
    },
  })
  const isBuilding = plan.steps.some(({ kind }) => kind === 'build')
  if (missed.length > 0 || isBuilding || plan.steps.length !== packages.length) {
    throw new Error(`${plan.steps.length} steps, ${missed.length} of them missed`)
  }
  await substitution[Symbol.asyncDispose]()
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
  const result: ClientResult = {
    decided,
    ended: performance.now() / 1000,
    decidedMegabytes,
    peakMegabytes: (maxRSS * 1024) / 1e6,
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
  }
  process.stdout.write(JSON.stringify(result))
}
