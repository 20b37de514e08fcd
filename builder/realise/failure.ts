/** How a build that did not succeed is told: a code for the kind of failure, the step, the last lines, where the log is. */
import { constants } from 'node:os'
import { AbnError, type ErrorCode } from '../../format/errors.ts'
import { diskFullHint } from '../../store/io-errors.ts'
import { errnoName } from '../sandbox/errors.ts'
import type { SandboxLimit, SandboxResult, SandboxStep, StepFailure } from '../sandbox/spec.ts'
import type { BuildLog } from './log.ts'

export type FailureContext = {
  readonly name: string
  readonly version: string
  readonly steps: readonly SandboxStep[]
  readonly log: BuildLog
}

/** Does nothing when the run succeeded. Throws ABN_BUILD_…, or ABN_DISK_FULL when the disk and not the build was at fault. */
export function requireSuccess(result: SandboxResult, context: FailureContext): void {
  switch (result.kind) {
    case 'done':
      return
    case 'failed':
      throw told('ABN_BUILD_FAILED', `${inStep(result, context)}: ${howText(result.how)}`, context)
    case 'limit':
      throw told(limitCodes[result.limit], limitTexts[result.limit](result.reached), context)
    default:
      result satisfies never
  }
}

/** For one of the commands that are tried after a build. Throws ABN_SMOKE_FAILED or ABN_DISK_FULL. */
export function requireSmokeSuccess(result: SandboxResult, context: FailureContext): void {
  if (result.kind === 'done') return
  if (result.kind === 'limit' && result.limit === 'free-space') requireSuccess(result, context)
  const what = result.kind === 'failed' ? howText(result.how) : limitTexts[result.limit](result.reached)
  const step = result.kind === 'failed' ? `'${commandOf(context.steps[result.step])}'` : 'a smoke test'
  throw told('ABN_SMOKE_FAILED', `${step} of the package that was built: ${what}`, context)
}

export function howText(how: StepFailure): string {
  switch (how.kind) {
    case 'exit':
      return `exit status ${how.code}`
    case 'signal':
      return `ended by signal ${how.signal}${signalName(how.signal)}${how.signal === 9 ? ', as the kernel does when memory runs out' : ''}`
    case 'not-executed':
      return `the program could not be started: ${errnoName(how.errno)}`
    default:
      return how satisfies never
  }
}

const limitCodes: Readonly<Record<SandboxLimit, ErrorCode>> = {
  time: 'ABN_BUILD_TIME',
  silence: 'ABN_BUILD_SILENT',
  processes: 'ABN_BUILD_PROCESSES',
  memory: 'ABN_BUILD_MEMORY',
  disk: 'ABN_BUILD_DISK',
  output: 'ABN_BUILD_LOG',
  'free-space': 'ABN_DISK_FULL',
}

const limitTexts: Readonly<Record<SandboxLimit, (reached: number) => string>> = {
  time: (seconds) => `not finished after ${seconds} s`,
  silence: (seconds) => `nothing was printed for ${seconds} s`,
  processes: (count) => `${count} processes at once are more than it may have`,
  memory: (bytes) => `${mebibytes(bytes)} of memory are more than it may use`,
  disk: (bytes) => `${mebibytes(bytes)} on the disk are more than it may write`,
  output: (bytes) => `${mebibytes(bytes)} of output are more than its log may hold`,
  'free-space': (bytes) => `stopped because the disk has only ${mebibytes(bytes)} left`,
}

function told(code: ErrorCode, what: string, { name, version, log }: FailureContext): AbnError {
  const tail = log.tail()
  const lines =
    tail.length === 0 ? 'it printed nothing' : ['its last lines:', ...tail.map((line) => `  | ${line}`)].join('\n')
  return new AbnError(code, `building ${name} ${version}: ${what}; ${lines}\nlog: ${log.path}`, {
    hint:
      code === 'ABN_DISK_FULL'
        ? diskFullHint
        : `read the whole log with \`abnpkg log ${name}\`, or look at the build directory after \`abnpkg build --keep-failed ${name}\``,
  })
}

function inStep({ step }: { readonly step: number }, { steps }: FailureContext): string {
  return `step ${step + 1} of ${steps.length} failed (${commandOf(steps[step])})`
}

function commandOf(step: SandboxStep | undefined): string {
  const text = step?.args.join(' ') ?? ''
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

function signalName(number: number): string {
  const name = Object.entries(constants.signals).find(([, value]) => value === number)?.[0]
  return name === undefined ? '' : ` (${name})`
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`
}
