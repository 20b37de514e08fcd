// abnpkg provenance NAME
import { findPackage } from '../../builder/evaluate/find.ts'
import type { OutputProvenance } from '../../builder/substitute/provenance.ts'
import type { SessionSummary } from '../../builder/substitute/session-summary.ts'
import { AbnError } from '../../format/errors.ts'
import { textOfObjection } from '../../trust/policy/explain.ts'
import { encodeTime } from '../../trust/time.ts'
import { textOption } from '../args.ts'
import type { Command } from '../commands.ts'
import { oneName } from '../names.ts'
import { evaluationFor, storeToLookAt } from '../session.ts'

const FORMATS = ['text', 'json', 'slsa', 'cyclonedx']

export const provenance: Command = {
  usage: 'NAME',
  details: [
    'Prints the chain of custody of a package: it and all that it is made from, down to the seed, and of each whether it was built here,',
    'taken on whose word, or is not known on this machine.',
  ].join('\n'),
  options: { format: { type: 'string', value: 'FORMAT', help: `${FORMATS.join(', ')}; text unless told` } },
  async run(args, { output, signal }) {
    const spec = oneName(args, 'provenance')
    const format = textOption(args, 'format') ?? 'text'
    if (!FORMATS.includes(format))
      throw new AbnError('ABN_USAGE', `--format: expected ${FORMATS.join(', ')}, got '${format}'`)
    const evaluation = await evaluationFor(args, signal)
    const found = await findPackage(evaluation, spec)
    const { cyclonedxOf, provenanceOf, slsaOf } = await import('../../builder/substitute/provenance.ts')
    const chain = provenanceOf(found, { store: storeToLookAt(args), packages: evaluation })
    if (format === 'slsa') {
      const statements = slsaOf(chain)
      for (const statement of statements) output.line(JSON.stringify(statement))
      output.document(statements)
      return 0
    }
    const value = format === 'cyclonedx' ? cyclonedxOf(chain) : { entries: chain.entries }
    if (format !== 'text') output.line(JSON.stringify(value, undefined, 2))
    else {
      for (const { name, version, recipe, sources, outputs } of chain.entries) {
        output.line(`${output.paint('bold', name)} ${version}  recipe ${recipe.slice(0, 16)}…`)
        for (const one of outputs) {
          output.line(`  ${custodyText(one)}`)
          if (one.kind === 'substituted') for (const each of one.sessions) output.line(`    ${sessionText(each)}`)
        }
        for (const source of sources) output.line(`  source ${source}`)
      }
    }
    output.document(value)
    return 0
  },
}

function custodyText(one: OutputProvenance): string {
  switch (one.kind) {
    case 'built':
      return `${one.path}: built here, ${one.digest.slice(0, 16)}…`
    case 'substituted':
      return `${one.path}: from ${one.from} on the word of ${one.operators.join(', ')}, ${one.digest.slice(0, 16)}…`
    case 'unknown':
      return `${one.path}: not in the store`
    default:
      return one satisfies never
  }
}

function sessionText({ operator, session, from, until, tee, simulated, quote }: SessionSummary): string {
  const where = simulated ? 'a SIMULATED TEE, which proves nothing' : tee === 'none' ? 'no TEE' : `a TEE (${tee})`
  const span = `${encodeTime(from)} to ${encodeTime(until)}`
  return `session ${session.slice(0, 12)}… of ${operator}, ${span}, in ${where}${quoteText(quote)}`
}

function quoteText(quote: SessionSummary['quote']): string {
  switch (quote.kind) {
    case 'none':
      return ''
    case 'not-judged':
      return ': the policy says nothing about TEEs'
    case 'accepted': {
      const { status, advisories, evaluationNumber, measurement } = quote
      const advised = advisories.length === 0 ? '' : ` (${advisories.join(', ')})`
      return `: ${status}${advised} by evaluation ${evaluationNumber}, running ${measurement}`
    }
    case 'refused':
      return `: not accepted, ${quote.objections.map(textOfObjection).join('; ')}`
    default:
      return quote satisfies never
  }
}
