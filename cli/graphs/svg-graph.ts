// A graph as SVG 1.1: nodes in columns (layered.ts), edges from left to right. One file without scripts, fonts or anything from elsewhere;
// light or dark as the reader's screen is.
import { type Edge, layoutOf, type Place, withoutImplied } from './layered.ts'

export type SvgNode = {
  readonly label: string
  /** What is shown when the pointer rests on it. */
  readonly title: string
  readonly isMarked: boolean
}

export type SvgGraph = {
  readonly title: string
  readonly nodes: readonly SvgNode[]
  /** From what is needed to what needs it, by indexes; those that others imply are not drawn. */
  readonly edges: readonly Edge[]
}

const CHARACTER = 7.3
const PADDING = 9
const NODE_HEIGHT = 24
const ROW = 36
const GAP = 70
const MARGIN = 24
const HEAD = 34

export function svgOf({ title, nodes, edges }: SvgGraph): string {
  const drawn = withoutImplied(nodes.length, edges)
  const { places, ways, columns, height } = layoutOf(nodes.length, drawn)
  const widths = nodes.map(({ label }) => Math.ceil([...label].length * CHARACTER) + 2 * PADDING)
  const columnWidths = Array.from({ length: columns }, (_, column) =>
    Math.max(...nodes.map((_, index) => (places[index]?.column === column ? (widths[index] ?? 0) : 0))),
  )
  const lefts = columnWidths.map(
    (_, column) => MARGIN + columnWidths.slice(0, column).reduce((sum, one) => sum + one + GAP, 0),
  )
  const width = (lefts.at(-1) ?? 0) + (columnWidths.at(-1) ?? 0) + MARGIN
  const yOf = (place: Place) => HEAD + MARGIN + place.y * ROW + NODE_HEIGHT / 2
  const leftOf = (place: Place) => lefts[place.column] ?? 0
  const paths = drawn.map(([from], index) => {
    const way = ways[index] ?? []
    const points = way.flatMap((place, at): Point[] => {
      const [left, y] = [leftOf(place), yOf(place)]
      if (at === 0) return [{ x: left + (widths[from] ?? 0), y }]
      if (at === way.length - 1) return [{ x: left, y }]
      return [
        { x: left, y },
        { x: left + (columnWidths[place.column] ?? 0), y },
      ]
    })
    return `<path d="${curve(points)}"/>`
  })
  const boxes = nodes.flatMap(({ label, title: tip, isMarked }, index) => {
    const place = places[index]
    if (place === undefined) return []
    const [x, y] = [leftOf(place), yOf(place) - NODE_HEIGHT / 2]
    return [
      `<g${isMarked ? ' class="top"' : ''}><title>${escaped(tip)}</title>`,
      `<rect x="${round(x)}" y="${round(y)}" width="${widths[index]}" height="${NODE_HEIGHT}" rx="5"/>`,
      `<text x="${round(x + PADDING)}" y="${round(y + 16)}">${escaped(label)}</text></g>`,
    ]
  })
  const full = Math.ceil(Math.max(width, title.length * CHARACTER + 2 * MARGIN))
  const tall = Math.ceil(HEAD + 2 * MARGIN + height * ROW)
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<svg xmlns="http://www.w3.org/2000/svg" width="${full}" height="${tall}" viewBox="0 0 ${full} ${tall}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect class="ground" width="${full}" height="${tall}"/>`,
    `<text class="head" x="${MARGIN}" y="${HEAD}">${escaped(title)}</text>`,
    '<g class="edges">',
    ...paths,
    '</g>',
    ...boxes,
    '</svg>',
  ].join('\n')
}

const STYLE = [
  'text{font:12px ui-monospace,"DejaVu Sans Mono",monospace;fill:#1c2733}',
  '.head{font-weight:bold}rect{fill:#eef3f8;stroke:#5b7894}.ground{fill:#fff;stroke:none}.top rect{fill:#d9efd8;stroke:#3c7a3a}',
  '.edges path{fill:none;stroke:#8aa1b8;stroke-width:1.2}',
  '@media(prefers-color-scheme:dark){text{fill:#dbe4ee}rect{fill:#1e2a36;stroke:#6f8aa5}.ground{fill:#12181f;stroke:none}',
  '.top rect{fill:#1f3a20;stroke:#6fae6c}.edges path{stroke:#5a7188}}',
].join('')

type Point = { readonly x: number; readonly y: number }

/** Straight through a column, an S between two. */
function curve(points: readonly Point[]): string {
  return points
    .map(({ x, y }, index) => {
      const before = points[index - 1]
      if (before === undefined) return `M${round(x)} ${round(y)}`
      if (before.y === y) return `H${round(x)}`
      const middle = round((before.x + x) / 2)
      return `C${middle} ${round(before.y)} ${middle} ${round(y)} ${round(x)} ${round(y)}`
    })
    .join('')
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10)
}

function escaped(text: string): string {
  return text
    .replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
    .replace(/[^\t\n\x20-\ud7ff\ue000-\ufffd]/g, '?')
}
