// Places the nodes of a graph without circles in columns, so that every edge leads to the right, and few edges cross (after Sugiyama,
// Tagawa and Toda, 1981): columns by the longest way to a node; long edges get a place in each column between; places in a column
// are ordered by the middle of their neighbours, from left to right and back, and then moved towards these.

export type Edge = readonly [from: number, to: number]

export type Place = { readonly column: number; readonly y: number }

export type Layout = {
  /** By node; y is the middle, from 0, in units of the height of a node with its gap. */
  readonly places: readonly Place[]
  /** By edge: the places that it goes through, both ends included. */
  readonly ways: readonly (readonly Place[])[]
  readonly columns: number
  readonly height: number
}

/** Edges that others imply are to be left out before: see withoutImplied. Throws a TypeError for a circle. */
export function layoutOf(count: number, edges: readonly Edge[]): Layout {
  const columns = columnsOf(count, edges)
  const spots: Spot[] = columns.map((column) => ({ column, isNode: true, before: [], after: [], y: 0 }))
  const ways = edges.map(([from, to]) => way(spots, from, to))
  const byColumn = Map.groupBy(spots, ({ column }) => column)
  const list = [...byColumn.keys()].sort((a, b) => a - b).map((column) => byColumn.get(column) ?? [])
  order(list)
  settle(list)
  const top = Math.min(...spots.map(({ y }) => y))
  const placed = (spot: Spot): Place => ({ column: spot.column, y: spot.y - top })
  return {
    places: spots.slice(0, count).map(placed),
    ways: ways.map((spotsOfWay) => spotsOfWay.map(placed)),
    columns: list.length,
    height: Math.max(...spots.map(({ y }) => y)) - top + 1,
  }
}

/** Without each edge whose end is reached by way of others. */
export function withoutImplied(count: number, edges: readonly Edge[]): readonly Edge[] {
  const next = neighbours(count, edges)
  const reached = new Map<number, ReadonlySet<number>>()
  const reach = (node: number): ReadonlySet<number> => {
    const known = reached.get(node)
    if (known) return known
    const all = new Set<number>()
    for (const one of next[node] ?? []) {
      all.add(one)
      for (const further of reach(one)) all.add(further)
    }
    reached.set(node, all)
    return all
  }
  return edges.filter(([from, to]) => !(next[from] ?? []).some((other) => other !== to && reach(other).has(to)))
}

type Spot = {
  readonly column: number
  readonly isNode: boolean
  readonly before: Spot[]
  readonly after: Spot[]
  y: number
}

function neighbours(count: number, edges: readonly Edge[]): readonly number[][] {
  const next: number[][] = Array.from({ length: count }, () => [])
  for (const [from, to] of edges) next[from]?.push(to)
  return next
}

function columnsOf(count: number, edges: readonly Edge[]): readonly number[] {
  const next = neighbours(count, edges)
  const columns = new Array<number>(count).fill(0)
  const waiting = new Array<number>(count).fill(0)
  for (const [, to] of edges) waiting[to] = (waiting[to] ?? 0) + 1
  const ready = [...waiting.keys()].filter((node) => waiting[node] === 0)
  for (const node of ready) {
    for (const to of next[node] ?? []) {
      columns[to] = Math.max(columns[to] ?? 0, (columns[node] ?? 0) + 1)
      waiting[to] = (waiting[to] ?? 0) - 1
      if (waiting[to] === 0) ready.push(to)
    }
  }
  if (ready.length < count) throw new TypeError('layoutOf: the graph has a circle')
  return columns
}

/** The places of an edge, with new ones between. */
function way(spots: Spot[], from: number, to: number): readonly Spot[] {
  const [start, end] = [spots[from], spots[to]]
  if (start === undefined || end === undefined) throw new TypeError('layoutOf: an edge names no node')
  const all = [start]
  for (let column = start.column + 1; column < end.column; column++) {
    const spot: Spot = { column, isNode: false, before: [], after: [], y: 0 }
    spots.push(spot)
    all.push(spot)
  }
  all.push(end)
  for (const [index, spot] of all.entries()) {
    const after = all[index + 1]
    if (after === undefined) continue
    spot.after.push(after)
    after.before.push(spot)
  }
  return all
}

const SWEEPS = 12

/** Leaves the order with the fewest crossings that was met. */
function order(columns: readonly Spot[][]): void {
  const number = () => {
    for (const column of columns) for (const [index, spot] of column.entries()) spot.y = index
  }
  number()
  let best = { crossings: crossings(columns), kept: columns.map((column) => [...column]) }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const isForward = sweep % 2 === 0
    for (const column of isForward ? columns : columns.toReversed()) {
      const middle = new Map(column.map((spot) => [spot, meanOf(isForward ? spot.before : spot.after, spot.y)]))
      column.sort((a, b) => (middle.get(a) ?? 0) - (middle.get(b) ?? 0))
      for (const [index, spot] of column.entries()) spot.y = index
    }
    const now = crossings(columns)
    if (now < best.crossings) best = { crossings: now, kept: columns.map((column) => [...column]) }
  }
  for (const [index, column] of columns.entries()) column.splice(0, column.length, ...(best.kept[index] ?? []))
  number()
}

function crossings(columns: readonly (readonly Spot[])[]): number {
  let count = 0
  for (const column of columns) {
    const ends = column.flatMap((spot) => spot.after.map((after) => [spot.y, after.y] as const))
    for (const [index, [a, b]] of ends.entries()) {
      for (const [c, d] of ends.slice(index + 1)) if ((a - c) * (b - d) < 0) count++
    }
  }
  return count
}

/** Even, so that the last goes from right to left. */
const ROUNDS = 40
const NODE_ROOM = 1
const EDGE_ROOM = 0.45

/** Moves each place towards its neighbours, as far as those above and below leave room. */
function settle(columns: readonly (readonly Spot[])[]): void {
  const room = (a: Spot, b: Spot) =>
    a.isNode && b.isNode ? NODE_ROOM : a.isNode || b.isNode ? (NODE_ROOM + EDGE_ROOM) / 2 : EDGE_ROOM
  for (const column of columns) {
    let y = 0
    for (const [index, spot] of column.entries()) {
      const above = column[index - 1]
      if (above) y += room(above, spot)
      spot.y = y
    }
    for (const spot of column) spot.y -= y / 2
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const column of round % 2 === 0 ? columns : columns.toReversed()) {
      // After those on one side: so that rows become straight.
      const wanted = column.map((spot) => meanOf(round % 2 === 0 ? spot.before : spot.after, spot.y))
      // Downwards and upwards, and the middle of both: nobody is favoured, and the gaps are kept.
      const down: number[] = []
      for (const [index, spot] of column.entries()) {
        const above = column[index - 1]
        down.push(Math.max(wanted[index] ?? 0, above ? (down[index - 1] ?? 0) + room(above, spot) : -Infinity))
      }
      const up = [...wanted]
      for (let index = column.length - 2; index >= 0; index--) {
        const [spot, below] = [column[index], column[index + 1]]
        if (spot && below) up[index] = Math.min(wanted[index] ?? 0, (up[index + 1] ?? 0) - room(spot, below))
      }
      for (const [index, spot] of column.entries()) spot.y = ((down[index] ?? 0) + (up[index] ?? 0)) / 2
    }
  }
}

function meanOf(spots: readonly Spot[], otherwise: number): number {
  return spots.length === 0 ? otherwise : spots.reduce((sum, { y }) => sum + y, 0) / spots.length
}
