/**
 * Which module an import means. Recipes may import 'abnpkg', modules of their own channel by relative path, and modules of
 * another channel as '<channel>/<path>.ts'; the API's modules see each other and nothing else.
 */
import { posix } from 'node:path'
import { type Channel, moduleIdOf } from './channel.ts'

/** The API inside the sandbox: 'abnpkg', and its modules 'abnpkg:<file>'. */
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
  const path = joined(base.slice(colon + 1, base.lastIndexOf('/')), request)
  return path.startsWith(`${channel.modules}/`) ? found(moduleIdOf(channel, path), has) : refused(outside(channel))
}

/** posix.join, which is slow, for what is usual: some `./` and `../`, then names. */
function joined(directory: string, request: string): string {
  const [, up = '', rest = ''] =
    /^((?:\.\.?\/)+)((?:[A-Za-z0-9_-][A-Za-z0-9_.-]*\/)*[A-Za-z0-9_-][A-Za-z0-9_.-]*)$/.exec(request) ?? []
  let end = directory.length
  for (let i = 0; i < up.length && end > 0; i += up.startsWith('../', i) ? 3 : 2) {
    if (up.startsWith('../', i)) end = directory.lastIndexOf('/', end - 1)
  }
  return rest === '' || end <= 0 ? posix.join(directory, request) : `${directory.slice(0, end)}/${rest}`
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
