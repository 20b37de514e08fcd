import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { fetchSources } from '../../../builder/fetch/sources.ts'
import { unpackSource } from '../../../builder/unpack/source.ts'
import { AbnError } from '../../../format/errors.ts'
import { parseSha256, type Sha256, sha256Of } from '../../../format/hash.ts'
import { listening } from '../../_support/listening.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

const hasGit = spawnSync('git', ['--version']).status === 0
const gitTest = hasGit ? test : test.skip

/** A repository with one commit, served as plain files ("dumb" HTTP), which cannot give out single commits. */
async function serveRepository(t: ExecutionContext) {
  const top = temporaryDirectory(t)
  const work = join(top, 'work')
  const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' }
  const git = (...args: string[]) => execFileSync('git', args, { cwd: work, env, encoding: 'utf8' }).trim()
  fs.mkdirSync(join(work, 'dir/sub'), { recursive: true })
  fs.writeFileSync(join(work, 'file'), '$Id$ one\n')
  fs.writeFileSync(join(work, 'dir/sub/run'), '#!/bin/sh\r\n', { mode: 0o755 })
  fs.writeFileSync(join(work, 'dir.txt'), 'sorts before dir/\n')
  fs.writeFileSync(join(work, '.gitattributes'), 'file export-ignore ident\ndir.txt text eol=crlf\n')
  fs.symlinkSync('dir/sub/run', join(work, 'link'))
  git('init', '--quiet')
  git('-c', 'core.safecrlf=false', 'add', '.')
  git('-c', 'user.name=a', '-c', 'user.email=a@example.org', 'commit', '--quiet', '-m', 'one')
  git('update-server-info')
  const server = createServer((request, response) => {
    const path = join(work, '.git', decodeURIComponent(new URL(request.url ?? '', 'http://x').pathname))
    fs.readFile(path, (error, data) => (error ? response.writeHead(404).end() : response.end(data)))
  })
  const address = await listening(t, server)
  const commit = git('rev-parse', 'HEAD')
  const fetch = (sha256: Sha256, hint: { readonly url?: string; readonly commit?: string } = {}) =>
    fetchSources([{ sha256, hint: { kind: 'git', url: `${address}/`, commit, ...hint } }], {
      cacheDirectory: join(top, 'cache'),
      channelRoot: '/',
    })
  return { top, fetch }
}

// made by GNU tar: --format=ustar -b1 --no-recursion --mtime=@1 --owner=0 --group=0 --numeric-owner, names sorted, modes 0444 and 0555
const sha256 = parseSha256('f850433e920e0b477d8bc9249c3cbe4d0b2f1819b1971cba169252dc230172e5')

gitTest('a commit becomes the canonical archive of its files, whatever its attributes say', async (t) => {
  const { top, fetch } = await serveRepository(t)
  const file = (await fetch(sha256)).get(sha256) ?? ''
  t.deepEqual(fs.readdirSync(join(top, 'cache')), [sha256])
  t.is(createHash('sha256').update(fs.readFileSync(file)).digest('hex'), sha256)
  const root = join(top, 'root')
  fs.mkdirSync(root)
  await unpackSource({ file, unpack: { kind: 'git' }, root, to: 'src' })
  t.deepEqual(fs.readdirSync(join(root, 'src')).sort(), ['.gitattributes', 'dir', 'dir.txt', 'file', 'link'])
  t.is(fs.readFileSync(join(root, 'src/file'), 'utf8'), '$Id$ one\n')
  t.is(fs.readlinkSync(join(root, 'src/link')), 'dir/sub/run')
  t.is(fs.statSync(join(root, 'src/dir/sub/run')).mode & 0o7777, 0o755)
})

gitTest('another hash, another commit, another protocol and a dead host are refused', async (t) => {
  const { top, fetch } = await serveRepository(t)
  const refused = async (code: string, message: RegExp, hint: { readonly url?: string; readonly commit?: string }) => {
    const error = await t.throwsAsync(fetch(sha256Of('other'), hint))
    t.true(error instanceof AbnError && error.code === code, String(error))
    t.regex(error.message, message)
  }
  await refused('ABN_SOURCE_WRONG_HASH', /the archive of commit [0-9a-f]{40} has SHA-256 [0-9a-f]{64}/, {})
  await refused('ABN_SOURCE_NOT_FOUND', /git (fetch|ls-tree) failed/, { commit: '0'.repeat(40) })
  await refused('ABN_SOURCE_NOT_FOUND', /not the full hash of a commit/, { commit: '--upload-pack=touch' })
  await refused('ABN_SOURCE_ADDRESS', /expected http/, { url: `file://${top}/work` })
  await refused('ABN_SOURCE_ADDRESS', /expected http/, { url: 'ext::sh -c true' })
  await refused('ABN_SOURCE_UNREACHABLE', /connection refused/, { url: 'http://127.0.0.1:1/' })
  t.deepEqual(fs.readdirSync(join(top, 'cache')), [])
})
