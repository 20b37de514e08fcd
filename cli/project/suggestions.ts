// What a project suggests, told to the user, who may do it. Nothing here configures anything.
import type { ProjectFile } from '../../format/project.ts'
import type { Output } from '../output.ts'

export type Suggestion = { readonly what: string; readonly command: string }

/** What the user does not have yet. */
export async function suggestionsOf({ suggests }: ProjectFile): Promise<readonly Suggestion[]> {
  if (suggests.caches.length === 0 && suggests.policy === undefined) return []
  const configuration = await import('../../builder/substitute/configuration.ts')
  const { configurationDirectories, parseCacheAddress, readConfiguration } = configuration
  const { caches, policy } = readConfiguration(configurationDirectories(process.env))
  const missing = [...new Set(suggests.caches.map(parseCacheAddress))].filter((address) => !caches.includes(address))
  return [
    ...missing.map((address) => ({ what: `the cache ${address}`, command: `abnpkg cache add ${address}` })),
    ...(suggests.policy === undefined || policy !== undefined
      ? []
      : [
          {
            what: `a policy of the kind ${suggests.policy}`,
            command: `abnpkg policy init --preset ${suggests.policy} --operator NAME=KEY`,
          },
        ]),
  ]
}

export function noteSuggestions(suggestions: readonly Suggestion[], output: Output): void {
  for (const { what, command } of suggestions) output.note(`this project suggests ${what}; '${command}' adds it`)
  if (suggestions.length > 0) output.note('nothing of this was done; whom you believe is for you to say')
}
