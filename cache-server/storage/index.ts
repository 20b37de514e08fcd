/**
 * What a cache asks of the place where it keeps its small records: ordered keys with values, atomic writes, and reading as
 * of one instant. LevelDB does it in one process; a table (key, value) of a database does it for several. Any backend that
 * passes test/cache-server/conformance will do.
 */

/** Texts of printable ASCII; ordered bytewise. */
export type IndexKey = string

export type Change =
  | { readonly kind: 'put'; readonly key: IndexKey; readonly value: Uint8Array }
  | { readonly kind: 'remove'; readonly key: IndexKey }

/** Keys beginning with `prefix`; `after` leaves out that key and those before it. */
export type Scan = { readonly prefix: string; readonly after?: IndexKey; readonly limit?: number }

export type IndexReader = {
  get(key: IndexKey): Promise<Uint8Array | undefined>
  /** In the order of the keys given. */
  getMany(keys: readonly IndexKey[]): Promise<readonly (Uint8Array | undefined)[]>
  entries(scan: Scan): AsyncIterable<readonly [IndexKey, Uint8Array]>
  keys(scan: Scan): AsyncIterable<IndexKey>
}

export type Index = IndexReader & {
  /**
   * All or nothing, in order. When it resolves, every later read sees it; with `durable` it also survives the loss of
   * power, without it the death of the process. When it rejects it may have happened or not: callers repeat or read.
   */
  write(changes: readonly Change[], options: { readonly durable: boolean }): Promise<void>
  /** Reads what is there now, whatever is written later. Must be closed. */
  snapshot(): Promise<IndexReader & { close(): Promise<void> }>
  close(): Promise<void>
}
