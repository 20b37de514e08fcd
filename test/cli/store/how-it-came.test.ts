// What `abnpkg show` says of how an item came: from the worked examples of docs/formats, kept in a store.
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { writeBuiltNote, writeDecisionRecord } from '../../../builder/substitute/decision-records.ts'
import { fieldsOfOrigin, howItCame } from '../../../cli/store/how-it-came.ts'
import type { Item } from '../../../store/item.ts'
import { openStore } from '../../../store/store.ts'
import { verifyEvidence } from '../../../trust/evidence.ts'
import { decisionOfJson } from '../../../trust/policy/decision-schema.ts'
import { parsePolicy } from '../../../trust/policy/policy.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { origin, pathOf, recipeOf } from '../../store/support.ts'

const example = (page: string, name: string) => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/formats', page), 'utf8')
  return new RegExp(`^\`\`\`\\w+ example=${name}\\n(.*?)\\n\`\`\`$`, 'ms').exec(text)?.[1] ?? ''
}

test('a substitute: when, from where, on whose word and by which rule; a decision that is gone is no failure', async (t) => {
  const store = openStore({ root: temporaryDirectory(t), durable: false })
  const place = { path: '', fail: (reason: string) => new Error(reason) }
  const decision = decisionOfJson(JSON.parse(example('decision.md', 'decision')), place)
  const policy = parsePolicy(example('policy.md', 'policy'))
  const evidence = verifyEvidence([], policy)
  const name = await writeDecisionRecord(store, { policy, evidence, decisions: [decision] })
  const { path, recipe, version, output } = decision.request
  const item: Item = {
    ...{ format: 1, path, recipe, name: 'greeting', version, output, bytes: 2560, references: [] },
    outputDigest: name,
    origin: { kind: 'substituted', at: 0, system: 'x86_64-linux', from: 'https://cache.example', decision: name },
  }
  const [fetched, because] = fieldsOfOrigin(await howItCame(store, item), item.bytes)
  t.deepEqual(fetched, ['fetched', '1970-01-01 00:00 UTC from https://cache.example, 2.6 kB'])
  t.is(because?.[0], 'because')
  t.regex(
    because?.[1] ?? '',
    /on the word of alice, bob; decided 2026-11-22T01:00:00Z by the default rule: 2 operators agree/,
  )
  for (const file of readdirSync(join(store.root, 'var/decisions'))) rmSync(join(store.root, 'var/decisions', file))
  const [, gone] = fieldsOfOrigin(await howItCame(store, item), item.bytes)
  t.regex(gone?.[1] ?? '', /the decision is not kept here/)
})

test('what was built: when, how long it took, and why it was not fetched', async (t) => {
  const store = openStore({ root: temporaryDirectory(t), durable: false })
  const path = pathOf('a')
  const item: Item = {
    ...{ format: 1, path, recipe: recipeOf('a'), name: 'a', version: '1', output: 'out', bytes: 10, references: [] },
    outputDigest: origin.resolved,
    origin: { ...origin, seconds: 75 },
  }
  const fields = async () => fieldsOfOrigin(await howItCame(store, item), item.bytes)
  t.deepEqual(await fields(), [
    ['built', '1970-01-01 00:00 UTC in 1 min 15 s, 10 B'],
    ['because', 'no cache was asked'],
  ])
  writeBuiltNote(store, path, { because: 'refused', record: null })
  t.deepEqual((await fields())[1], ['because', 'the policy did not accept what others attest'])
})
