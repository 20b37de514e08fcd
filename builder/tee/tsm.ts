/**
 * A quote from the kernel of a guest (Linux, Documentation/ABI/testing/configfs-tsm-report): make a directory, write up to 64 bytes to
 * `inblob`, read `outblob`. `provider` says which kind of TEE answers, `generation` counts writes, so that it tells when somebody else
 * has written between. What comes back is looked at before it is believed to be an answer: it must be a quote of a version that trust/tee
 * knows, and hold the 64 bytes. Newer kernels may hand out other kinds of evidence, which are refused.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { AbnError } from '../../format/errors.ts'
import { isEqualBytes } from '../../trust/bytes.ts'
import { isQuoteOfSimulated, maximumQuoteBytes, parseQuote } from '../../trust/tee/quote.ts'
import { errnoOf, kernelFiles, type TeeFiles } from './files.ts'

export type TsmOptions = {
  readonly files?: TeeFiles
  readonly directory?: string
  readonly signal?: AbortSignal
  /** Waits between two attempts. */
  readonly pause?: (milliseconds: number) => Promise<void>
}

/** `reportData` is 64 bytes. Throws ABN_TEE_UNAVAILABLE, ABN_TEE_GUEST or the signal's reason. */
export async function quoteFromTsm(reportData: Uint8Array, options: TsmOptions = {}): Promise<Uint8Array> {
  // The interface takes fewer; the driver of TDX does not.
  if (reportData.length !== 64) throw new TypeError(`quoteFromTsm: ${reportData.length} bytes, expected 64`)
  const { files = kernelFiles, directory = REPORTS, signal } = options
  const pause =
    options.pause ?? ((milliseconds) => delay(milliseconds, undefined, signal === undefined ? {} : { signal }))
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    const answer = await once(reportData, files, `${directory}/${entryName()}`)
    if (answer.kind === 'quote') return requireOwn(answer.quote, reportData)
    if (attempt === ATTEMPTS) {
      throw new AbnError('ABN_TEE_GUEST', `quote: ${answer.reason}, ${ATTEMPTS} times`, { hint: 'try again later' })
    }
    await pause(PAUSE_MS * 2 ** (attempt - 1)).catch((error: unknown) => {
      signal?.throwIfAborted()
      throw error
    })
  }
}

const REPORTS = '/sys/kernel/config/tsm/report'
const ATTEMPTS = 6
const PAUSE_MS = 100
const PROVIDER = 'tdx_guest'
/** The host makes one quote at a time, and the guest's kernel waits for it. */
const BUSY: ReadonlySet<string | undefined> = new Set(['EBUSY', 'EAGAIN', 'EINTR'])

type Answer =
  | { readonly kind: 'quote'; readonly quote: Uint8Array }
  | { readonly kind: 'again'; readonly reason: string }

async function once(reportData: Uint8Array, files: TeeFiles, entry: string): Promise<Answer> {
  try {
    await files.make(entry)
  } catch (error) {
    if (BUSY.has(errnoOf(error))) return { kind: 'again', reason: 'the kernel is busy' }
    throw unavailable(error)
  }
  try {
    await requireProvider(files, entry)
    const before = await generationOf(files, entry)
    await files.write(`${entry}/inblob`, reportData)
    const quote = await files.read(`${entry}/outblob`, maximumQuoteBytes)
    const after = await generationOf(files, entry)
    if (after !== before + 1n) return { kind: 'again', reason: `generation went from ${before} to ${after}` }
    return { kind: 'quote', quote }
  } catch (error) {
    if (BUSY.has(errnoOf(error))) return { kind: 'again', reason: 'the kernel is busy' }
    throw error instanceof AbnError ? error : unavailable(error)
  } finally {
    // An entry that stays costs some memory until the guest is started anew.
    await files.remove(entry).catch(() => {})
  }
}

/** Nobody else uses it; should somebody guess the name, mkdir fails. */
function entryName(): string {
  return `abnpkg-${process.pid}-${randomBytes(8).toString('hex')}`
}

async function requireProvider(files: TeeFiles, entry: string): Promise<void> {
  const provider = await lineOf(files, `${entry}/provider`)
  if (provider === PROVIDER) return
  throw new AbnError(
    'ABN_TEE_UNAVAILABLE',
    `quote: the provider is ${JSON.stringify(provider)}, expected "${PROVIDER}"`,
    {
      hint: 'set the kind of TEE that this machine has, or "none"',
    },
  )
}

async function generationOf(files: TeeFiles, entry: string): Promise<bigint> {
  const text = await lineOf(files, `${entry}/generation`)
  if (!/^(?:0|[1-9][0-9]{0,19})$/.test(text)) throw strange(`generation is ${JSON.stringify(text)}`)
  return BigInt(text)
}

async function lineOf(files: TeeFiles, path: string): Promise<string> {
  const bytes = await files.read(path, 256)
  const text = new TextDecoder('latin1').decode(bytes.subarray(0, 256))
  return text.endsWith('\n') ? text.slice(0, -1) : text
}

function requireOwn(quote: Uint8Array, reportData: Uint8Array): Uint8Array {
  if (quote.length === 0) throw strange('outblob is empty')
  if (quote.length > maximumQuoteBytes) throw strange(`outblob has more than ${maximumQuoteBytes} bytes`)
  try {
    const parsed = parseQuote(quote)
    if (isQuoteOfSimulated(parsed)) throw strange('it is one of the simulated TEE')
    if (!isEqualBytes(parsed.body.reportData, reportData)) throw strange('it is over other data than those asked for')
    return quote
  } catch (cause) {
    if (cause instanceof AbnError && cause.code === 'ABN_TEE_GUEST') throw cause
    throw new AbnError('ABN_TEE_GUEST', 'quote: what the kernel handed out is none that this version knows', {
      cause,
      hint: 'a newer kernel may give another kind of evidence; docs/tdx.md says which are known',
    })
  }
}

function strange(reason: string): AbnError {
  return new AbnError('ABN_TEE_GUEST', `quote: ${reason}`)
}

/** By the error of the kernel; the paths in its message are ours. */
function unavailable(cause: unknown): AbnError {
  const errno = errnoOf(cause) ?? ''
  const [reason, hint] = REASONS[errno] ?? ['the kernel gave none', undefined]
  return new AbnError('ABN_TEE_UNAVAILABLE', `quote: ${reason}`, { cause, ...(hint === undefined ? {} : { hint }) })
}

const NO_SERVICE = [
  'the host makes none',
  'see that QEMU has a quote-generation-socket and that the service behind it runs',
] as const
const NOT_ALLOWED = [
  'this user may not ask for one',
  'run the builder as root, or give its user /sys/kernel/config/tsm/report',
] as const
const NO_INTERFACE = [
  'this kernel gives none',
  'it takes Linux 6.7 or newer in a TDX guest, the module tdx_guest, and configfs at /sys/kernel/config',
] as const

const REASONS: Readonly<Record<string, readonly [reason: string, hint: string]>> = {
  EACCES: NOT_ALLOWED,
  EPERM: NOT_ALLOWED,
  EROFS: NOT_ALLOWED,
  ENOENT: NO_INTERFACE,
  ENOTDIR: NO_INTERFACE,
  ENXIO: NO_INTERFACE,
  ENODEV: NO_INTERFACE,
  EIO: NO_SERVICE,
  ETIMEDOUT: NO_SERVICE,
  EFBIG: ['it is larger than the kernel can hand out', 'a newer kernel may have room for it'],
}
