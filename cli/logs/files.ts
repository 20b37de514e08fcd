// Files of evidence: read with limits, written without overwriting.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { writeDurably } from '../../store/write-durably.ts'
import { maximumBundleBytes } from '../../trust/bundle.ts'

/** Throws ABN_EVIDENCE_FILE. */
export function readEvidence(file: string, maximum = maximumBundleBytes): Uint8Array {
  const path = resolve(file)
  try {
    const { size } = statSync(path)
    if (size > maximum) throw new RangeError(`larger than ${maximum} bytes`)
    return readFileSync(path)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new AbnError('ABN_EVIDENCE_FILE', `cannot read ${file}: ${reason}`, { cause })
  }
}

/** Throws ABN_EVIDENCE_FILE when there is another file already, or it cannot be written. */
export function writeEvidence(file: string, bytes: Uint8Array): void {
  const path = resolve(file)
  if (existsSync(path) && !isSame(path, bytes)) {
    throw new AbnError('ABN_EVIDENCE_FILE', `there is a file ${file} already`, {
      hint: 'choose another name, or remove it',
    })
  }
  try {
    writeDurably(path, bytes)
  } catch (cause) {
    if (cause instanceof AbnError && cause.code === 'ABN_DISK_FULL') throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new AbnError('ABN_EVIDENCE_FILE', `cannot write ${file}: ${reason}`, { cause })
  }
}

function isSame(path: string, bytes: Uint8Array): boolean {
  return statSync(path).size === bytes.length && readFileSync(path).equals(bytes)
}
