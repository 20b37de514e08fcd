// SSH signatures: a vector from OpenSSH that always runs, what must be refused, and the real ssh-keygen and git where they are.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { addChannel, updateChannel } from '../../../builder/channels/follow.ts'
import { fingerprintOf, parseFingerprint, parseSshKey } from '../../../builder/channels/ssh-key.ts'
import { encodeSshSignature, parseSshSignature, verifySshSignature } from '../../../builder/channels/ssh-signature.ts'
import { AbnError } from '../../../format/errors.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { hasGit, hasSshKeygen, newSigner, recipesOf, signatureOf } from './_support/repository.ts'

const vectors = join(import.meta.dirname, '../../vectors/ssh-signature')
const read = (name: string) => readFileSync(join(vectors, name), 'utf8').trimEnd()
const message = Buffer.from('a message\n')

test('what OpenSSH has signed', (t) => {
  const key = parseSshKey(read('ed25519.pub'))
  t.is(fingerprintOf(key) as string, read('ed25519.fingerprint'))
  for (const name of ['sha512.sig', 'sha256.sig']) {
    const armor = read(name)
    t.is(verifySshSignature(armor, { message, namespace: 'git' }), key, name)
    t.is(encodeSshSignature(parseSshSignature(armor)), armor, name)
  }
})

const refused = test.macro((t, armor: string, reason: RegExp, namespace: string = 'git') => {
  const error = t.throws(() => verifySshSignature(armor, { message, namespace }))
  t.true(error instanceof AbnError && error.code === 'ABN_CHANNEL_SIGNATURE', String(error))
  t.regex(error?.message ?? '', reason)
})

const good = read('sha512.sig')
const lines = good.split('\n')
const changed = (change: (blob: Buffer) => Buffer) => {
  const text = change(Buffer.from(lines.slice(1, -1).join(''), 'base64')).toString('base64')
  return [lines[0], ...(text.match(/.{1,70}/g) ?? []), lines.at(-1)].join('\n')
}
const flipped = (at: number) =>
  changed((blob) => {
    blob[at < 0 ? blob.length + at : at] = (blob.at(at) ?? 0) ^ 1
    return blob
  })

test('another namespace is expected', refused, good, /it is for "git", expected "file"/, 'file')
test('a bit of the signature', refused, flipped(-5), /not that of its key/)
test('a bit of the key', refused, flipped(60), /not that of its key|not those of an Ed25519 key/)
test('another magic', refused, flipped(0), /does not begin with SSHSIG/)
test('another version', refused, flipped(9), /expected version 1/)
test(
  'bytes after the end',
  refused,
  changed((blob) => Buffer.concat([blob, Buffer.of(0)])),
  /more bytes/,
)
test(
  'an end that is missing',
  refused,
  changed((blob) => blob.subarray(0, -1)),
  /ends too early/,
)
test('an RSA signature', refused, read('rsa.sig'), /expected a key of type ssh-ed25519, got "ssh-rsa"/)
test('an ECDSA signature', refused, read('ecdsa.sig'), /got "ecdsa-sha2-nistp256"/)
test('OpenPGP', refused, '-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----', /OpenPGP/)
test('nothing', refused, '', /no SSH signature/)
test('lines of another length', refused, good.replace(/\n(.{60})/, '\n$1\n'), /lines of 70/)
test('white space in it', refused, good.replace(/\n(.{10})/, '\n$1 '), /base 64/)
test('a text before it', refused, `x\n${good}`, /no SSH signature/)
test('a newline after it', refused, `${good}\n`, /no SSH signature/)
test('too long', refused, 'A'.repeat(5000), /too long/)

const keys = test.macro((t, line: string) => {
  t.throws(() => parseSshKey(line), { code: 'ABN_CHANNEL_KEY' })
})
const line = read('ed25519.pub')
test('an RSA key', keys, read('rsa.pub'))
test('an ECDSA key', keys, read('ecdsa.pub'))
test('a key under the wrong type', keys, line.replace(/^ssh-ed25519/, 'ssh-rsa'))
test('a key with a wrong type inside', keys, read('rsa.pub').replace(/^ssh-rsa/, 'ssh-ed25519'))
test('a key with options before it', keys, `command="x" ${line}`)
test('two lines', keys, `${line}\n${line}`)
test(
  'a point of small order',
  keys,
  `ssh-ed25519 ${Buffer.from('0000000b7373682d6564323535313900000020'.concat('00'.repeat(32)), 'hex').toString('base64')}`,
)
test('a fingerprint that is none', (t) => {
  for (const text of ['', 'MD5:aa', 'SHA256:short', `SHA256:${'A'.repeat(42)}B`, `SHA256:${'A'.repeat(44)}`]) {
    t.throws(() => parseFingerprint(text), { code: 'ABN_CHANNEL_KEY' }, text)
  }
})

test('what is signed here, with either hash', (t) => {
  const signer = newSigner()
  for (const hash of ['sha256', 'sha512'] as const) {
    t.is(verifySshSignature(signatureOf(signer, message, { hash }), { message, namespace: 'git' }), signer.key)
  }
})

const realTest = hasGit && hasSshKeygen ? test : test.skip

realTest('commits that the real git signs with the real ssh-keygen', async (t) => {
  const top = temporaryDirectory(t)
  const work = join(top, 'work')
  const env = { PATH: process.env.PATH, HOME: top, GIT_CONFIG_NOSYSTEM: '1' }
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { cwd: work, env, encoding: 'utf8', stdio: 'pipe' }).trim()
  mkdirSync(join(work, 'recipes/packages'), { recursive: true })
  run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'a comment', '-f', join(top, 'id'))
  const key = readFileSync(join(top, 'id.pub'), 'utf8').trim()
  run('git', 'init', '-q')
  const settings = ['user.name=A', 'user.email=a@example.org', 'gpg.format=ssh', `user.signingkey=${top}/id.pub`]
  for (const setting of settings) run('git', 'config', ...setting.split('='))
  const commit = (text: string) => {
    for (const [path, content] of Object.entries(recipesOf('one', text))) writeFileSync(join(work, path), content)
    run('git', 'add', '.')
    run('git', 'commit', '-q', '-S', '-m', `version ${text}\n\nwith a body, and ümlauts`)
    return run('git', 'rev-parse', 'HEAD')
  }
  writeFileSync(
    join(work, '.abnpkg-channel.json'),
    JSON.stringify({ format: 1, summary: '', keys: [{ name: 'a', key }] }),
  )
  const first = commit('1')
  const options = { cacheDirectory: join(top, 'cache'), signal: new AbortController().signal }
  const introduction = { commit: first, key: fingerprintOf(parseSshKey(key)) }
  const { channel } = await addChannel({ name: 'x', url: work, branch: '', introduction }, options)
  run('git', 'checkout', '-q', '-b', 'side')
  commit('2')
  run('git', 'checkout', '-q', '-')
  run('git', 'merge', '-q', '-S', '--no-ff', '-m', 'a merge', 'side')
  const { channel: now, commits } = await updateChannel(channel, { ...options, allowRollback: false })
  t.is(commits, 3)
  t.is(now.pin.commit, run('git', 'rev-parse', 'HEAD'))
})
