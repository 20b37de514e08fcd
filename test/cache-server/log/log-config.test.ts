// The configuration of a log, and the file of its key.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { openCache } from '../../../cache-server/cache.ts'
import { parseConfig } from '../../../cache-server/config.ts'
import { encodeWitnessKey } from '../../../trust/log/cosignature.ts'
import { encodeSecretKey } from '../../../trust/secret-key.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { keyOf, logConfig, logSecret } from '../log-support.ts'
import { configOf } from '../support.ts'

const witnessLine = encodeWitnessKey(
  (await import('../../../trust/log/cosignature.ts')).witnessKeyOf(keyOf('w').publicKey),
)
const settings = (log: object) => JSON.stringify({ format: 1, log })

test('the configuration of a log', (t) => {
  const witnesses = [{ key: witnessLine, url: 'https://w.example.org/abn/' }]
  const { log } = parseConfig(settings({ key: 'log.key', witnesses, refreshSeconds: 60 }))
  t.deepEqual([log?.witnesses[0]?.url, log?.quorum, log?.batchSeconds], ['https://w.example.org/abn', 1, 1])
})

for (const [title, log] of [
  ['without a key', {}],
  ['with an unknown field', { key: 'k', colour: 1 }],
  ['with a larger quorum than witnesses', { key: 'k', quorum: 1 }],
  ['with the key of a log as a witness', { key: 'k', witnesses: [{ key: 'x', url: 'https://w.example.org' }] }],
  ['with a witness without an address', { key: 'k', witnesses: [{ key: witnessLine }] }],
  ['with a witness that is a file', { key: 'k', witnesses: [{ key: witnessLine, url: 'file:///x' }] }],
  ['with a password in an address', { key: 'k', witnesses: [{ key: witnessLine, url: 'https://a:b@w.example.org' }] }],
  [
    'with one witness twice',
    { key: 'k', witnesses: [1, 2].map((i) => ({ key: witnessLine, url: `https://w${i}.org` })) },
  ],
] as const) {
  test(`a log ${title} is refused`, (t) => {
    t.throws(() => parseConfig(settings(log)), { code: 'ABN_CACHE_CONFIG' })
  })
}

test('a key that others can read, or that has a passphrase, is refused', async (t) => {
  const directory = temporaryDirectory(t)
  const [open, sealed, missing] = ['open', 'sealed', 'missing'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ]
  writeFileSync(open, encodeSecretKey(logSecret), { mode: 0o644 })
  writeFileSync(sealed, encodeSecretKey(logSecret, 'secret'), { mode: 0o600 })
  for (const [key, code] of [
    [open, 'ABN_KEY_PERMISSIONS'],
    [sealed, 'ABN_CACHE_CONFIG'],
    [missing, 'ABN_CACHE_CONFIG'],
  ] as const) {
    const config = configOf({ log: { ...logConfig(t), key } })
    await t.throwsAsync(openCache({ data: join(directory, 'data'), config }), { code })
  }
  const after = await openCache({ data: join(directory, 'data'), config: configOf() })
  await after.close()
})
