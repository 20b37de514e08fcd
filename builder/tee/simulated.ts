/**
 * The simulated TEE as a provider: quotes that prove nothing, for trying the machinery on a machine without TDX. A policy has to name its
 * root to take them, and everything that shows them says so.
 */
import { registerBytes } from '../../trust/tee/measure.ts'
import { runtimeRegisterOf } from '../../trust/tee/measure-runtime.ts'
import { mintSimulated } from '../../trust/tee/simulated.ts'
import type { TeeProvider, TeeProviderOptions } from './provider.ts'

export function simulatedProvider({ now, machine }: TeeProviderOptions): TeeProvider {
  let rtmr3 = new Uint8Array(registerBytes)
  return {
    kind: 'simulated',
    async evidence(reportData, { signal } = {}) {
      signal?.throwIfAborted()
      const options = { now: now(), reportData, body: { rtmr3 }, ...(machine === undefined ? {} : { machine }) }
      const { quote, collateral } = mintSimulated(options)
      return { kind: 'simulated', quote, eventLog: undefined, collateral }
    },
    /** A process of its own is a guest that was started anew. */
    async extend(configuration) {
      rtmr3 = Uint8Array.from(runtimeRegisterOf(configuration))
      return { kind: 'extended', value: rtmr3 }
    },
  }
}
