// Names in archives are bytes. Here they are strings with one character a byte (latin1), so that nothing is lost or
// changed, whatever encoding the archive's author used.

import { AbnError } from '../../format/errors.ts'
import { overLimit, type UnpackLimits } from './limits.ts'

/** A string with one character (U+0000 to U+00FF) a byte. */
export type ByteString = string

const maxComponentBytes = 255 // NAME_MAX of Linux

/**
 * The components of a name, without empty ones and `.`; a name that is empty after that has none. Throws
 * ABN_UNPACK_NAME for an absolute name, `..`, a zero byte or a component that no file system takes.
 */
export function splitName(name: ByteString, limits: UnpackLimits): string[] {
  if (name.length > limits.nameBytes)
    throw overLimit(`a name has ${name.length} bytes, at most ${limits.nameBytes} are allowed`)
  if (name.startsWith('/')) throw badName(name, 'is absolute')
  if (name.includes('\0')) throw badName(name, 'holds a zero byte')
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw badName(name, 'leads out of its directory')
  if (parts.some((part) => part.length > maxComponentBytes)) throw badName(name, 'is too long')
  return parts
}

/**
 * Throws ABN_UNPACK_LINK unless the target stays inside wherever the link is followed: it may climb only at its
 * beginning and at most to the top, because a `..` behind a name could climb out of a directory that is itself a link.
 */
export function checkLinkTarget(parts: readonly string[], target: ByteString, limits: UnpackLimits): void {
  if (target.length > limits.nameBytes) throw overLimit(`a link target has ${target.length} bytes`)
  const steps = target.split('/').filter((step) => step !== '' && step !== '.')
  const climbs = steps.findIndex((step) => step !== '..')
  const up = climbs === -1 ? steps.length : climbs
  const isInside = target !== '' && !target.startsWith('/') && !target.includes('\0') && up < parts.length
  if (!isInside || steps.slice(up).includes('..')) {
    throw new AbnError('ABN_UNPACK_LINK', `refused to unpack: link ${show(parts.join('/'))} leads to ${show(target)}`, {
      hint: 'the archive is hostile or careless: use another archive of this source',
    })
  }
}

export function badName(name: ByteString, what: string): AbnError {
  return new AbnError('ABN_UNPACK_NAME', `refused to unpack: name ${show(name)} ${what}`, {
    hint: 'the archive is hostile or careless: use another archive of this source',
  })
}

/** For messages: read as UTF-8, quoted, without control characters, not too long. */
export function show(name: ByteString): string {
  const text = Buffer.from(name.slice(0, 200), 'latin1').toString('utf8')
  return JSON.stringify(name.length > 200 ? `${text}…` : text).replace(/[\u007f-\u009f]/g, '?')
}
