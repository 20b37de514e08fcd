/**
 * Many durable writes at once cost one flush: what arrives while a flush is under way goes together into the next one.
 */
import type { Change, Index } from './index.ts'

export type GroupCommit = {
  /** Atomic and durable when it resolves. Rejects for all that went together; each may then be repeated. */
  commit(changes: readonly Change[]): Promise<void>
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
}

export function createGroupCommit(index: Index): GroupCommit {
  let waiting: Waiting[] = []
  let running: Promise<void> | undefined

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      const group = waiting
      waiting = []
      try {
        await index.write(
          group.flatMap(({ changes }) => changes),
          { durable: true },
        )
        for (const { done } of group) done()
      } catch (error) {
        for (const { failed } of group) failed(error)
      }
    }
    running = undefined
  }

  return {
    commit: (changes) =>
      new Promise((done, failed) => {
        waiting.push({ changes, done, failed })
        running ??= Promise.resolve().then(run)
      }),
    idle: async () => running,
  }
}

type Waiting = {
  readonly changes: readonly Change[]
  readonly done: () => void
  readonly failed: (error: unknown) => void
}
