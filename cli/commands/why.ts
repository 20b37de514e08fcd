// abnpkg why NAME
import { findEntry } from '../../builder/evaluate/find.ts'
import type { Why } from '../../builder/substitute/why.ts'
import { AbnError } from '../../format/errors.ts'
import type { Command } from '../commands.ts'
import { oneName } from '../names.ts'
import { keyOptions } from '../operators/passphrase.ts'
import type { Output } from '../output.ts'
import { profileOption } from '../profiles/profile.ts'
import { evaluationFor, storeToLookAt } from '../session.ts'

export const why: Command = {
  usage: 'NAME [PART]',
  details: [
    'Tells how a package came into the store: built or fetched, by which rule of the policy, who agreed, who contradicted and who said',
    'nothing. The decision that was kept is made again from its evidence, offline; one that comes out differently is an error.',
    'With PART: which references lead from NAME to it, and by which files; else how it took part in making NAME. Exit status 1: neither.',
  ].join('\n'),
  options: {
    ...profileOption,
    vsa: { type: 'boolean', help: 'print the decisions as SLSA verification summaries (in-toto statements)' },
    ...keyOptions,
    key: { type: 'string', value: 'NAME', help: '--vsa: sign them with this key of yours, in DSSE envelopes' },
  },
  async run(args, surroundings) {
    const { output, signal } = surroundings
    const [first, part] = args.names
    if (first !== undefined && part !== undefined && args.names.length === 2) {
      const { whyPath } = await import('../graphs/why-path.ts')
      return whyPath([first, part], args, surroundings)
    }
    const spec = oneName(args, 'why')
    const { name, version, outputs } = await findEntry(await evaluationFor(args, signal), spec)
    const store = storeToLookAt(args)
    const there = Object.values(outputs).filter((path) => store.has(path))
    if (there.length === 0) {
      throw new AbnError('ABN_ITEM_MISSING', `${name} ${version} is not in the store`, {
        hint: `abnpkg policy explain ${spec} tells what would be decided`,
      })
    }
    const { signedSummaryOf, verificationSummaryOf, whyOf } = await import('../../builder/substitute/why.ts')
    const found = there.map((path) => whyOf(store, path))
    if (args.options.vsa === true) {
      const { signerFor } = await import('../operators/attesting.ts')
      const signer = args.options.key === undefined ? undefined : await signerFor(args, output)
      const summaries: readonly object[] = found.flatMap((one) => {
        if (signer === undefined) return verificationSummaryOf(one) ?? []
        const envelope = signedSummaryOf(one, signer)
        return envelope === undefined ? [] : JSON.parse(Buffer.from(envelope).toString('utf8'))
      })
      if (summaries.length === 0) {
        throw new AbnError(
          'ABN_DECISION_MISSING',
          `nothing was decided about ${name} ${version}: it was built without asking`,
        )
      }
      for (const summary of summaries) output.line(JSON.stringify(summary))
      output.document(summaries)
      return 0
    }
    for (const one of found) await explain(one, output)
    const { jsonOfDecision } = await import('../../trust/policy/decision-schema.ts')
    output.document(
      found.map(({ item, decision, note, divergence, takenBack }) => ({
        path: item.path,
        outputDigest: item.outputDigest,
        origin: item.origin,
        because: note?.because ?? null,
        decision: decision ? jsonOfDecision(decision) : null,
        divergence: divergence ?? null,
        takenBack: takenBack ?? null,
      })),
    )
    return 0
  },
}

const BECAUSE = {
  refused: 'the policy did not accept what others attest',
  missed: 'no cache had what the policy accepted',
  references: 'the statements name references that it cannot have',
  'not-asked': 'nobody was asked',
  'source-only': 'because of --source-only',
}

async function explain({ item, decision, note, divergence, takenBack }: Why, output: Output): Promise<void> {
  const { origin } = item
  const at = new Date(origin.at * 1000).toISOString().slice(0, 19).replace('T', ' ')
  output.line(output.paint('bold', item.path))
  output.line(`  output digest ${item.outputDigest}`)
  if (origin.kind === 'substituted') output.line(`  fetched on ${at} UTC from ${origin.from}`)
  else
    output.line(
      `  built here on ${at} UTC in ${origin.seconds} s${note ? `: ${BECAUSE[note.because]}` : '; no cache was asked'}`,
    )
  if (decision) {
    const { linesOfDecision } = await import('../../trust/policy/explain.ts')
    for (const line of linesOfDecision(decision)) output.line(`  ${line}`)
  }
  if (takenBack) {
    const { operators, isStillAccepted } = takenBack
    output.line(`  ${output.paint('red', 'TAKEN BACK')} since then: what ${operators.join(' and ')} had stated`)
    output.line(
      isStillAccepted
        ? '    without that, the rule is still satisfied'
        : `    without that, it would not have been fetched; 'abnpkg challenge ${item.name}' builds it here and compares`,
    )
  }
  if (divergence) {
    output.line(
      `  ${output.paint('red', 'DIVERGENCE')}: built here is ${divergence.built ?? 'nothing'}, but attested is`,
    )
    for (const { digest, operators } of divergence.sides) output.line(`    ${digest} by ${operators.join(', ')}`)
  }
}
