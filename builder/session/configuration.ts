/**
 * The effective configuration of a builder as canonical JSON, with every default filled in, and its digest: what a session names, and
 * what RTMR3 is extended with. Whoever has the file can compute it (`abnpkg builder configuration`). It holds no secret.
 */
import { canonicalJson, type JsonObject, type JsonValue } from '../../format/canonical-json.ts'
import type { Sha256 } from '../../format/hash.ts'
import { utf8 } from '../../trust/bytes.ts'
import { sha256 } from '../../trust/crypto.ts'
import { encodePublicKey } from '../../trust/key.ts'
import type { BuilderConfig } from '../service/config.ts'
import { jsonOfSessionConfig } from './config.ts'

export type Effective = { readonly reproduce: boolean }

export function configurationDigestOf(config: BuilderConfig, effective: Effective): Sha256 {
  return sha256(utf8(canonicalJson(effectiveConfiguration(config, effective))))
}

/** `reproduce` is an option of the command and no field of the file. */
export function effectiveConfiguration(config: BuilderConfig, { reproduce }: Effective): JsonObject {
  // A field that is added to the configuration and is missing here does not compile.
  const json: Record<keyof BuilderConfig | 'format' | 'reproduce', JsonValue> = {
    caches: config.caches,
    cores: config.cores ?? null,
    everySeconds: config.everySeconds,
    format: 1,
    jobs: config.jobs ?? null,
    key: config.key ?? null,
    listen: config.listen ?? null,
    operators: config.operators.map(encodePublicKey),
    passphraseFile: config.passphraseFile ?? null,
    reproduce,
    retry: { ...config.retry },
    session: config.session === undefined ? null : jsonOfSessionConfig(config.session),
    sources: config.sources,
    validDays: config.validDays,
    work: config.work.map((one) => ({ ...one })),
  }
  return json
}
