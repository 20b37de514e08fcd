// What is said of recipes that are broken: a word by commands that look at all of them, everything by `abnpkg show --broken`.
import type { Evaluation } from '../../builder/evaluate/evaluation.ts'
import type { Output } from '../output.ts'

/** Returns the exit status. */
export function printBroken({ broken }: Evaluation, output: Output): number {
  // First those that are to blame, then those that only need them.
  const ordered = [...broken.filter((one) => !needsAnother(one)), ...broken.filter(needsAnother)]
  for (const { module, names, code, message, hint } of ordered) {
    output.line(`${output.paint('bold', module)}  ${names.join(', ')}`)
    output.line(`  ${code}: ${message}`)
    if (hint !== undefined) output.line(`  hint: ${hint}`)
  }
  if (broken.length === 0) output.note('no recipe is broken')
  output.document(ordered)
  return 0
}

export function noteBroken({ broken }: Pick<Evaluation, 'broken'>, output: Output): void {
  if (broken.length === 0) return
  const others = broken.filter(needsAnother).length
  const count = broken.length - others
  const first = `${count} ${count === 1 ? 'recipe is' : 'recipes are'} broken`
  const more = others === 0 ? '' : `, and ${others} that need${others === 1 ? 's' : ''} ${count === 1 ? 'it' : 'them'}`
  output.note(`${first}${more}: 'abnpkg show --broken' tells what is wrong`)
}

function needsAnother({ code }: { readonly code: string }): boolean {
  return code === 'ABN_RECIPE_NEEDS_BROKEN'
}
