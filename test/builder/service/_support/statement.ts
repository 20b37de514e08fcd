/** A statement that is well-formed and about nothing that was ever built. */
import { parseRecipeHash, sha256Of } from '../../../../format/hash.ts'
import { storePathOf } from '../../../../format/store-path.ts'
import type { KeyId } from '../../../../trust/key.ts'
import type { Statement } from '../../../../trust/statement.ts'
import { now } from './world.ts'

export function statementFor(key: KeyId): Statement {
  const recipe = parseRecipeHash(sha256Of('nothing'))
  const path = storePathOf(recipe, 'nothing', '1', 'out')
  return {
    recipe,
    name: 'nothing',
    version: '1',
    system: 'x86_64-linux',
    outputs: [{ output: 'out', path, digest: sha256Of('output'), bytes: 1024, references: [] }],
    inputs: [],
    sources: [],
    builder: { kind: 'operator', key, software: {} },
    origin: 'built',
    invocation: '1',
    started: now() - 10,
    finished: now() - 1,
    expires: now() + 86_400,
    log: null,
    tests: null,
  }
}
