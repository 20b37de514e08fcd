/** How many things are done at once. */

/** At most `count` between take and give, in the order of asking. */
export function slots(count: number): Slots {
  let free = count
  const waiting: (() => void)[] = []
  return {
    async take() {
      if (free > 0) free--
      else await new Promise<void>((resolve) => waiting.push(resolve))
    },
    give() {
      const next = waiting.shift()
      if (next) next()
      else free++
    },
  }
}

export type Slots = { take(): Promise<void>; give(): void }
