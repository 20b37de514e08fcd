/**
 * A queue for each cache: what is brought to one goes one after the other, so that nothing is sent twice, and caches do not wait for
 * each other.
 */
export type Lanes = <T>(url: string, action: () => Promise<T>) => Promise<T>

export function createLanes(): Lanes {
  const last = new Map<string, Promise<unknown>>()
  return (url, action) => {
    const before = last.get(url) ?? Promise.resolve()
    const run = before.then(action)
    last.set(
      url,
      run.catch(() => {}),
    )
    return run
  }
}
