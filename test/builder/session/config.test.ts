import test from 'ava'
import { PLACE, parseBuilderConfig } from '../../../builder/service/config.ts'
import { withQuotePerBuild } from '../../../builder/session/config.ts'
import { configurationDigestOf, effectiveConfiguration } from '../../../builder/session/configuration.ts'
import { canonicalJson } from '../../../format/canonical-json.ts'
import { sha256Of } from '../../../format/hash.ts'
import { encodePublicKey } from '../../../trust/key.ts'
import { newSecretKey } from '../../../trust/secret-key.ts'

const parse = (session?: unknown) =>
  parseBuilderConfig(JSON.stringify({ format: 1, work: [{ kind: 'channel' }], session }))

test('what is left out has its default', (t) => {
  t.is(parse().session, undefined)
  t.deepEqual(parse({ tee: 'tdx' }).session, { tee: 'tdx', hours: 168, perBuild: false, logs: [], collateral: [] })
  const log = encodePublicKey(newSecretKey('log.example.org').publicKey)
  const all = {
    tee: 'simulated',
    hours: 2160,
    perBuild: true,
    logs: [log],
    collateral: ['https://cache.example.org/pccs'],
  }
  t.like(parse(all).session, {
    hours: 2160,
    perBuild: true,
    collateral: all.collateral,
    logs: [{ name: 'log.example.org' }],
  })
})

for (const [title, session, message] of [
  ['no TEE', {}, /session\.tee: expected "none", "tdx" or "simulated"/],
  ['an unknown TEE', { tee: 'sgx' }, /session\.tee/],
  ['an unknown field', { tee: 'tdx', fallback: true }, /session: unknown field "fallback"/],
  ['no hours', { tee: 'tdx', hours: 0 }, /session\.hours: expected at least 1/],
  ['half an hour', { tee: 'tdx', hours: 0.5 }, /session\.hours/],
  ['more than 90 days', { tee: 'tdx', hours: 2161 }, /session\.hours: expected a whole number from 0 to 2160/],
  ['a quote for each build in no TEE', { tee: 'none', perBuild: true }, /session\.perBuild: without a TEE/],
  ['a text for a flag', { tee: 'tdx', perBuild: 'yes' }, /session\.perBuild: expected true or false/],
  ['a log that is no key', { tee: 'tdx', logs: ['log'] }, /session\.logs\[0\]/],
  ['an address that is none', { tee: 'tdx', collateral: ['cache'] }, /session\.collateral\[0\]/],
  ['a list', [], /session: expected an object/],
] as const) {
  test(`refused: ${title}`, (t) => {
    t.throws(() => parse(session), { code: 'ABN_BUILDER_CONFIG', message })
  })
}

test('--quote-per-build takes sessions in a TEE', (t) => {
  t.true(withQuotePerBuild(parse({ tee: 'simulated' }).session, PLACE).perBuild)
  t.throws(() => withQuotePerBuild(parse({ tee: 'none' }).session, PLACE), { code: 'ABN_BUILDER_CONFIG' })
  t.throws(() => withQuotePerBuild(undefined, PLACE), { code: 'ABN_BUILDER_CONFIG', message: /has no sessions/ })
})

test('the digest is of the whole configuration, defaults included', (t) => {
  const config = parse({ tee: 'tdx', hours: 24 })
  const json = canonicalJson(effectiveConfiguration(config, { reproduce: false }))
  t.is(configurationDigestOf(config, { reproduce: false }), sha256Of(json))
  t.is(
    json,
    '{"caches":[],"cores":null,"everySeconds":600,"format":1,"jobs":null,"key":null,"listen":null,"operators":[],"passphraseFile":null,' +
      '"reproduce":false,"retry":{"attempts":5,"firstSeconds":30,"maximumSeconds":3600},' +
      '"session":{"collateral":[],"hours":24,"logs":[],"perBuild":false,"tee":"tdx"},"sources":false,"validDays":365,"work":[{"kind":"channel"}]}',
  )
  const digests = [
    configurationDigestOf(config, { reproduce: false }),
    configurationDigestOf(config, { reproduce: true }),
    configurationDigestOf(parse({ tee: 'tdx', hours: 25 }), { reproduce: false }),
    configurationDigestOf({ ...config, sources: true }, { reproduce: false }),
  ]
  t.is(new Set(digests).size, digests.length)
})
