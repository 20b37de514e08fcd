// abnpkg size [NAME...]
import { AbnError } from '../../format/errors.ts'
import { readProfile } from '../../store/profiles.ts'
import { listRoots } from '../../store/roots.ts'
import type { Group } from '../../store/sizes.ts'
import { textOption } from '../args.ts'
import type { Command } from '../commands.ts'
import { sizeText } from '../output.ts'
import { profileOf, profileOption } from '../profiles/profile.ts'
import { existingStore } from '../session.ts'

export const size: Command = {
  usage: '[NAME...]',
  details: [
    'How much packages take; without names, those of your profile. CLOSURE is a package with all that it refers to, OWN the package',
    'itself, SHARED what of the closure other packages need as well: it would stay if this one were removed and collected.',
    'NAME may also be a store path. Sizes are those of the canonical archives.',
  ].join('\n'),
  options: {
    sort: { type: 'string', value: 'BY', help: 'closure (unless told), own, shared or name' },
    ...profileOption,
  },
  async run(args, { output, signal }) {
    const by = textOption(args, 'sort') ?? 'closure'
    if (by !== 'closure' && by !== 'own' && by !== 'shared' && by !== 'name') {
      throw new AbnError('ABN_USAGE', `option --sort: expected closure, own, shared or name, got '${by}'`)
    }
    const store = existingStore(args)
    const groups: Group[] = []
    if (store && args.names.length === 0) {
      for (const { name, version, paths } of readProfile(store, profileOf(args))?.manifest.packages ?? [])
        groups.push({ label: `${name} ${version}`, paths })
    }
    if (args.names.length > 0) {
      if (store === undefined)
        throw new AbnError('ABN_ITEM_MISSING', 'there is no store yet', { hint: 'install something' })
      const { namedInStore } = await import('../store/store-names.ts')
      for (const name of new Set(args.names)) groups.push(await namedInStore(name, { store, args, signal }))
    }
    if (store === undefined || groups.length === 0) {
      output.note('nothing is installed')
      output.document({ packages: [], total: 0 })
      return 0
    }
    const { measure } = await import('../../store/sizes.ts')
    const roots = listRoots(store).map(({ path }) => path)
    const { sizes, total } = measure(store, groups, roots)
    const rows = groups
      .map(({ label, paths }, index) => ({ label, paths, ...(sizes[index] ?? { own: 0, closure: 0, shared: 0 }) }))
      .sort((a, b) => (by === 'name' ? (a.label < b.label ? -1 : 1) : b[by] - a[by]))
    const line = (cells: readonly string[], name: string) =>
      output.line(`${cells.map((cell) => cell.padStart(9)).join('')}  ${name}`.trimEnd())
    line(['CLOSURE', 'OWN', 'SHARED'], '')
    for (const { label, closure, own, shared } of rows) line([closure, own, shared].map(sizeText), label)
    if (rows.length > 1) line([sizeText(total), '', ''], 'together')
    output.document({ packages: rows.map(({ label, ...row }) => ({ name: label, ...row })), total })
    return 0
  },
}
