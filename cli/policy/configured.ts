// The policy that holds.
import { type ConfiguredPolicy, configurationDirectories, readPolicy } from '../../builder/substitute/configuration.ts'
import { AbnError } from '../../format/errors.ts'

/** Throws ABN_POLICY_MISSING or ABN_POLICY_INVALID. */
export function requirePolicy(): ConfiguredPolicy {
  const found = readPolicy(configurationDirectories(process.env))
  if (found) return found
  throw new AbnError('ABN_POLICY_MISSING', 'no policy is configured: everything is built from source', {
    hint: 'abnpkg policy init --operator NAME=KEY --operator NAME=KEY makes one',
  })
}
