/** The status lines of init (setup.abl and init.abl list them), read strictly: whatever else comes from inside is no status. */
import type { SandboxEvent, SandboxResult } from './spec.ts'

/** How a run came to its end, before it is decided what that means. */
export type Ending =
  | SandboxResult
  | { readonly kind: 'setup'; readonly record: number; readonly errno: number }
  | { readonly kind: 'aborted' }

/** undefined for a line that is none of init's. */
export function parseStatusLine(line: string): Ending | Extract<SandboxEvent, { kind: 'step' }> | undefined {
  const match = /^([a-z]+)(?: ([0-9]{1,15}))?(?: ([0-9]{1,15}))?$/.exec(line)
  const [a, b] = [Number(match?.[2] ?? 0), Number(match?.[3] ?? 0)]
  switch (match?.[1]) {
    case 'start':
      return { kind: 'step', step: a }
    case 'done':
      return { kind: 'done' }
    case 'exit':
      return { kind: 'failed', step: a, how: { kind: 'exit', code: b } }
    case 'signal':
      return { kind: 'failed', step: a, how: { kind: 'signal', signal: b } }
    case 'exec':
      return { kind: 'failed', step: a, how: { kind: 'not-executed', errno: b } }
    case 'processes':
    case 'memory':
      return { kind: 'limit', limit: match[1], reached: a }
    case 'setup':
      return { kind: 'setup', record: a, errno: b }
    default:
      return undefined
  }
}
