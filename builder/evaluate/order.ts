/**
 * In which order modules are evaluated, and how: each after what it imports, so that the interpreter has to look for nothing and
 * one that fails fails alone. Those that are only data (literal.ts) are read, after all others, unless one of the others imports
 * them. Modules that import each other in a circle stand together, the one with the first name first. (Strongly connected
 * components by Tarjan's algorithm, SIAM Journal on Computing 1 (1972) 146–160.)
 */
import type { Channel, ModuleId } from './channel.ts'
import { type LiteralModule, parseLiteral } from './literal.ts'
import { callable } from './read-literal.ts'
import { resolveImport } from './resolve.ts'
import type { ModuleText } from './sandbox.ts'

export type Order = {
  readonly interpreted: readonly ModuleText[]
  readonly literal: readonly DataModule[]
}

/** `targets`: what its imports mean, as far as there is such a module. */
export type DataModule = ModuleText & {
  readonly literal: LiteralModule
  readonly targets: ReadonlyMap<string, ModuleId>
}

/** `forced`: whether a module has to be interpreted although it looks like data. */
export function evaluationOrder(
  modules: readonly ModuleText[],
  channels: readonly Channel[],
  forced: (id: string) => boolean,
): Order {
  const nodes = new Map(modules.map((module) => [module.id, nodeOf(module, forced(module.id))]))
  const has = (id: ModuleId) => nodes.has(id)
  for (const node of nodes.values()) {
    for (const request of node.requests) {
      const found = resolveImport(request, node.id, channels, has)
      const next = found.kind === 'found' ? nodes.get(found.id) : undefined
      if (next === undefined) continue
      node.imports.push(next)
      node.targets.set(request, next.id)
    }
  }
  const order = inOrder([...nodes.values()])
  for (const { literal, imports } of order.toReversed()) {
    if (literal === undefined) for (const each of imports) each.literal = undefined
  }
  return {
    interpreted: order.filter(({ literal }) => literal === undefined),
    literal: order.flatMap(({ id, text, literal, targets }) =>
      literal === undefined ? [] : [{ id, text, literal, targets }],
    ),
  }
}

type Node = ModuleText & {
  /** Undefined for one that is interpreted. */
  literal: LiteralModule | undefined
  readonly requests: readonly string[]
  readonly imports: Node[]
  readonly targets: Map<string, ModuleId>
  number: number
  lowest: number
  isOpen: boolean
}

function nodeOf({ id, text }: ModuleText, isForced: boolean): Node {
  const literal = isForced ? undefined : parseLiteral(text, callable)
  const requests =
    literal === undefined
      ? [...text.matchAll(IMPORT)].map(([, request = '']) => request)
      : literal.imports.map(({ request }) => request)
  return { id, text, literal, requests, imports: [], targets: new Map(), number: -1, lowest: -1, isOpen: false }
}

/** What looks like an import and is none costs nothing; one that is not seen is found when it is needed. */
const IMPORT = /\b(?:from|import)\s*(?:\(\s*)?['"]([^'"\n]+)['"]/g

/** What is imported first. Nodes of a circle are interpreted. */
function inOrder(nodes: readonly Node[]): readonly Node[] {
  const order: Node[] = []
  const open: Node[] = []
  const visits: { readonly node: Node; next: number }[] = []
  let count = 0
  const enter = (node: Node) => {
    node.number = node.lowest = count++
    node.isOpen = true
    open.push(node)
    visits.push({ node, next: 0 })
  }
  for (const start of nodes) {
    if (start.number < 0) enter(start)
    for (let visit = visits.at(-1); visit !== undefined; visit = visits.at(-1)) {
      const { node } = visit
      const next = node.imports[visit.next++]
      if (next !== undefined) {
        if (next.number < 0) enter(next)
        else if (next.isOpen) node.lowest = Math.min(node.lowest, next.number)
        continue
      }
      visits.pop()
      const parent = visits.at(-1)?.node
      if (parent !== undefined) parent.lowest = Math.min(parent.lowest, node.lowest)
      if (node.lowest !== node.number) continue
      const circle = open.splice(open.lastIndexOf(node))
      for (const member of circle) {
        member.isOpen = false
        if (circle.length > 1 || member.imports.includes(member)) member.literal = undefined
      }
      order.push(...circle)
    }
  }
  return order
}
