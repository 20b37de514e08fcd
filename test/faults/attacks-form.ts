// Attacks with the form of what is said: signatures, and statements that are signed but not well formed.
import type { Attack } from './_support/attack.ts'
import { bothSign, bundleOf, honestBases, malleated, signed, tampered, textOf } from './_support/signed.ts'
import { alice, basePath, bob, mallory, other, otherOutput, pathOf, user, userOutput } from './_support/world.ts'

export const attacksOnForm: readonly Attack[] = [
  {
    name: 'duplicate attestation',
    does: 'the same attestation stands twice in the bundle',
    must: 'build',
    caches: [{ evidence: bundleOf([...honestBases, signed(alice, textOf(alice)), signed(alice, textOf(alice))]) }],
  },
  {
    name: 'a forged signature',
    does: 'mallory signs in the name of bob',
    must: 'build',
    says: /signature/,
    caches: [tampered((one) => ({ ...signed(mallory, one.payload), keyId: bob.publicKey.id }))],
  },
  {
    name: 'signature malleability',
    does: 'S + L in place of S',
    must: 'build',
    says: /signature ABN_SIGNATURE_INVALID/,
    caches: [tampered((one) => ({ ...one, signature: malleated(one.signature) }))],
  },
  {
    name: 'an empty signature',
    does: '64 zero bytes',
    must: 'build',
    says: /signature/,
    caches: [tampered((one) => ({ ...one, signature: new Uint8Array(64) }))],
  },
  {
    name: 'a point of small order',
    does: 'R and S of the neutral element',
    must: 'build',
    says: /signature/,
    caches: [tampered((one) => ({ ...one, signature: Uint8Array.from({ length: 64 }, (_, i) => (i === 0 ? 1 : 0)) }))],
  },
  {
    name: 'a changed statement',
    does: 'one digit of the digest changed after signing',
    must: 'build',
    says: /signature/,
    caches: [tampered((one) => ({ ...one, payload: one.payload.replace(userOutput.digest, otherOutput.digest) }))],
  },
  {
    name: "another's key id",
    does: "alice's signature under bob's key id",
    must: 'build',
    caches: [tampered(() => ({ ...signed(alice, textOf(alice, { invocation: 'two' })), keyId: bob.publicKey.id }))],
  },
  {
    name: 'duplicate JSON keys',
    does: 'two operators sign a statement with the recipe twice',
    must: 'build',
    says: /invalid ABN_JSON_INVALID/,
    caches: [bothSign((text) => text.replace('"recipe":', `"recipe":"${other.recipeHash}","recipe":`))],
  },
  {
    name: 'white space',
    does: 'two operators sign a statement that is not canonical',
    must: 'build',
    says: /invalid ABN_JSON_INVALID/,
    caches: [bothSign((text) => text.replace('{', '{ '))],
  },
  {
    name: 'another spelling',
    does: 'an escape where a character would do',
    must: 'build',
    says: /invalid ABN_JSON_INVALID/,
    caches: [bothSign((text) => text.replace('"user"', '"us\\u0065r"'))],
  },
  {
    name: 'a huge number',
    does: 'a size of 1e400',
    must: 'build',
    says: /invalid/,
    caches: [bothSign((text) => text.replace(/"bytes":\d+/, '"bytes":1e400'))],
  },
  {
    name: 'an unsafe number',
    does: 'a size beyond 2^53',
    must: 'build',
    says: /invalid/,
    caches: [bothSign((text) => text.replace(/"bytes":\d+/, '"bytes":9007199254740994'))],
  },
  {
    name: 'a negative size',
    does: 'a size of -1',
    must: 'build',
    says: /invalid/,
    caches: [bothSign((text) => text.replace(/"bytes":\d+/, '"bytes":-1'))],
  },
  {
    name: 'an unknown field',
    does: 'a field that this version does not know',
    must: 'build',
    says: /invalid/,
    caches: [bothSign((text) => text.replace('"predicateType":', '"override":true,"predicateType":'))],
  },
  {
    name: 'another predicate',
    does: 'a predicate of another type',
    must: 'build',
    says: /invalid/,
    caches: [bothSign((text) => text.replace('provenance/v1', 'provenance/v2'))],
  },
  {
    name: 'traversal in a path',
    does: 'a store path that leads out of the store',
    must: 'build',
    says: /invalid/,
    caches: [bothSign((text) => text.replaceAll(pathOf(user), '/abn/store/../../etc'))],
  },
  {
    name: 'traversal in a reference',
    does: 'a reference to /abn/store/../../etc',
    must: 'build',
    says: /invalid/,
    caches: [bothSign((text) => text.replace(`"references":["${basePath}"]`, '"references":["/abn/store/../../etc"]'))],
  },
  {
    name: 'deep nesting in a statement',
    does: 'ten thousand brackets',
    must: 'build',
    says: /invalid/,
    caches: [
      bothSign((text) =>
        text.replace('"invocationId":"test"', `"invocationId":${'['.repeat(10_000)}${']'.repeat(10_000)}`),
      ),
    ],
  },
  {
    name: 'prototype pollution',
    does: 'a member __proto__',
    must: 'build',
    says: /invalid/,
    caches: [bothSign((text) => text.replace('{', '{"__proto__":{"origin":"built"},'))],
  },
]
