// What an attack is, and what it takes to have withstood it.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeDirectory } from '../../../store/remove-directory.ts'
import type { Policy } from '../../../trust/policy/policy.ts'
import { type Behaviour, bundled, startHostileCache } from './hostile-cache.ts'
import { type Attempt, alice, attempt, bob, carol, honest, user, userPath, violations } from './world.ts'

export type Attack = {
  readonly name: string
  /** What the attacker does, in a few words. */
  readonly does: string
  /**
   * fetch: it makes no difference, the output is fetched; elsewhere: the cache is found out, and the output comes from the next one;
   * build: nothing is taken, the output has to be built from source.
   */
  readonly must: 'fetch' | 'elsewhere' | 'build'
  /** Which package is under attack; user unless told. */
  readonly of?: 'base' | 'user'
  /** What the client has to say about it. */
  readonly says?: RegExp
  /** In the order in which they answer. */
  readonly caches: readonly Behaviour[]
  readonly policy?: Policy
  readonly now?: number
  /** Nothing here is slow on purpose: however busy the machine is, every cache is waited for. */
  readonly patient?: boolean
  /** What the same client was shown before, by a cache that has since changed. */
  readonly before?: Behaviour
}

/** Undefined when the client did what it must. */
export async function complaintOf(attack: Attack): Promise<string | undefined> {
  const root = mkdtempSync(join(tmpdir(), 'abn-fault-'))
  try {
    const { policy, now, patient = false } = attack
    const given = { root, patient, ...(policy ? { policy } : {}), ...(now === undefined ? {} : { now }) }
    if (attack.before) {
      await using earlier = await startHostileCache(attack.before)
      await attempt({ ...given, caches: [earlier.address] }, () => {})
    }
    await using stack = new AsyncDisposableStack()
    const caches: string[] = []
    for (const behaviour of attack.caches) caches.push(stack.use(await startHostileCache(behaviour)).address)
    return await attempt({ ...given, caches }, (result) => judge(attack, result, caches))
  } finally {
    removeDirectory(root)
  }
}

function judge({ must, says, of = 'user' }: Attack, result: Attempt, caches: readonly string[]): string | undefined {
  const wrong = violations(result)
  if (wrong.length > 0) return wrong.join('; ')
  const came = result.came.includes(of)
  if (says && !says.test(result.said)) return `it did not say ${says}, but:\n${result.said}`
  if (must === 'build') {
    if (came) return 'it was substituted'
    return result.planned[of] === 'build' || result.missed.includes(user.recipeHash)
      ? undefined
      : 'it is neither built nor missed'
  }
  if (!came) return `it was not substituted:\n${JSON.stringify(result.planned)}\n${result.said}`
  if (must === 'fetch') return undefined
  const { origin } = result.store.readItem(userPath)
  return origin.kind === 'substituted' && origin.from === caches[0] ? 'it came from the hostile cache' : undefined
}

/** An honest cache that answers a little later than the hostile one before it. */
export function honestLater(): Behaviour {
  const answer = bundled(honest(alice, bob, carol))
  return { evidence: (request, response) => void setTimeout(() => answer(request, response), 80) }
}
