import test from 'ava'
import type { Plan } from '../../../builder/realise/plan.ts'
import { estimateOf } from '../../../builder/substitute/estimate.ts'
import { type Sha256, sha256Of } from '../../../format/hash.ts'

/** Of one output of 1,000,000 bytes. */
function downloadWith(hint: number | undefined): number {
  const accepted = [{ digest: sha256Of('archive'), bytes: 1_000_000 }]
  const plan = { steps: [{ kind: 'substitute', accepted }], downloads: [] } as unknown as Plan
  const transferBytesOf = (archive: Sha256) => (archive === sha256Of('archive') ? hint : undefined)
  return estimateOf(plan, { secondsOf: () => undefined, transferBytesOf }).downloadBytes
}

test('what a cache says of the size of an archive is taken for the estimate', (t) => {
  t.is(downloadWith(123_456), 123_456)
})

for (const hint of [undefined, 0, 2_000_000, Number.MAX_SAFE_INTEGER]) {
  test(`a hint of ${hint} is none`, (t) => {
    t.is(downloadWith(hint), downloadWith(undefined))
    t.true(downloadWith(hint) < 1_000_000)
  })
}
