/** Puts another version and hash into the text of a recipe, and changes nothing else. */
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'

export type Change = { readonly version: string; readonly sha256: Sha256 }

/**
 * Each must stand exactly once in the recipe that is exported under that name: `version: '…'` and the old hash. Throws ABN_AUTHORING_REWRITE.
 */
export function rewriteRecipe(
  text: string,
  exportName: string,
  { from, to }: { readonly from: Change; readonly to: Change },
): string {
  const start = new RegExp(`^export const ${exportName}\\b`, 'm').exec(text)?.index
  if (start === undefined) throw refused(`it has no line 'export const ${exportName}'`)
  const next = /\nexport /.exec(text.slice(start + 1))
  const end = next === null ? text.length : start + 1 + next.index
  const block = text.slice(start, end)
  const version = `version: '${from.version}'`
  for (const part of [version, from.sha256]) {
    const count = block.split(part).length - 1
    if (count !== 1) throw refused(`${part} stands ${count} times in it, not once`)
  }
  const changed = block.replace(version, () => `version: '${to.version}'`).replace(from.sha256, () => to.sha256)
  return text.slice(0, start) + changed + text.slice(end)
}

function refused(reason: string): AbnError {
  return new AbnError('ABN_AUTHORING_REWRITE', `the recipe cannot be rewritten: ${reason}`, {
    hint: 'change the version and the sha256 with an editor',
  })
}
