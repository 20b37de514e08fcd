/**
 * Which module an import means. Recipes may import 'abnpkg', modules of their own channel by relative path, and modules of
 * another channel as '<channel>/<path>.ts'; the API's modules see each other and nothing else.
 */
import { posix } from 'node:path'
import { type Channel, moduleIdOf } from './channel.ts'

/** The API inside the sandbox: 'abnpkg' is recipes/api/index.ts, its other modules are 'abnpkg:<file>'. */
export const apiModule = 'abnpkg'
export const apiPrefix = 'abnpkg:'

export type Resolution =
  | { readonly kind: 'found'; readonly id: string }
  | { readonly kind: 'refused'; readonly reason: string }

/** `has` says whether there is a module of that identifier; `base` is the identifier of the module that imports. */
export function resolveImport(
  request: string,
  base: string,
  channels: readonly Channel[],
  has: (id: string) => boolean,
): Resolution {
  if (base === apiModule || base.startsWith(apiPrefix)) return found(`${apiPrefix}${request.replace(/^\.\//, '')}`, has)
  if (request === apiModule) return { kind: 'found', id: apiModule }
  if (request.startsWith('./') || request.startsWith('../')) return resolveRelative(request, base, channels, has)
  const slash = request.indexOf('/')
  const channel = channels.find(({ name }) => slash > 0 && name === request.slice(0, slash))
  if (channel === undefined) {
    return refused("recipes can import 'abnpkg' and other recipes only: './x.ts', '../x.ts' or '<channel>/x.ts'")
  }
  const path = posix.normalize(`${channel.modules}/${request.slice(slash + 1)}`)
  return path.startsWith(`${channel.modules}/`) ? found(moduleIdOf(channel, path), has) : refused(outside(channel))
}

function resolveRelative(
  request: string,
  base: string,
  channels: readonly Channel[],
  has: (id: string) => boolean,
): Resolution {
  const colon = base.indexOf(':')
  const channel = channels.find(({ name }) => (colon < 0 ? name === apiModule : name === base.slice(0, colon)))
  if (channel === undefined) return refused('its own channel is unknown')
  const path = posix.join(posix.dirname(base.slice(colon + 1)), request)
  return path.startsWith(`${channel.modules}/`) ? found(moduleIdOf(channel, path), has) : refused(outside(channel))
}

function found(id: string, has: (id: string) => boolean): Resolution {
  if (has(id)) return { kind: 'found', id }
  if (!id.endsWith('.ts') && has(`${id}.ts`)) return refused(`there is no such module; write the ending: '….ts'`)
  return refused(id.endsWith('.ts') ? 'there is no such module' : 'only modules that end in .ts can be imported')
}

function outside(channel: Channel): string {
  return `it leads out of ${channel.modules}/, where the recipes are`
}

function refused(reason: string): Resolution {
  return { kind: 'refused', reason }
}
