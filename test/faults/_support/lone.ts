// Attacks on something else than a client that substitutes: each brings its own victim.

export type LoneAttack = {
  readonly name: string
  /** What the attacker does, in a few words. */
  readonly does: string
  /** What has to come of it, in a word or two. */
  readonly result: string
  /** Undefined when that came of it. */
  readonly make: () => Promise<string | undefined>
}

/** Undefined when they are the same. */
export function unless(expected: unknown, got: unknown): string | undefined {
  const [a, b] = [JSON.stringify(expected), JSON.stringify(got)]
  return a === b ? undefined : `expected ${a}, got ${b}`
}

/** As tests have it: what is to be done in the end. */
export type Ending = { teardown(action: () => unknown): void }

export async function withEnding<T>(action: (ending: Ending) => Promise<T>): Promise<T> {
  const actions: (() => unknown)[] = []
  try {
    return await action({ teardown: (one) => void actions.push(one) })
  } finally {
    for (const one of actions.reverse()) await one()
  }
}
