/**
 * Where a builder's session gets its evidence from: a guest of Intel TDX, the simulated TEE, or nowhere. Which one is configured, never
 * found out: a builder that should run in a TEE and does not has to fail. Nobody believes what is said here; a quote that verifies is
 * what a policy goes by (trust/tee).
 */
import type { Sha256 } from '../../format/hash.ts'
import type { Tee } from '../../trust/session.ts'
import { kernelFiles, type TeeFiles } from './files.ts'
import { extendRuntimeRegister, type RuntimeRegister } from './runtime-register.ts'
import { simulatedProvider } from './simulated.ts'
import { quoteFromTsm } from './tsm.ts'

export type TeeProvider = {
  readonly kind: Tee
  /**
   * A quote over 64 bytes (reportDataOf in trust/session.ts); undefined from the provider `none`. Throws ABN_TEE_UNAVAILABLE, ABN_TEE_GUEST or
   * the signal's reason.
   */
  evidence(reportData: Uint8Array, options?: { readonly signal?: AbortSignal }): Promise<TeeEvidence | undefined>
  /** Extends RTMR3 with the builder's configuration, once a boot and before the quote. Throws ABN_TEE_GUEST. */
  extend(configuration: Sha256): Promise<RuntimeRegister>
}

export type TeeEvidence = {
  readonly kind: Exclude<Tee, 'none'>
  readonly quote: Uint8Array
  /** What was measured at the start (trust/tee/event-log.ts), where it can be read. */
  readonly eventLog: Uint8Array | undefined
  /** Of the simulated TEE, which mints its own. */
  readonly collateral: Uint8Array | undefined
}

export type TeeProviderOptions = {
  /** Seconds since 1970. */
  readonly now: () => number
  readonly files?: TeeFiles
  /** Of the simulated machine. */
  readonly machine?: string
}

export function teeProvider(kind: Tee, options: TeeProviderOptions): TeeProvider {
  switch (kind) {
    case 'tdx':
      return tdxProvider(options.files ?? kernelFiles)
    case 'simulated':
      return simulatedProvider(options)
    case 'none':
      return noProvider
    default:
      return kind satisfies never
  }
}

const noProvider: TeeProvider = {
  kind: 'none',
  evidence: async () => undefined,
  extend: async () => ({ kind: 'impossible', reason: 'the builder is in no TEE' }),
}

function tdxProvider(files: TeeFiles): TeeProvider {
  return {
    kind: 'tdx',
    async evidence(reportData, { signal } = {}) {
      const quote = await quoteFromTsm(reportData, { files, ...(signal === undefined ? {} : { signal }) })
      return { kind: 'tdx', quote, eventLog: await readEventLog(files), collateral: undefined }
    },
    extend: (configuration) => extendRuntimeRegister(configuration, { files }),
  }
}

const EVENT_LOG = '/sys/firmware/acpi/tables/data/CCEL'
const maximumLogBytes = 4 * 1024 * 1024

/** For root only, and not of every firmware: a quote is as good without it. */
async function readEventLog(files: TeeFiles): Promise<Uint8Array | undefined> {
  try {
    const bytes = await files.read(EVENT_LOG, maximumLogBytes)
    return bytes.length > maximumLogBytes ? undefined : bytes
  } catch {
    return undefined
  }
}
