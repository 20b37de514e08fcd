// Builds that leave what is hard to remove, each with keepFailed, in a store of its own: `hostile.ts DIRECTORY`. Prints how each
// ended, what was kept and what was left behind, as JSON.
import { existsSync, readdirSync } from 'node:fs'
import { AbnError } from '../../../../format/errors.ts'
import { removeDirectory } from '../../../../store/remove-directory.ts'
import { type Recipe, TestChannel, write } from './channel.ts'

const channel = new TestChannel(process.argv[2])
/** `deep DIRECTORY`: 40 directories in each other, 200 bytes each. */
const deep = `fn main(c, v) {
  if (chdir(v[1]) < 0) return 1;
  var i = 0; while (i < 200) { out.[i] = 'd'; i = i + 1; } out.[i] = 0;
  i = 0; while (i < 40) { if (mkdir(out, 0x1ed) < 0) return 2; if (chdir(out) < 0) return 3; i = i + 1; }
  return 0; }`
/** `close DIRECTORY...`: takes all permissions away. */
const closer =
  'fn main(c, v) { var i = 1; while (i < c) { if (syscall(90, v[i], 0, 0, 0, 0, 0) < 0) return 1; i = i + 1; } return 9; }'
const fail = 'fn main() { return 9; }'

const ended = async (recipe: Recipe) => {
  let kept: string | undefined
  const result = await channel
    .realise([channel.package(recipe)], {
      keepFailed: true,
      onEvent: (event) => {
        if (event.kind === 'build-failed') kept = event.failure.kept
      },
    })
    .then(
      () => 'built',
      (error: unknown) => (error instanceof AbnError ? error.code : String(error)),
    )
  const names = kept !== undefined && existsSync(kept) ? readdirSync(kept).sort() : []
  return [recipe.name, result, ...names]
}

const results = [
  await ended({
    name: 'deep-build',
    programs: { deep },
    steps: [
      ['./deep', '/build'],
      ['./deep', '/tmp'],
    ],
  }),
  await ended({ name: 'deep-output', programs: { deep }, steps: [['./deep', '@{out}']] }),
  await ended({ name: 'deep-failure', programs: { deep, fail }, steps: [['./deep', '/build'], ['./fail']] }),
  await ended({ name: 'closed', programs: { closer }, steps: [['./closer', '@{out}', '/build', '/tmp']] }),
  await ended({ name: 'next', programs: { write }, steps: [['./write', '@{out}/x', 'x']] }),
]
const temporary = readdirSync(channel.store.layout.temporary)
removeDirectory(channel.root)
process.stdout.write(JSON.stringify({ results, temporary }))
