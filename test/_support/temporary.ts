/** A directory for one test. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeDirectory } from '../../store/remove-directory.ts'

/** It goes away with the test, also when the directories in it are read-only, as those of a store are. */
export function temporaryDirectory(t: { teardown(action: () => void): void }): string {
  const directory = mkdtempSync(join(tmpdir(), 'abn-test-'))
  t.teardown(() => removeDirectory(directory))
  return directory
}
