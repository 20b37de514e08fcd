/** How much is on its way at once: things that have a size, at most so many of them and of their bytes, in the order of asking. */

export type Room = {
  /** What is larger than all the room is let in alone. */
  take(bytes: number): Promise<void>
  give(bytes: number): void
}

export function createRoom(most: { readonly things: number; readonly bytes: number }): Room {
  let things = 0
  let used = 0
  const waiting: { readonly bytes: number; readonly enter: () => void }[] = []
  const letIn = (): void => {
    for (;;) {
      const [next] = waiting
      if (next === undefined || things >= most.things || (things > 0 && used + next.bytes > most.bytes)) return
      waiting.shift()
      things++
      used += next.bytes
      next.enter()
    }
  }
  return {
    async take(bytes) {
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.push({ bytes, enter: resolve })
      letIn()
      await promise
    },
    give(bytes) {
      things--
      used -= bytes
      letIn()
    },
  }
}
