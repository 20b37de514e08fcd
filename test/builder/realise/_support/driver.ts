// Builds a few packages in a process of its own, to be killed or to be another user's: `driver.ts DIRECTORY SALT`.
// When it ends by itself it has printed the store paths and output digests as JSON.
import { outputPathsOf } from '../../../../builder/realise/plan.ts'
import { copier, TestChannel, write } from './channel.ts'

const [directory = '', salt = ''] = process.argv.slice(2)
const channel = new TestChannel(directory)
const base = channel.package({
  name: 'base',
  programs: { copier, write },
  directories: ['@{out}/bin'],
  files: [{ path: '@{out}/salt', text: salt, executable: false }],
  steps: [
    ['./copier', './write', '@{out}/bin/write'],
    ['./copier', './copier', '@{out}/bin/copier'],
  ],
  smoke: [['bin/write', '/tmp/x', 'y']],
})
const PATH = `${outputPathsOf(base).get('out')}/bin`
const users = ['a', 'b', 'c', 'd'].map((name) =>
  channel.package({
    name,
    inputs: [base],
    outputs: ['doc', 'out'],
    directories: ['@{out}/many'],
    env: { PATH },
    steps: [
      ['write', '@{doc}/text', '@{out}'],
      ...Array.from({ length: 20 }, (_, i) => ({ args: ['write', `@{out}/many/${i}`, name], parallel: true })),
    ],
  }),
)
const last = channel.package({
  name: 'last',
  inputs: [base, ...users],
  env: { PATH },
  steps: [['write', '@{out}/x', 'x']],
})
await channel.realise([last], { jobs: 2, cores: Number(process.env.CORES ?? 2) })
const items = [...channel.packages.values()]
  .flatMap((one) => [...outputPathsOf(one).values()])
  .map((path) => channel.store.readItem(path))
process.stdout.write(JSON.stringify(items.map(({ path, outputDigest }) => [path, outputDigest])))
