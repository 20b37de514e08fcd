/** One task: build with all that it needs, down to the seed; sign; compare with what others state; publish to each cache. */
import { AbnError } from '../../format/errors.ts'
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import { planBuild } from '../realise/plan.ts'
import { realise } from '../realise/realise.ts'
import { type Attested, attestClosure } from './attestations.ts'
import { contradictionsOf, statedElsewhere } from './compare.ts'
import { publish } from './publish.ts'
import { revokedStatements } from './revocations.ts'
import type { Service } from './run.ts'
import { sourceFinder } from './source-files.ts'
import type { Contradiction, Task } from './tasks.ts'

/**
 * `save` is called with what is known so far, each time after it has become true. A cache that fails does not keep the others
 * from being served. Throws AbnErrors of all kinds.
 */
export async function carryOutTask(
  task: Task,
  service: Service,
  save: (changes: Partial<Task>) => void,
): Promise<void> {
  const { store, config, evaluation, signal, onEvent } = service
  const one = evaluation.byHash(task.recipe)
  if (one === undefined) throw new TypeError('carryOutTask: the recipe is not in the channel')
  using _ = await store.lock('shared', { signal })
  await buildWithInputs(one, service)
  const { attested, renew } = sign(task, one, service)
  save({ renew })
  const failures: AbnError[] = []
  const published = new Map(task.published.map(({ cache, attestation }) => [cache, attestation]))
  const contradictions: Contradiction[] = []
  for (const url of config.caches) {
    try {
      const found = await bringTo(url, { task, attested, service })
      contradictions.push(...found)
      for (const contradiction of found) onEvent?.({ kind: 'contradiction', task, contradiction })
      published.set(url, digestFor(task.recipe, attested))
      save({ published: [...published].map(([cache, attestation]) => ({ cache, attestation })), contradictions })
    } catch (error) {
      if (!(error instanceof AbnError)) throw error
      signal.throwIfAborted()
      failures.push(error)
    }
  }
  const [first] = failures
  if (first) throw first
}

/** The whole chain is built, so that the whole chain can be attested, also where a part of it was collected as garbage. */
async function buildWithInputs(one: EvaluatedPackage, service: Service): Promise<void> {
  const { store, config, evaluation, sourceCache, signal, onEvent } = service
  const plan = planBuild(inputsFirst(one, service), { store, packages: evaluation, sourceCache })
  if (plan.steps.length === 0) return
  await realise(plan, {
    store,
    sources: { cacheDirectory: sourceCache, channels: evaluation.channels },
    jobs: config.jobs,
    cores: config.cores,
    signal,
    onEvent: (event) => onEvent?.({ kind: 'realise', event }),
  })
}

function inputsFirst(target: EvaluatedPackage, { evaluation }: Service): readonly EvaluatedPackage[] {
  const found = new Map<RecipeHash, EvaluatedPackage>()
  const visit = (one: EvaluatedPackage): void => {
    if (found.has(one.recipeHash)) return
    for (const { recipe } of one.derivation.inputs) {
      const input = evaluation.byHash(recipe)
      if (input) visit(input)
    }
    found.set(one.recipeHash, one)
  }
  visit(target)
  return [...found.values()]
}

type Signed = { readonly attested: readonly Attested[]; readonly renew: number }

function sign(task: Task, one: EvaluatedPackage, service: Service): Signed {
  const { store, signer, keyDirectory, software, evaluation, config, onEvent, nowSeconds } = service
  const validSeconds = config.validDays * 86_400
  const { attested } = attestClosure([one], {
    store,
    signer,
    software,
    revoked: keyDirectory === undefined ? undefined : revokedStatements(keyDirectory, signer.publicKey),
    packages: evaluation,
    now: nowSeconds(),
    validSeconds,
  })
  const fresh = attested.filter((each) => each.fresh).length
  onEvent?.({ kind: 'attested', task, statements: attested.length, fresh })
  // attestPackage signs anew when a quarter of the time is left.
  const first = Math.min(...attested.map(({ attestation }) => attestation.statement.expires))
  return { attested, renew: first - Math.floor(validSeconds / 4) }
}

type Bringing = { readonly task: Task; readonly attested: readonly Attested[]; readonly service: Service }

/** Publishes what this cache has not yet got from this process, and says who contradicts it there. */
async function bringTo(url: string, { task, attested, service }: Bringing): Promise<readonly Contradiction[]> {
  const { store, config, evaluation, sourceCache, clientOf, taken, signal, onEvent } = service
  const cache = clientOf(url)
  const known = taken.get(url) ?? new Set<Sha256>()
  taken.set(url, known)
  const news = attested.filter(({ attestation }) => !known.has(attestation.digest))
  const sourceFile = config.sources ? sourceFinder(sourceCache, evaluation) : undefined
  const published = await publish(news, { store, cache, signal, sourceFile })
  for (const { attestation } of news) known.add(attestation.digest)
  onEvent?.({ kind: 'published', task, cache: url, published })
  const others = await statedElsewhere(
    cache,
    attested.map((each) => each.package.recipeHash),
  )
  const own = attested.map(({ attestation }) => attestation.statement)
  return contradictionsOf(own, others, { cache: url, operators: config.operators })
}

function digestFor(recipe: RecipeHash, attested: readonly Attested[]): Sha256 {
  const found = attested.find((each) => each.package.recipeHash === recipe)
  if (found === undefined) throw new TypeError('digestFor: the package itself is not attested')
  return found.attestation.digest
}
