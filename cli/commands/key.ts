// abnpkg key new|list|show|export
import { AbnError } from '../../format/errors.ts'
import { type Arguments, textOption } from '../args.ts'
import type { Command, Surroundings } from '../commands.ts'
import { newPassphrase, passphraseFrom } from '../operators/passphrase.ts'

export const key: Command = {
  usage: 'new NAME | list | show [NAME] | export [NAME] | revoke [NAME]',
  details: [
    'Makes and shows the keys with which an operator signs. `show` prints the public key, one line that others put into their',
    'policy; `export` prints operator.json, which says in your own words who you are. The secret half stays where it is, in',
    '$XDG_CONFIG_HOME/abnpkg/keys, readable by you only. `revoke` takes back statements of a key, sessions that it has signed, or',
    'with --self the key, for ever; --to brings the list to caches.',
  ].join('\n'),
  options: {
    passphrase: { type: 'boolean', help: 'new: seal the key with a passphrase, which is asked for' },
    'passphrase-file': { type: 'string', value: 'FILE', help: 'the passphrase, for new and revoke' },
    statement: {
      type: 'string',
      multiple: true,
      value: 'HASH',
      help: 'revoke: this statement (`attest --json` prints it)',
    },
    session: {
      type: 'string',
      multiple: true,
      value: 'KEYID',
      help: "revoke: this session's key and all that it signed (`abnpkg builder status --json` prints it)",
    },
    self: { type: 'boolean', help: 'revoke: the key itself; it will sign nothing any more' },
    reason: { type: 'string', value: 'TEXT', help: 'revoke: why, in one line' },
    to: { type: 'string', multiple: true, value: 'URL', help: 'revoke: bring the list to this cache' },
    operator: {
      type: 'string',
      value: 'NAME',
      help: 'export: what policies should call you (default: the name of the key)',
    },
    who: { type: 'string', value: 'TEXT', help: 'export: the person or organisation' },
    contact: { type: 'string', value: 'TEXT', help: 'export: how to reach you' },
    homepage: { type: 'string', value: 'URL', help: 'export: an https address' },
  },
  async run(args, surroundings) {
    const [action = '', name, ...more] = args.names
    if (more.length > 0) throw usage(`expected one name, got ${args.names.length - 1}`)
    switch (action) {
      case 'new':
        if (name === undefined) throw usage('new: expected a name for the key')
        return newKey(name, args, surroundings)
      case 'list':
        if (name !== undefined) throw usage('list: expected no name')
        return listAll(surroundings)
      case 'show':
        return show(name, surroundings)
      case 'export':
        return exportOperator(name, args, surroundings)
      case 'revoke':
        return revoke(name, args, surroundings)
      default:
        throw usage(`expected new, list, show, export or revoke, got '${action}'`)
    }
  },
}

async function newKey(name: string, args: Arguments, { output }: Surroundings): Promise<number> {
  const { keyDirectoryFrom, writeKey } = await import('../../builder/service/keys.ts')
  const { newSecretKey } = await import('../../trust/secret-key.ts')
  const { encodePublicKey } = await import('../../trust/key.ts')
  const isSealed = args.options.passphrase === true || args.options['passphrase-file'] !== undefined
  const passphrase = isSealed ? await newPassphrase(args, output) : undefined
  const entry = writeKey(keyDirectoryFrom(process.env), newSecretKey(name), passphrase)
  const line = encodePublicKey(entry.publicKey)
  output.note(`the secret key is in ${entry.path}; keep a copy of it where nobody else can read it`)
  output.line(line)
  output.document({ name, id: entry.publicKey.id, publicKey: line, protected: entry.protected, path: entry.path })
  return 0
}

async function listAll({ output }: Surroundings): Promise<number> {
  const { keyDirectoryFrom, listKeys } = await import('../../builder/service/keys.ts')
  const { encodePublicKey } = await import('../../trust/key.ts')
  const keys = listKeys(keyDirectoryFrom(process.env))
  for (const entry of keys) {
    output.line(`${entry.name}  ${encodePublicKey(entry.publicKey)}${entry.protected ? '  (passphrase)' : ''}`)
  }
  output.document(
    keys.map(({ name, publicKey, protected: isProtected, path }) => ({
      name,
      id: publicKey.id,
      publicKey: encodePublicKey(publicKey),
      protected: isProtected,
      path,
    })),
  )
  return 0
}

async function show(name: string | undefined, { output }: Surroundings): Promise<number> {
  const { findKey, keyDirectoryFrom } = await import('../../builder/service/keys.ts')
  const { encodePublicKey } = await import('../../trust/key.ts')
  const entry = findKey(keyDirectoryFrom(process.env), name)
  const line = encodePublicKey(entry.publicKey)
  output.line(line)
  output.document({
    name: entry.name,
    id: entry.publicKey.id,
    publicKey: line,
    protected: entry.protected,
    path: entry.path,
  })
  return 0
}

async function exportOperator(name: string | undefined, args: Arguments, { output }: Surroundings): Promise<number> {
  const { findKey, keyDirectoryFrom } = await import('../../builder/service/keys.ts')
  const { encodeOperator } = await import('../../trust/operator.ts')
  const { encodePublicKey } = await import('../../trust/key.ts')
  const { publicKey } = findKey(keyDirectoryFrom(process.env), name)
  const operator = {
    format: 1,
    name: textOption(args, 'operator') ?? publicKey.name.toLowerCase(),
    who: textOption(args, 'who') ?? '',
    contact: textOption(args, 'contact') ?? '',
    homepage: textOption(args, 'homepage') ?? '',
    keys: [publicKey],
  } as const
  output.line(Buffer.from(encodeOperator(operator)).toString('utf8'))
  output.document({ ...operator, keys: operator.keys.map(encodePublicKey) })
  return 0
}

async function revoke(name: string | undefined, args: Arguments, { output, signal }: Surroundings): Promise<number> {
  const { findKey, keyDirectoryFrom, openKey } = await import('../../builder/service/keys.ts')
  const { issueRevocations, publishRevocations } = await import('../../builder/service/revocations.ts')
  const { openCacheClient } = await import('../../builder/service/remote.ts')
  const { parseSha256 } = await import('../../format/hash.ts')
  const { parseKeyId } = await import('../../trust/key.ts')
  const statements = textsOption(args, 'statement').map(parseSha256)
  const isSelf = args.options.self === true
  const sessions = textsOption(args, 'session').map(parseKeyId)
  const isSome = statements.length + sessions.length > 0
  if (isSelf === isSome) throw usage('revoke: expected either --self, or --statement and --session')
  const directory = keyDirectoryFrom(process.env)
  const signer = await openKey(findKey(directory, name), passphraseFrom(args, output))
  const reason = textOption(args, 'reason') ?? ''
  const nowSeconds = () => Math.floor(Date.now() / 1000)
  const keys = (isSelf ? [signer.publicKey.id] : sessions).map((one) => ({ key: one, reason }))
  const add = { keys, statements: statements.map((statement) => ({ statement, reason })) }
  const list = issueRevocations(directory, signer, { now: nowSeconds(), add })
  const told: string[] = []
  for (const url of textsOption(args, 'to')) {
    await using cache = openCacheClient({ url, signer, signal, nowSeconds })
    await publishRevocations(cache, list)
    told.push(cache.origin)
  }
  output.line(
    `revoked; list ${list.list.version} of ${signer.publicKey.name}${told.length === 0 ? '' : `, at ${told.join(', ')}`}`,
  )
  if (told.length === 0) output.note('nobody knows it yet: bring it to caches with --to, or by `abnpkg builder run`')
  output.document({ version: list.list.version, digest: list.digest, keys, statements, caches: told })
  return 0
}

function textsOption(args: Arguments, name: string): readonly string[] {
  const values = args.options[name]
  return Array.isArray(values) ? values.filter((value) => typeof value === 'string') : []
}

function usage(reason: string): AbnError {
  return new AbnError('ABN_USAGE', `key: ${reason}`, { hint: "see 'abnpkg key --help'" })
}
