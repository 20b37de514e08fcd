// The options of commands that use a project's lock, and what they come to. `--locked`, `--frozen` and `--offline` are three things: the
// lock must fit abnpkg.json; the lock is used without a look at abnpkg.json; nothing is asked of the network.
import { AbnError } from '../../format/errors.ts'
import type { Arguments, OptionTable } from '../args.ts'

export const lockOptions: OptionTable = {
  locked: { type: 'boolean', help: 'fail if abnpkg.lock does not fit abnpkg.json; so it is by itself where CI=true' },
  frozen: { type: 'boolean', help: 'use abnpkg.lock as it is, without a look at abnpkg.json' },
  'no-dev': { type: 'boolean', help: 'leave out devPackages' },
}

export const weakerOption: OptionTable = {
  'allow-weaker': { type: 'boolean', help: 'also take what satisfied less than what abnpkg.lock says' },
}

/** 'write': a lock that does not fit is made to fit. */
export type LockMode = 'write' | 'locked' | 'frozen'

/** Throws ABN_USAGE. */
export function lockModeOf({ options }: Arguments, env: NodeJS.ProcessEnv = process.env): LockMode {
  if (options.locked === true && options.frozen === true) {
    throw new AbnError('ABN_USAGE', 'options --locked and --frozen exclude each other')
  }
  if (options.frozen === true) return 'frozen'
  return options.locked === true || isContinuousIntegration(env) ? 'locked' : 'write'
}

function isContinuousIntegration({ CI }: NodeJS.ProcessEnv): boolean {
  return CI !== undefined && !['', '0', 'false'].includes(CI.toLowerCase())
}
