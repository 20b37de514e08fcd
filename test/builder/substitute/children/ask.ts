/** Asks a cache, with certificates and proxies from the environment; prints what it reports. `ask.ts ADDRESS RECIPE ARCHIVE`. */
import { gatherEvidence } from '../../../../builder/substitute/gather.ts'
import { connectToCache, readWhole } from '../../../../builder/substitute/http.ts'
import { parseRecipeHash } from '../../../../format/hash.ts'

const [address = '', recipe = '', archive = ''] = process.argv.slice(2)
using connection = await connectToCache(address)
const recipes = [parseRecipeHash(recipe)]
const { reports } = await gatherEvidence([connection], { recipes, targets: recipes })
const answer = await connection.request(`/v1/archives/${archive}`).catch(() => undefined)
const bytes = answer && (await readWhole(answer, address, 1e6)).length
process.stdout.write(JSON.stringify({ reports, bytes }))
