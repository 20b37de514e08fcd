// abnpkg log NAME
import { existsSync } from 'node:fs'
import { findEntry } from '../../builder/evaluate/find.ts'
import { AbnError } from '../../format/errors.ts'
import { storeItemOf } from '../../format/store-path.ts'
import { layoutOf } from '../../store/layout.ts'
import type { Command } from '../commands.ts'
import { oneName } from '../names.ts'
import { evaluationFor, rootOf } from '../session.ts'

export const log: Command = {
  usage: 'NAME',
  details: 'Prints what the last build of a package said on this machine, also of one that failed.',
  options: {},
  async run(args, { output, signal }) {
    const spec = oneName(args, 'log')
    const { name, version, outputs } = await findEntry(await evaluationFor(args, signal), spec)
    const { log: directory } = layoutOf(rootOf(args))
    const path = outputs.out && `${directory}/${storeItemOf(outputs.out)}.log.zst`
    if (path === undefined || !existsSync(path)) {
      throw new AbnError('ABN_LOG_MISSING', `there is no log of ${name} ${version} in ${directory}`, {
        hint: `abnpkg build ${spec} makes one`,
      })
    }
    const { readLog } = await import('../../builder/realise/log.ts')
    const text = readLog(path).toString('utf8')
    if (text !== '') output.line(text.replace(/\n$/, ''))
    output.document({ name, version, path, log: text })
    return 0
  },
}
