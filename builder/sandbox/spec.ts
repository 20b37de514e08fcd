/** What a sandbox is asked to do, and what it answers. */
import type { SandboxLimits } from './limits.ts'

export type SandboxSpec = {
  readonly scratch: string // an existing directory of the caller's own, 0700: for this run only; holds /tmp
  readonly cache: string // where compiled programs are kept
  readonly readOnly: readonly SandboxMount[]
  readonly writable: readonly SandboxMount[] // given to the sandbox's user with all that is in them
  readonly files: readonly { readonly path: string; readonly text: string }[] // outside the mounts, read-only
  readonly links: readonly { readonly path: string; readonly target: string }[] // outside the mounts
  readonly env: Readonly<Record<string, string>>
  readonly steps: readonly SandboxStep[]
  readonly cores: number // how many parallel steps run at once
  readonly limits: SandboxLimits
}

/** A directory `source` of the host that appears as `target`, an absolute path in the sandbox. */
export type SandboxMount = { readonly source: string; readonly target: string }

export type SandboxStep = {
  readonly args: readonly string[] // the first is looked up on PATH unless it holds a slash
  readonly cwd: string
  readonly env: Readonly<Record<string, string>> // added to the spec's
  readonly parallel: boolean // may run beside neighbours that are parallel too
}

export type SandboxEvent =
  | { readonly kind: 'step'; readonly step: number } // it begins
  | { readonly kind: 'output'; readonly bytes: Buffer }

/** How a run ended. What the sandbox could not do at all is an AbnError instead. */
export type SandboxResult =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly step: number; readonly how: StepFailure }
  | { readonly kind: 'limit'; readonly limit: SandboxLimit; readonly reached: number }

export type StepFailure =
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'signal'; readonly signal: number }
  | { readonly kind: 'not-executed'; readonly errno: number } // 2: there is no such program

/** `reached` is in the unit of the limit of that name: seconds, processes or bytes. */
export type SandboxLimit = 'time' | 'silence' | 'processes' | 'memory' | 'disk' | 'output' | 'free-space'
