// Where passphrases of secret keys come from: a file that only its owner can read, else the terminal, without echo. Never an
// argument or a variable of the environment, which other users of the machine, or a log, may see.
import { openSync } from 'node:fs'
import { AbnError } from '../../format/errors.ts'
import { type Arguments, type OptionTable, textOption } from '../args.ts'
import type { Output } from '../output.ts'

export const keyOptions: OptionTable = {
  key: { type: 'string', value: 'NAME', help: 'which of your secret keys signs' },
  'passphrase-file': { type: 'string', value: 'FILE', help: 'read the passphrase of the key from this file' },
}

/** What openKey asks when a key is sealed. */
export function passphraseFrom(args: Arguments, output: Output): (name: string) => Promise<string> {
  return async (name) => (await passphraseFile(args)) ?? readSecret(output, `passphrase of the key ${name}: `)
}

/** Twice on a terminal, so that a slip of the finger does not lock the key for ever. */
export async function newPassphrase(args: Arguments, output: Output): Promise<string> {
  const given = await passphraseFile(args)
  if (given !== undefined) return given
  const first = await readSecret(output, 'new passphrase: ')
  if (first === '') throw new AbnError('ABN_KEY_PASSPHRASE', 'the passphrase is empty')
  if ((await readSecret(output, 'once more: ')) !== first) {
    throw new AbnError('ABN_KEY_PASSPHRASE', 'the two passphrases are not the same', { hint: 'run the command again' })
  }
  return first
}

async function passphraseFile(args: Arguments): Promise<string | undefined> {
  const path = textOption(args, 'passphrase-file')
  if (path === undefined) return undefined
  const { readPassphraseFile } = await import('../../builder/service/keys.ts')
  return readPassphraseFile(path)
}

async function readSecret(output: Output, prompt: string): Promise<string> {
  const { ReadStream } = await import('node:tty')
  const terminal = new ReadStream(openTerminal())
  try {
    // First no echo, then the question.
    terminal.setRawMode(true)
    output.note(prompt)
    terminal.setEncoding('utf8')
    let text = ''
    for await (const part of terminal) {
      for (const character of String(part)) {
        if (character === '\r' || character === '\n' || character === '\x04') return text
        if (character === '\x03') throw new AbnError('ABN_INTERRUPTED', 'interrupted')
        if (character === '\x7f' || character === '\b') text = [...text].slice(0, -1).join('')
        else text += character
      }
    }
    return text
  } finally {
    if (!terminal.destroyed) terminal.setRawMode(false)
    terminal.destroy()
  }
}

function openTerminal(): number {
  try {
    return openSync('/dev/tty', 'r+')
  } catch (cause) {
    throw new AbnError('ABN_KEY_PASSPHRASE', 'the key has a passphrase, and there is no terminal to ask for it', {
      hint: 'keep it in a file that only you can read, and name that with --passphrase-file',
      cause,
    })
  }
}
