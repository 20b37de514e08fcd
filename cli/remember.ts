// Leaves the note that lets quick.ts give an answer again. Loaded after the answer was printed; that it cannot be left only costs time.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { evaluationsUsed, fileStateOf } from '../builder/evaluate/file-states.ts'
import { layoutOf } from '../store/layout.ts'
import { storeRootFrom } from '../store/root.ts'
import { linesPrinted } from './output.ts'
import { type Answer, answerPath, surroundingsOf } from './quick.ts'
import { settingsFiles } from './settings/settings-file.ts'

/** `looked`: when the command began, in milliseconds. */
export function rememberAnswer(argv: readonly string[], env: NodeJS.ProcessEnv, looked: number): void {
  try {
    const lines = linesPrinted()
    const evaluations = evaluationsUsed()
    if (lines === undefined || evaluations === undefined) return
    const root = storeRootFrom(env)
    // A command that looks makes no store.
    if (!existsSync(`${root}/var/version`)) return
    const paths = placesLookedAt(root, env)
    const states = paths.map(fileStateOf)
    const answer: Answer = {
      version: 2,
      surroundings: surroundingsOf(env),
      looked,
      files: states.filter((state) => state !== undefined),
      absent: paths.filter((_, i) => states[i] === undefined),
      evaluations,
      lines,
    }
    const path = answerPath(root, argv)
    const directory = dirname(path)
    mkdirSync(directory, { recursive: true })
    if (readdirSync(directory).length > MOST) rmSync(directory, { recursive: true, force: true })
    mkdirSync(directory, { recursive: true })
    writeFileSync(`${path}.${process.pid}`, JSON.stringify(answer))
    renameSync(`${path}.${process.pid}`, path)
  } catch {
    // A read-only or full store: the next time goes the long way again.
  }
}

const MOST = 200

/**
 * Everything of the store that commands look at changes one of its directories; settings and channels are in the configuration
 * directories; what makes the answer is abnpkg itself, whose files change their directories when it is replaced.
 */
function placesLookedAt(root: string, env: NodeJS.ProcessEnv): readonly string[] {
  const { items, profiles, generations } = layoutOf(root)
  const configuration = settingsFiles(env).map((file) => dirname(file))
  const house = join(import.meta.dirname, '..')
  const rooms = ['cli', 'store', 'builder/channels', 'builder/substitute', 'trust', 'trust/policy']
  const folders = ['commands', 'graphs', 'plans', 'policy', 'profiles', 'settings', 'store'].map(
    (name) => `cli/${name}`,
  )
  const code = [...rooms, ...folders].map((name) => join(house, name))
  return [`${root}/var/version`, items, profiles, generations, ...configuration.flatMap(withEntries), ...code]
}

function withEntries(directory: string): readonly string[] {
  try {
    return [directory, ...readdirSync(directory).map((name) => join(directory, name))]
  } catch {
    return [directory]
  }
}
