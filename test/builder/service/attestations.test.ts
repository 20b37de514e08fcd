import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { evaluate, ownChannel } from '../../../builder/evaluate/evaluate.ts'
import { findPackage } from '../../../builder/evaluate/find.ts'
import { writeArchiveFile } from '../../../builder/service/archive-file.ts'
import { attestClosure, attestPackage, directoryOf } from '../../../builder/service/attestations.ts'
import { parseSha256, sha256Of } from '../../../format/hash.ts'
import { encodeItem, type Item } from '../../../store/item.ts'
import { recordPathOf } from '../../../store/layout.ts'
import { homeFor, now, operatorKeys, runOnce, storeOf } from './_support/world.ts'

/** The packages of the test channel, greet and tool of them built. */
async function built(t: ExecutionContext) {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const store = storeOf(home)
  await runOnce(home, store, { work: [{ kind: 'packages', names: ['greet'] }] }, { signer: alice })
  rmSync(directoryOf(store), { recursive: true })
  const packages = await evaluate([{ ...ownChannel, directory: home.channel }], {})
  const [greet, tool] = [await findPackage(packages, 'greet'), await findPackage(packages, 'tool')]
  const options = { store, packages, signer: alice, software: { abnpkg: 'test' }, now: now(), validSeconds: 86_400 }
  const [input] = greet.derivation.inputs
  if (input === undefined) throw new TypeError('greet has no input')
  const item = store.readItem(input.path)
  const rewrite = (changed: Item) => writeFileSync(recordPathOf(store.layout, item.path), encodeItem(changed))
  return { home, store, greet, tool, options, item, rewrite }
}

test('a closure is attested inputs first, and once', async (t) => {
  const { greet, tool, options } = await built(t)
  const first = attestClosure([greet, tool], options)
  t.deepEqual(
    first.attested.map(({ attestation }) => attestation.statement.name),
    ['tool', 'greet'],
  )
  t.true(first.attested.every(({ fresh }) => fresh))
  const again = attestClosure([greet], { ...options, now: options.now + 3600, software: { abnpkg: 'newer' } })
  t.deepEqual(
    again.attested.map(({ attestation }) => attestation.digest),
    first.attested.map((one) => one.attestation.digest),
  )
  t.true(again.attested.every(({ fresh }) => !fresh))
})

test('what runs out is signed anew, for the time from now on', async (t) => {
  const { greet, options } = await built(t)
  const { attestation } = attestPackage(greet, options)
  const late = { ...options, now: attestation.statement.expires - options.validSeconds / 4 }
  const renewed = attestPackage(greet, late)
  t.true(renewed.fresh)
  t.is(renewed.attestation.statement.expires, late.now + options.validSeconds)
  t.is(renewed.attestation.statement.finished, attestation.statement.finished)
})

test('another key has statements of its own', async (t) => {
  const { greet, store, options } = await built(t)
  const { bob } = operatorKeys('bob')
  const one = attestPackage(greet, options).attestation
  const other = attestPackage(greet, { ...options, signer: bob }).attestation
  t.is(other.statement.builder.key, bob.publicKey.id)
  t.deepEqual(other.statement.outputs, one.statement.outputs)
  t.is(readdirSync(directoryOf(store)).length, 2)
})

test('a substitute is never stated; what was built from it is', async (t) => {
  const { greet, tool, options, item, rewrite } = await built(t)
  const decision = sha256Of('decision')
  rewrite({
    ...item,
    origin: { kind: 'substituted', at: now(), system: 'x86_64-linux', from: 'https://cache.example.org', decision },
  })
  t.throws(() => attestClosure([tool], options), { code: 'ABN_ATTEST_SUBSTITUTED' })
  const { attested, omitted } = attestClosure([greet], options)
  t.deepEqual(
    attested.map(({ attestation }) => attestation.statement.name),
    ['greet'],
  )
  t.deepEqual(
    omitted.map(({ reason }) => reason.code),
    ['ABN_ATTEST_SUBSTITUTED'],
  )
})

test('an input that is gone, or is not what was used, keeps a package from being stated', async (t) => {
  const { greet, store, options, item, rewrite } = await built(t)
  rewrite({ ...item, outputDigest: parseSha256('ab'.repeat(32)) })
  t.throws(() => attestPackage(greet, options), { code: 'ABN_ATTEST_INPUT', message: /other bits/ })
  rmSync(recordPathOf(store.layout, item.path))
  t.throws(() => attestPackage(greet, options), { code: 'ABN_ATTEST_INPUT', message: /not in the store/ })
})

test('a damaged output is not sent', async (t) => {
  const { store, home, greet, options } = await built(t)
  const [output] = attestPackage(greet, options).attestation.statement.outputs
  if (output === undefined) return t.fail('there is no output')
  await writeArchiveFile(output, { store, file: `${home.directory}/good` })
  const victim = `${store.physicalPath(output.path)}/share/greet/version`
  const { chmodSync } = await import('node:fs')
  chmodSync(victim, 0o644)
  for (const [name, text] of [
    ['other', '9.9.9\n'],
    ['longer', `${'x'.repeat(2000)}\n`],
  ]) {
    writeFileSync(victim, text ?? '')
    await t.throwsAsync(writeArchiveFile(output, { store, file: `${home.directory}/${name}` }), {
      code: 'ABN_PUBLISH_ITEM',
    })
  }
})

test('a stored attestation that is damaged is signed anew', async (t) => {
  const { greet, store, options } = await built(t)
  const { attestation } = attestPackage(greet, options)
  const [name = ''] = readdirSync(directoryOf(store))
  writeFileSync(`${directoryOf(store)}/${name}`, attestation.bytes.subarray(0, 100))
  const again = attestPackage(greet, options)
  t.true(again.fresh)
  t.is(again.attestation.digest, attestation.digest)
})
