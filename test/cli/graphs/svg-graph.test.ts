import test from 'ava'
import fc from 'fast-check'
import { type Edge, layoutOf, withoutImplied } from '../../../cli/graphs/layered.ts'
import { svgOf } from '../../../cli/graphs/svg-graph.ts'

/** A graph without circles: edges lead to higher numbers. */
const graphs = fc
  .integer({ min: 1, max: 14 })
  .chain((count) =>
    fc
      .uniqueArray(fc.tuple(fc.nat(count - 1), fc.nat(count - 1)), { selector: ([a, b]) => a * 100 + b, maxLength: 40 })
      .map((pairs) => ({ count, edges: pairs.filter(([a, b]) => a < b) })),
  )

test('every edge leads to the right, and no two nodes are in one place', (t) => {
  fc.assert(
    fc.property(graphs, ({ count, edges }) => {
      const { places, ways, columns, height } = layoutOf(count, edges)
      for (const [index, [from, to]] of edges.entries()) {
        const way = ways[index] ?? []
        const right = way.every((place, at) => at === 0 || place.column === (way[at - 1]?.column ?? 0) + 1)
        if (!right || way[0]?.y !== places[from]?.y || way.at(-1)?.y !== places[to]?.y) return false
      }
      return places.every((one, index) => {
        const inside = one.column >= 0 && one.column < columns && one.y >= 0 && one.y <= height
        const apart = places
          .slice(index + 1)
          .every((other) => other.column !== one.column || Math.abs(other.y - one.y) > 0.99)
        return inside && apart
      })
    }),
  )
  t.pass()
})

function reached(count: number, edges: readonly Edge[]): string {
  const all = Array.from({ length: count }, () => new Set<number>())
  for (let from = count - 1; from >= 0; from--) {
    for (const [a, b] of edges) if (a === from) for (const one of [b, ...(all[b] ?? [])]) all[from]?.add(one)
  }
  return JSON.stringify(all.map((set) => [...set].sort((a, b) => a - b)))
}

test('edges that others imply are left out, and nothing is lost', (t) => {
  fc.assert(
    fc.property(graphs, ({ count, edges }) => {
      const less = withoutImplied(count, edges)
      const needed = less.every(
        (edge) =>
          reached(
            count,
            less.filter((one) => one !== edge),
          ) !== reached(count, less),
      )
      return reached(count, less) === reached(count, edges) && needed
    }),
  )
  t.pass()
})

test('a circle is refused', (t) => {
  t.throws(
    () =>
      layoutOf(2, [
        [0, 1],
        [1, 0],
      ]),
    { instanceOf: TypeError },
  )
})

test('what is written is well-formed, whatever the names are', (t) => {
  const nodes = ['<&>"\'', '\u0000\u001b[31m\ud800', 'lua 5.4'].map((label) => ({
    label,
    title: label,
    isMarked: label === 'lua 5.4',
  }))
  const svg = svgOf({
    title: '<a>&',
    nodes,
    edges: [
      [0, 1],
      [1, 2],
      [0, 2],
    ],
  })
  t.is(svg.match(/<path /g)?.length, 2)
  t.false(/[^\t\n\x20-\ud7ff\ue000-\ufffd]/.test(svg))
  const open: string[] = []
  for (const [, end, name, own] of svg
    .replace(/<\?.*?\?>/, '')
    .matchAll(/<(\/?)([a-z]+)(?:\s[a-zA-Z:]+="[^"<]*")*\s*(\/?)>/g)) {
    if (end) t.is(open.pop(), name)
    else if (!own) open.push(name ?? '')
  }
  t.deepEqual(open, [])
  // Nothing is left when tags, entities and plain text are taken away.
  t.is(svg.replace(/<[^<>]*>|&#\d+;|[^<>&]/g, ''), '')
})
