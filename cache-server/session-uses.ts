/**
 * Taking statements of a session and forgetting it exclude each other, without statements waiting for one another: a session is
 * forgotten only when nobody is using it and nobody has since the collection began to look.
 */
import type { Sha256 } from '../format/hash.ts'
import type { Queues } from './queues.ts'
import { sessionsQueue } from './sessions.ts'

export type SessionUses = {
  /** Runs what relies on the session being there. */
  hold<T>(session: Sha256, action: () => Promise<T>): Promise<T>
  /** From now on uses are remembered, until the result is disposed of. */
  watch(): SessionWatch
}

export type SessionWatch = Disposable & {
  /** Runs `forget` unless the session is or was in use; whoever wants to use it waits for that. To be called in the queue of sessions. */
  unlessUsed<T>(session: Sha256, forget: () => Promise<T>): Promise<T | undefined>
}

export function createSessionUses(queues: Queues): SessionUses {
  const current = new Map<Sha256, number>()
  const going = new Set<Sha256>()
  const watching = new Set<Set<Sha256>>()

  async function hold<T>(session: Sha256, action: () => Promise<T>): Promise<T> {
    while (going.has(session)) await queues(sessionsQueue, async () => {})
    for (const seen of watching) seen.add(session)
    current.set(session, (current.get(session) ?? 0) + 1)
    try {
      return await action()
    } finally {
      const left = (current.get(session) ?? 1) - 1
      if (left === 0) current.delete(session)
      else current.set(session, left)
    }
  }

  function watch(): SessionWatch {
    const seen = new Set(current.keys())
    watching.add(seen)
    return {
      async unlessUsed(session, forget) {
        if (seen.has(session)) return undefined
        going.add(session)
        try {
          return await forget()
        } finally {
          going.delete(session)
        }
      },
      [Symbol.dispose]: () => void watching.delete(seen),
    }
  }

  return { hold, watch }
}
