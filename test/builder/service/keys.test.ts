import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { findKey, listKeys, openKey, readPassphraseFile, writeKey } from '../../../builder/service/keys.ts'
import { newSecretKey } from '../../../trust/secret-key.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

const unasked = (): string => {
  throw new TypeError('nobody should be asked')
}

test('a key is written for its owner alone, and found again', async (t) => {
  const directory = `${temporaryDirectory(t)}/keys`
  const key = newSecretKey('alice')
  const entry = writeKey(directory, key, undefined)
  t.is(statSync(entry.path).mode & 0o777, 0o600)
  t.is(statSync(directory).mode & 0o777, 0o700)
  t.deepEqual(listKeys(directory), [entry])
  t.deepEqual((await openKey(findKey(directory, undefined), unasked)).seed, key.seed)
  t.false(readFileSync(`${directory}/alice.pub`, 'utf8').includes(Buffer.from(key.seed).toString('base64')))
})

test('a key is never replaced', (t) => {
  const directory = temporaryDirectory(t)
  const entry = writeKey(directory, newSecretKey('alice'), undefined)
  const before = readFileSync(entry.path)
  t.throws(() => writeKey(directory, newSecretKey('alice'), undefined), { code: 'ABN_KEY_EXISTS' })
  t.deepEqual(readFileSync(entry.path), before)
})

for (const mode of [0o640, 0o604, 0o644, 0o660]) {
  test(`a key of mode ${mode.toString(8)} is refused`, (t) => {
    const directory = temporaryDirectory(t)
    const { path } = writeKey(directory, newSecretKey('alice'), undefined)
    chmodSync(path, mode)
    t.throws(() => findKey(directory, 'alice'), { code: 'ABN_KEY_PERMISSIONS' })
    t.throws(() => listKeys(directory), { code: 'ABN_KEY_PERMISSIONS' })
    t.is(statSync(path).mode & 0o777, mode)
  })
}

test('a sealed key wants its passphrase, and shows its public half without it', async (t) => {
  const directory = temporaryDirectory(t)
  const key = newSecretKey('alice')
  writeKey(directory, key, 'open sesame')
  const entry = findKey(directory, 'alice')
  t.true(entry.protected)
  t.is(entry.publicKey.id, key.publicKey.id)
  await t.throwsAsync(
    openKey(entry, () => 'open barley'),
    { code: 'ABN_KEY_PASSPHRASE' },
  )
  t.deepEqual((await openKey(entry, () => 'open sesame')).seed, key.seed)
})

test('a file with a passphrase is for its owner alone', (t) => {
  const path = `${temporaryDirectory(t)}/passphrase`
  writeFileSync(path, 'open sesame\n', { mode: 0o600 })
  t.is(readPassphraseFile(path), 'open sesame')
  chmodSync(path, 0o644)
  t.throws(() => readPassphraseFile(path), { code: 'ABN_KEY_PERMISSIONS' })
})

test('without a name there has to be one key', (t) => {
  const directory = temporaryDirectory(t)
  t.throws(() => findKey(directory, undefined), { code: 'ABN_KEY_UNKNOWN' })
  for (const name of ['alice', 'bob']) writeKey(directory, newSecretKey(name), undefined)
  t.throws(() => findKey(directory, undefined), { code: 'ABN_KEY_UNKNOWN' })
  t.throws(() => findKey(directory, 'carol'), { code: 'ABN_KEY_UNKNOWN' })
})

for (const name of ['', '..', '../alice', 'a/b', '.hidden', 'a b']) {
  test(`${JSON.stringify(name)} is no name of a file`, (t) => {
    t.throws(() => findKey(temporaryDirectory(t), name), { code: 'ABN_KEY_NAME' })
  })
}
