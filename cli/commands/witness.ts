// abnpkg witness serve|key: cosigning other people's logs.
import { resolve } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { type Arguments, textOption } from '../args.ts'
import type { Command, Surroundings } from '../commands.ts'
import { signerFor } from '../operators/attesting.ts'
import { keyOptions } from '../operators/passphrase.ts'

export const witness: Command = {
  usage: 'serve --data DIR --log KEY... [--key NAME] [--listen HOST:PORT] | key [--key NAME]',
  details: [
    'A witness remembers the newest tree of each log that it knows, and cosigns a checkpoint only when the tree has grown from',
    'there (C2SP tlog-witness). `serve` answers logs; `key` prints the line that others put into their policy.',
  ].join('\n'),
  options: {
    ...keyOptions,
    data: { type: 'string', value: 'DIR', help: 'serve: what was cosigned last is kept here; keep a copy of it' },
    log: { type: 'string', multiple: true, value: 'KEY', help: 'serve: public key of a log that may ask' },
    listen: { type: 'string', value: 'HOST:PORT', help: 'serve: where to listen (default 127.0.0.1:8471)' },
  },
  async run(args, surroundings) {
    const [action, ...more] = args.names
    if (more.length > 0) throw usage('expected no more names')
    if (action === 'serve') return serve(args, surroundings)
    if (action === 'key') return showKey(args, surroundings)
    throw usage(`expected serve or key, got '${action ?? ''}'`)
  },
}

async function serve(args: Arguments, { output, signal }: Surroundings): Promise<number> {
  const { startWitness } = await import('../../cache-server/log/witness-server.ts')
  const { parsePublicKey } = await import('../../trust/key.ts')
  const data = textOption(args, 'data')
  const given = args.options.log
  const logs = (Array.isArray(given) ? given : []).filter((line) => typeof line === 'string').map(parsePublicKey)
  if (data === undefined) throw usage('serve: expected --data with a directory')
  if (logs.length === 0) throw usage('serve: expected --log with the public key of a log')
  const listen = textOption(args, 'listen') ?? '127.0.0.1:8471'
  if (!/^.+:[0-9]{1,5}$/.test(listen)) throw usage('serve: expected --listen HOST:PORT')
  const report = (what: string, error?: unknown): void =>
    output.note(error === undefined ? what : `${what}: ${error instanceof Error ? error.message : String(error)}`)
  const running = await startWitness({
    directory: resolve(data),
    signer: await signerFor(args, output),
    logs,
    listen,
    report,
    nowSeconds: () => Math.floor(Date.now() / 1000),
    onMisbehaviour: (origin, file) => report(`FORK: ${origin} has signed two trees; the proof is in ${file}`),
  })
  output.line(`witness at ${running.url}`)
  await new Promise<void>((done) =>
    signal.aborted ? done() : signal.addEventListener('abort', () => done(), { once: true }),
  )
  await running.close()
  output.document({ url: running.url })
  return 0
}

async function showKey(args: Arguments, { output }: Surroundings): Promise<number> {
  const { encodeWitnessKey, witnessKeyOf } = await import('../../trust/log/cosignature.ts')
  const { findKey, keyDirectoryFrom } = await import('../../builder/service/keys.ts')
  const { publicKey } = findKey(keyDirectoryFrom(process.env), textOption(args, 'key'))
  const line = encodeWitnessKey(witnessKeyOf(publicKey))
  output.line(line)
  output.document({ name: publicKey.name, witnessKey: line })
  return 0
}

function usage(reason: string): AbnError {
  return new AbnError('ABN_USAGE', `witness: ${reason}`, { hint: "see 'abnpkg witness --help'" })
}
