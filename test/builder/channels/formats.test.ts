// Executes the worked examples of docs/formats/channel.md.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { authenticate } from '../../../builder/channels/authenticate.ts'
import { encodeChannelFile, parseChannelFile } from '../../../builder/channels/channel-file.ts'
import { encodeChannels, parseChannels } from '../../../builder/channels/configuration.ts'
import { type ObjectId, type ObjectKind, parseCommit, parseObjectId } from '../../../builder/channels/git-objects.ts'
import { fingerprintOf } from '../../../builder/channels/ssh-key.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/formats/channel.md'), 'utf8')

function example(name: string): string {
  const found = new RegExp(`^\`\`\`\\w+ example=${name}\\n(.*?)\\n\`\`\`$`, 'ms').exec(page)?.[1]
  if (found === undefined) throw new Error(`channel.md has no example ${name}`)
  return found
}

const nameOf = (kind: ObjectKind, bytes: Buffer): ObjectId =>
  parseObjectId(createHash('sha1').update(`${kind} ${bytes.length}\0`).update(bytes).digest('hex'))

test('the channel file and the fingerprint of its key', (t) => {
  const text = `${example('channel-file')}\n`
  const file = parseChannelFile(Buffer.from(text))
  t.is(encodeChannelFile(file), text)
  t.deepEqual(file.keys.map(({ key }) => fingerprintOf(key)) as string[], [example('fingerprint')])
})

test('the commit counts as an introduction by that key', async (t) => {
  const file = Buffer.from(`${example('channel-file')}\n`)
  const tree = Buffer.concat([Buffer.from('100644 .abnpkg-channel.json\0'), Buffer.from(nameOf('blob', file), 'hex')])
  const commit = Buffer.from(`${example('commit')}\n`)
  const head = nameOf('commit', commit)
  t.is(head as string, example('commit-id'))
  t.is(parseCommit(head, commit).tree, nameOf('tree', tree))
  const objects = new Map<ObjectId, Buffer>([
    [nameOf('blob', file), file],
    [nameOf('tree', tree), tree],
    [head, commit],
  ])
  const [listed] = parseChannelFile(file).keys
  if (listed === undefined) throw new Error('the example lists no key')
  const read = async (id: ObjectId) => objects.get(id)
  const history = await authenticate(read, { head, introduction: { commit: head, key: fingerprintOf(listed.key) } })
  t.is(history.count, 1)
  t.is(history.introduction.key, listed.key)
})

test('channels.json', (t) => {
  const text = example('channels')
  const place = { path: '', fail: (reason: string) => new Error(reason) }
  t.is(encodeChannels(parseChannels(text, place)), `${text}\n`)
})
