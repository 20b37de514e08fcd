/** Makes a workspace and prints how that went: `make-workspace.ts ROOT`. */
import { openStore } from '../../../store/store.ts'

const store = openStore({ root: process.argv[2] ?? '' })
using _ = await store.createWorkspace()
process.stdout.write('made')
