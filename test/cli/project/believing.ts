/** Users who believe operators, and a cache with what they have attested. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { evaluate, ownChannel } from '../../../builder/evaluate/evaluate.ts'
import { findPackage } from '../../../builder/evaluate/find.ts'
import { attestClosure } from '../../../builder/service/attestations.ts'
import { publish } from '../../../builder/service/publish.ts'
import { openCacheClient } from '../../../builder/service/remote.ts'
import { openStore } from '../../../store/store.ts'
import { encodePublicKey } from '../../../trust/key.ts'
import { cacheFor, now, operatorKeys } from '../../builder/service/_support/world.ts'
import { abnpkgIn, type ProjectHome, projectHome } from './support.ts'

const keys = operatorKeys('alice', 'bob', 'carol')
export type Operator = keyof typeof keys

/** A user with a policy over these operators, and the cache. */
export function believe(
  home: ProjectHome,
  url: string,
  names: readonly Operator[],
  rule: object = { kind: 'two-independent' },
): void {
  const directory = join(home.directory, '.config/abnpkg')
  mkdirSync(directory, { recursive: true })
  const operators = names.map((name) => ({ name, keys: [encodePublicKey(keys[name].publicKey)] }))
  writeFileSync(join(directory, 'policy.json'), JSON.stringify({ format: 1, operators, default: rule, packages: {} }))
  writeFileSync(join(directory, 'caches.json'), JSON.stringify({ format: 1, caches: [url] }))
}

/** Three operators attest needy and all that it is made from. */
export async function world(t: ExecutionContext): Promise<{ readonly url: string }> {
  const builder = projectHome(t)
  t.is((await abnpkgIn(builder, 'build', 'needy')).status, 0)
  const packages = await evaluate([{ ...ownChannel, directory: builder.channel }])
  const needy = await findPackage(packages, 'needy')
  const cache = await cacheFor(t, Object.values(keys))
  const store = openStore({ root: builder.root, durable: false })
  for (const signer of Object.values(keys)) {
    const { attested } = attestClosure([needy], {
      store,
      packages,
      software: { abnpkg: 'test' },
      now: now(),
      validSeconds: 86_400,
      signer,
    })
    await using client = openCacheClient({ url: cache.url, signer, nowSeconds: now })
    await publish(attested, { store, cache: client })
  }
  return cache
}
