// Channels as real git repositories, made object by object with `git hash-object`, so that they can be wrong in ways in which
// git itself would not make them. Keys and signatures are minted here, with node:crypto, as PROTOCOL.sshsig says.
import { execFileSync, spawnSync } from 'node:child_process'
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { type SshKey, sshKeyOf } from '../../../../builder/channels/ssh-key.ts'
import { encodeSshSignature, type HashName, signedBytesOf } from '../../../../builder/channels/ssh-signature.ts'

export const hasGit = spawnSync('git', ['--version']).status === 0
/** It wants to know the name of who runs it, which a user id without an account has not. */
export const hasSshKeygen = spawnSync('ssh-keygen', ['-?']).error === undefined && spawnSync('id', ['-un']).status === 0

export type Signer = { readonly key: SshKey; readonly secret: KeyObject }

export function newSigner(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  return { key: sshKeyOf(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)), secret: privateKey }
}

export type SignOptions = { readonly namespace?: string; readonly hash?: HashName }

/** In armour. */
export function signatureOf(
  signer: Signer,
  message: Uint8Array,
  { namespace = 'git', hash = 'sha512' }: SignOptions = {},
) {
  const bytes = sign(null, signedBytesOf({ namespace, hash }, message), signer.secret)
  return encodeSshSignature({ key: signer.key, namespace, hash, bytes })
}

/** A channel file that lists these keys. */
export function channelFile(...signers: readonly Signer[]): string {
  return JSON.stringify({
    format: 1,
    summary: 'a channel for tests',
    keys: signers.map(({ key }, i) => ({ name: `key-${i}`, key })),
  })
}

export type Files = Readonly<Record<string, string>>

export type CommitOptions = {
  readonly files: Files
  readonly parents?: readonly string[]
  readonly by?: Signer | undefined
  readonly sign?: SignOptions
  /** Entries of the top directory as they are: `120000 blob <id>\tname`. */
  readonly extraEntries?: readonly string[]
  /** Changes the whole commit after it was signed. */
  readonly tamper?: (commit: string) => string
  readonly message?: string
}

/** A bare repository. */
export class TestRepository {
  readonly directory: string
  readonly #hash: 'sha1' | 'sha256'
  #time = 1_700_000_000

  constructor(directory: string, hash: 'sha1' | 'sha256' = 'sha1') {
    mkdirSync(directory, { recursive: true })
    this.directory = directory
    this.git(['init', '--quiet', '--bare', '--initial-branch=main', `--object-format=${hash}`, '.'])
    this.#hash = hash
  }

  git(args: readonly string[], input = ''): string {
    const env = {
      PATH: process.env.PATH,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_DIR: this.directory,
      HOME: this.directory,
    }
    return execFileSync('git', args, { cwd: this.directory, env, input, encoding: 'utf8', stdio: 'pipe' }).trim()
  }

  /** Writes the commit and moves the branch to it. */
  commit(options: CommitOptions, branch = 'main'): string {
    const id = this.commitObject(options)
    this.git(['update-ref', `refs/heads/${branch}`, id])
    return id
  }

  commitObject({
    files,
    parents = [],
    by,
    sign,
    extraEntries = [],
    tamper,
    message = 'a commit\n',
  }: CommitOptions): string {
    const tree = this.#tree(files, extraEntries)
    const person = `A <a@example.org> ${this.#time++} +0000`
    const header = [`tree ${tree}`, ...parents.map((id) => `parent ${id}`), `author ${person}`, `committer ${person}`]
    const plain = `${header.join('\n')}\n\n${message}`
    const signed =
      by === undefined ? plain : withSignature(plain, signatureOf(by, Buffer.from(plain), sign), this.#hash)
    return this.write('commit', tamper === undefined ? signed : tamper(signed))
  }

  /** Any bytes, whatever git thinks of them. */
  write(kind: 'commit' | 'tree' | 'blob' | 'tag', content: string | Buffer): string {
    return execFileSync('git', ['hash-object', '-w', '--literally', '--stdin', '-t', kind], {
      cwd: this.directory,
      env: { PATH: process.env.PATH, GIT_DIR: this.directory },
      input: content,
      encoding: 'utf8',
    }).trim()
  }

  #tree(files: Files, extraEntries: readonly string[]): string {
    const below = Map.groupBy(Object.entries(files), ([path]) => path.split('/')[0] ?? '')
    const entries = [...below].map(([name, inside]) => {
      const [only] = inside
      if (only !== undefined && only[0] === name) return `100644 blob ${this.write('blob', only[1])}\t${name}`
      const rest = Object.fromEntries(inside.map(([path, text]) => [path.slice(name.length + 1), text]))
      return `040000 tree ${this.#tree(rest, [])}\t${name}`
    })
    return this.git(['mktree', '--missing'], `${[...entries, ...extraEntries].join('\n')}\n`)
  }
}

/** As git puts a signature into a commit. */
export function withSignature(commit: string, armor: string, hash: 'sha1' | 'sha256' = 'sha1'): string {
  const end = commit.indexOf('\n\n') + 1
  const name = hash === 'sha1' ? 'gpgsig' : 'gpgsig-sha256'
  return `${commit.slice(0, end)}${name} ${armor.replaceAll('\n', '\n ')}\n${commit.slice(end)}`
}

/** Recipes with one package that nothing needs building for. */
export function recipesOf(name: string, version = '1'): Files {
  const text = `import { recipe, steps } from 'abnpkg'
export const made = recipe({ name: '${name}', version: '${version}', summary: 'a package for tests', license: 'MIT', build: steps([['true']]) })
`
  return { [`recipes/packages/${name}.ts`]: text }
}
