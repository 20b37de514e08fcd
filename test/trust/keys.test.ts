import test from 'ava'
import { base64Of } from '../../trust/bytes.ts'
import { encodePublicKey, parsePublicKey, publicKeyOf } from '../../trust/key.ts'
import { encodeOperator, parseOperator } from '../../trust/operator.ts'
import { encodeSecretKey, isProtected, newSecretKey, parseSecretKey } from '../../trust/secret-key.ts'
import { alice, bob } from './support.ts'

test('a public key is one line', (t) => {
  const line = encodePublicKey(alice.publicKey)
  t.regex(line, /^alice\.example\/builds\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}$/)
  t.deepEqual(parsePublicKey(line), alice.publicKey)
})

const line = encodePublicKey(alice.publicKey)
const [keyName = '', keyHash = '', ...keyRest] = line.split('+')
const key64 = keyRest.join('+')
for (const [title, wrong] of [
  ['another name', `mallory+${keyHash}+${key64}`],
  ['another hash', `${keyName}+00000000+${key64}`],
  ['no name', `+${keyHash}+${key64}`],
  ['a space in the name', `a b+${keyHash}+${key64}`],
  ['a newline at the end', `${line}\n`],
  ['a capital digit in the hash', `${keyName}+${keyHash.toUpperCase()}+${key64}`],
  ['another type', `${keyName}+${keyHash}+BA${key64.slice(2)}`],
  ['too short', line.slice(0, -4)],
  ['nothing', ''],
] as const) {
  test(`not a public key: ${title}`, (t) => {
    t.throws(() => parsePublicKey(wrong), { code: 'ABN_KEY_INVALID' })
  })
}

test('a key of small order is none', (t) => {
  t.throws(() => publicKeyOf('x', new Uint8Array(32)), { code: 'ABN_KEY_INVALID' })
})

test('a secret key survives its file', (t) => {
  const file = encodeSecretKey(alice)
  t.false(isProtected(file))
  t.deepEqual(parseSecretKey(file).publicKey, alice.publicKey)
  t.throws(() => parseSecretKey(file.trimEnd()), { code: 'ABN_KEY_FILE_INVALID' })
  const other = encodeSecretKey(bob).replace(/"publicKey":"[^"]*"/, `"publicKey":"${base64Of(alice.publicKey.bytes)}"`)
  t.throws(() => parseSecretKey(other), { code: 'ABN_KEY_FILE_INVALID' })
})

test('a secret key behind a passphrase', (t) => {
  const file = encodeSecretKey(alice, 'correct horse')
  t.true(isProtected(file))
  t.false(file.includes(base64Of(alice.seed)))
  t.deepEqual(Buffer.from(parseSecretKey(file, 'correct horse').seed), Buffer.from(alice.seed))
  t.throws(() => parseSecretKey(file), { code: 'ABN_KEY_PASSPHRASE' })
  t.throws(() => parseSecretKey(file, 'battery staple'), { code: 'ABN_KEY_PASSPHRASE' })
  t.throws(() => parseSecretKey(file.replace('alice.example', 'alice.exbmple'), 'correct horse'), {
    code: 'ABN_KEY_PASSPHRASE',
  })
})

test('keys are made at random unless told otherwise', (t) => {
  t.notDeepEqual(newSecretKey('a').seed, newSecretKey('a').seed)
})

test('operator.json', (t) => {
  const operator = {
    format: 1,
    name: 'alice',
    who: 'Alice',
    contact: '',
    homepage: 'https://alice.example/',
    keys: [alice.publicKey],
  } as const
  const bytes = encodeOperator(operator)
  t.deepEqual(parseOperator(bytes), operator)
  for (const change of [
    { who: 'a\u001b[31m' },
    { homepage: 'http://x' },
    { homepage: 'javascript:x' },
    { keys: [] },
    { name: 'A' },
  ]) {
    t.throws(() => encodeOperator({ ...operator, ...change }), { code: 'ABN_OPERATOR_INVALID' }, JSON.stringify(change))
  }
})
