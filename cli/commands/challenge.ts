// abnpkg challenge NAME
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { findPackage } from '../../builder/evaluate/find.ts'
import { configurationDirectories, readConfiguration } from '../../builder/substitute/configuration.ts'
import { AbnError } from '../../format/errors.ts'
import { storeItemOf } from '../../format/store-path.ts'
import type { Command } from '../commands.ts'
import { oneName } from '../names.ts'
import { nameOf } from '../plans/plan-text.ts'
import { startProgress } from '../plans/progress.ts'
import { carryOut, planFor, realiseOptions, requireWorkOptions, workOptions } from '../plans/work.ts'
import { evaluationFor, storeFor } from '../session.ts'

export const challenge: Command = {
  usage: 'NAME',
  details: [
    'Builds a package from source here, whatever is in the store, and compares with what the operators of your policy attest. Differences',
    'are shown by file, and by diffoscope where it is installed, and the contradiction is kept (abnpkg why shows it).',
  ].join('\n'),
  options: workOptions,
  async run(args, surroundings) {
    const { output, signal } = surroundings
    const spec = oneName(args, 'challenge')
    requireWorkOptions(args)
    const { caches, policy } = readConfiguration(configurationDirectories(process.env))
    if (policy === undefined) {
      throw new AbnError('ABN_POLICY_MISSING', 'no policy is configured, so that there is nobody to challenge', {
        hint: 'abnpkg policy init makes one',
      })
    }
    const store = storeFor(args)
    const evaluation = await evaluationFor(args, signal)
    const one = await findPackage(evaluation, spec)
    const { prepareSubstitution } = await import('../../builder/substitute/substitute.ts')
    const { divergenceFrom, sidesOf, writeDivergence } = await import('../../builder/substitute/divergences.ts')
    const now = Math.floor(Date.now() / 1000)
    const about = { store, packages: evaluation, policy: policy.policy, caches, now, signal, everything: true }
    await using substitution = await prepareSubstitution([one], about)
    const { evidence, reports } = substitution
    const sides = (path: Parameters<typeof storeItemOf>[0]) => sidesOf(evidence, { recipe: one.recipeHash, path })
    const { outputPathsOf } = await import('../../builder/realise/plan.ts')
    const outputs = [...outputPathsOf(one).values()]
    if (outputs.every((path) => sides(path).length === 0)) {
      throw new AbnError('ABN_CHALLENGE_NOTHING', `no operator of your policy attests ${nameOf(one)}`, {
        hint: 'abnpkg cache list shows who was asked',
      })
    }
    const work = { args, store, evaluation, surroundings }
    const inputs = one.derivation.inputs.flatMap(({ recipe }) => evaluation.byHash(recipe) ?? [])
    await carryOut(await planFor(inputs, work), work)
    const { challenge: build } = await import('../../builder/realise/challenge.ts')
    const { differencesBetween } = await import('../../builder/realise/differences.ts')
    const { connectToCache } = await import('../../builder/substitute/http.ts')
    const { receiveOutput } = await import('../../builder/substitute/receive.ts')
    const answered = reports.flatMap(({ kind, address }) => (kind === 'answered' ? [address] : []))
    using progress = startProgress(output)
    const results = await build(one, {
      ...(await realiseOptions(work, progress)),
      attested: (path) => sides(path).map(({ digest }) => digest),
      fetchOutput: async (path, digest, directory) => {
        const stated = (evidence.attestations.get(one.recipeHash) ?? [])
          .flatMap(({ attestation }) => attestation.statement.outputs)
          .find((each) => each.path === path && each.digest === digest)
        if (stated === undefined) return false
        const receipt = {
          item: storeItemOf(path),
          directory,
          digest,
          bytes: stated.bytes,
          references: stated.references,
          caches: answered,
        }
        const { from } = await receiveOutput(receipt, {
          connectionTo: (address) => connectToCache(address),
          candidates: new Map(),
          signal,
        })
        return from !== undefined
      },
      compare: async (path, { first, second }) => [
        ...differencesBetween(path, { first, second }),
        ...(await diffoscope(first, second)),
      ],
    })
    let differs = false
    for (const { path, built, differing } of results) {
      const operators = sides(path).find(({ digest }) => digest === built)?.operators ?? []
      output.line(
        `${path}: built here ${built}${operators.length > 0 ? `, as attested by ${operators.join(', ')}` : ''}`,
      )
      for (const { digest, differences } of differing) {
        differs = true
        const by = sides(path)
          .find((side) => side.digest === digest)
          ?.operators.join(', ')
        output.line(
          `  ${digest} is what ${by} attest${differences === undefined ? '; no cache has it to compare' : ':'}`,
        )
        for (const line of differences ?? []) output.line(`    ${line}`)
      }
      const divergence = divergenceFrom({ recipe: one.recipeHash, path, outputDigest: built }, evidence, now)
      if (divergence) writeDivergence(store, divergence)
    }
    output.document({ name: one.derivation.name, version: one.derivation.version, differs, results })
    return differs ? 1 : 0
  },
}

/** Its first lines; nothing when it is not installed. Its status is 1 when there are differences. */
async function diffoscope(first: string, second: string): Promise<readonly string[]> {
  try {
    await promisify(execFile)('diffoscope', ['--text', '-', first, second], {
      maxBuffer: 64 * 1024 * 1024,
      timeout: 600_000,
    })
    return []
  } catch (error) {
    const text = error instanceof Error && 'stdout' in error ? String(error.stdout) : ''
    return text === '' ? [] : text.split('\n').slice(0, 200)
  }
}
