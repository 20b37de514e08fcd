// Attacks with what is in an archive. Here even the operators are in league with the cache: two of them attest the very bits, so that only
// the decoder and the limits stand between the archive and the disk.
import { zstdCompressSync } from 'node:zlib'
import { blockBytes, paddingOf, type UstarField, ustar } from '../../format/archive/header.ts'
import { sha256Of } from '../../format/hash.ts'
import { type StorePath, storeItemOf } from '../../format/store-path.ts'
import type { Attack } from './_support/attack.ts'
import { archives, bundled, send } from './_support/hostile-cache.ts'
import {
  alice,
  attestationBy,
  base,
  basePath,
  bob,
  fileOf,
  outputOf,
  statedOf,
  user,
  userOutput,
  userPath,
} from './_support/world.ts'

const item = storeItemOf(userPath)
const at = (path: string) => `abn/store/${item}${path}`

type Block = { readonly name: string; readonly type?: string; readonly content?: string; readonly link?: string } & {
  readonly fields?: Partial<Record<UstarField, string>>
}

/** A header block as any tar could make it, with its content. */
function block({ name, type = '0', content = '', link = '', fields = {} }: Block): Buffer {
  const header = Buffer.alloc(blockBytes)
  const put = (field: UstarField, text: string): void => {
    header.write(text, ustar[field].at, 'latin1')
  }
  put('name', name)
  put('mode', type === '5' ? '0000555\0' : type === '2' ? '0000777\0' : '0000444\0')
  put('uid', '0000000\0')
  put('gid', '0000000\0')
  put('size', `${Buffer.byteLength(content).toString(8).padStart(11, '0')}\0`)
  put('mtime', '00000000001\0')
  put('type', type)
  put('link', link)
  put('magic', 'ustar\x0000')
  put('deviceMajor', '0000000\0')
  put('deviceMinor', '0000000\0')
  for (const [field, text] of Object.entries(fields)) put(field as UstarField, text)
  header.fill(0x20, ustar.checksum.at, ustar.checksum.at + 8)
  const sum = header.reduce((total, byte) => total + byte, 0)
  put('checksum', `${sum.toString(8).padStart(6, '0')}\0 `)
  return Buffer.concat([header, Buffer.from(content), Buffer.alloc(paddingOf(Buffer.byteLength(content)))])
}

const top = block({ name: at('/'), type: '5' })
const end = Buffer.alloc(2 * blockBytes)

function tarOf(...blocks: readonly Buffer[]): Buffer {
  return Buffer.concat([...blocks, end])
}

type Attested = { readonly bytes?: number; readonly references?: readonly StorePath[] }

/** Alice and bob attest exactly this archive. */
function attack(
  name: string,
  does: string,
  says: RegExp,
  archive: Buffer,
  { bytes = archive.length, references = [] }: Attested = {},
): Attack {
  const digest = sha256Of(archive)
  const outputs = [statedOf(userOutput, { digest, bytes, references })]
  const said = [alice, bob].flatMap((signer) => [attestationBy(signer, base), attestationBy(signer, user, { outputs })])
  const archive1 = archives({ [digest]: (response) => send(response, zstdCompressSync(archive)) })
  return { name: `tar: ${name}`, does, says, must: 'build', caches: [{ evidence: bundled(said), archive: archive1 }] }
}

const CANONICAL =
  /canonical|not a path|name within|out of order|occurs twice|no directory|of type|link|empty|after its end|early|not a file name|larger/

export const attacksInArchives: readonly Attack[] = [
  attack('traversal', 'a name with ..', CANONICAL, tarOf(top, block({ name: at('/../../../evil'), content: 'x' }))),
  attack(
    'traversal at the front',
    'a name that begins with ..',
    CANONICAL,
    tarOf(top, block({ name: '../evil', content: 'x' })),
  ),
  attack(
    'an absolute name',
    'a name that begins with /',
    CANONICAL,
    tarOf(top, block({ name: '/tmp/evil', content: 'x' })),
  ),
  attack(
    "another item's name",
    'a file in the directory of another item',
    CANONICAL,
    tarOf(top, block({ name: `abn/store/${storeItemOf(basePath)}/evil`, content: 'x' })),
  ),
  attack(
    'a name that only begins like ours',
    'the item with a suffix',
    CANONICAL,
    tarOf(top, block({ name: `${at('')}-evil/x`, content: 'x' })),
  ),
  attack(
    'writing through a link',
    'a link to the outside, then a file below it',
    CANONICAL,
    tarOf(top, block({ name: at('/a'), type: '2', link: '/tmp' }), block({ name: at('/a/evil'), content: 'x' })),
  ),
  attack(
    'a link out of the store',
    'a link to /etc/passwd',
    CANONICAL,
    tarOf(top, block({ name: at('/a'), type: '2', link: '../../../../etc/passwd' })),
  ),
  attack(
    'a link in place of the item',
    'the item itself is a link',
    CANONICAL,
    tarOf(block({ name: at(''), type: '2', link: '/etc' })),
  ),
  attack(
    'a hard link',
    'a hard link to /etc/passwd',
    CANONICAL,
    tarOf(top, block({ name: at('/a'), type: '1', link: '/etc/passwd' })),
  ),
  attack(
    'a character device',
    '/dev/mem',
    CANONICAL,
    tarOf(top, block({ name: at('/a'), type: '3', fields: { deviceMajor: '0000001\0', deviceMinor: '0000001\0' } })),
  ),
  attack('a block device', '/dev/sda', CANONICAL, tarOf(top, block({ name: at('/a'), type: '4' }))),
  attack(
    'a named pipe',
    'a file that never ends to be read',
    CANONICAL,
    tarOf(top, block({ name: at('/a'), type: '6' })),
  ),
  attack(
    'a duplicate',
    'one name twice',
    CANONICAL,
    tarOf(top, block({ name: at('/a'), content: 'good' }), block({ name: at('/a'), content: 'evil' })),
  ),
  attack(
    'a file and a directory of one name',
    'a name as both',
    CANONICAL,
    tarOf(top, block({ name: at('/a'), content: 'x' }), block({ name: at('/a/'), type: '5' })),
  ),
  attack(
    'the wrong order',
    'entries out of order',
    CANONICAL,
    tarOf(top, block({ name: at('/b'), content: 'x' }), block({ name: at('/a'), content: 'x' })),
  ),
  attack(
    'no directory',
    'a file whose directory is not in the archive',
    CANONICAL,
    tarOf(top, block({ name: at('/a/b'), content: 'x' })),
  ),
  attack(
    'a set-user-ID file',
    'mode 4755',
    CANONICAL,
    tarOf(top, block({ name: at('/a'), content: 'x', fields: { mode: '0004755\0' } })),
  ),
  attack(
    'a writable file',
    'mode 0666',
    CANONICAL,
    tarOf(top, block({ name: at('/a'), content: 'x', fields: { mode: '0000666\0' } })),
  ),
  attack(
    'another owner',
    'uid 1000',
    CANONICAL,
    tarOf(top, block({ name: at('/a'), content: 'x', fields: { uid: '0001750\0' } })),
  ),
  attack(
    'another time',
    'a file of today',
    CANONICAL,
    tarOf(top, block({ name: at('/a'), content: 'x', fields: { mtime: '15000000000\0' } })),
  ),
  attack(
    'a sparse file',
    'GNU sparse, a terabyte of holes',
    CANONICAL,
    tarOf(top, block({ name: at('/a'), type: 'S', content: 'x' })),
  ),
  attack(
    'a GNU long name',
    'a name in an entry of its own',
    CANONICAL,
    tarOf(top, block({ name: '././@LongLink', type: 'L', content: at('/a') }), block({ name: at('/b'), content: 'x' })),
  ),
  attack(
    'a pax override',
    'a pax header with another name',
    CANONICAL,
    tarOf(
      top,
      block({ name: 'PaxHeaders', type: 'x', content: paxRecord('path', '/tmp/evil') }),
      block({ name: at('/a'), content: 'x' }),
    ),
  ),
  attack(
    'a pax size',
    'a pax header with another size',
    CANONICAL,
    tarOf(
      top,
      block({ name: 'PaxHeaders', type: 'x', content: paxRecord('size', '1024') }),
      block({ name: at('/a'), content: 'x' }),
    ),
  ),
  attack(
    'a global pax header',
    'a header for all entries',
    CANONICAL,
    tarOf(
      top,
      block({ name: 'g', type: 'g', content: paxRecord('path', '/tmp/evil') }),
      block({ name: at('/a'), content: 'x' }),
    ),
  ),
  attack(
    'a NUL in a pax name',
    'a name that ends early for programs in C',
    CANONICAL,
    tarOf(
      top,
      block({ name: 'PaxHeaders', type: 'x', content: paxRecord('path', at('/a\0b')) }),
      block({ name: at('/a'), content: 'x' }),
    ),
  ),
  attack(
    'a size in base 256',
    'GNU binary numbers',
    CANONICAL,
    tarOf(top, block({ name: at('/a'), fields: { size: '\x80\0\0\0\0\0\0\0\0\0\0\x01' } })),
  ),
  attack(
    'a name that is not UTF-8',
    'the byte 0xff',
    CANONICAL,
    tarOf(top, block({ name: at('/a\xff'), content: 'x' })),
  ),
  attack('padding that is not zero', 'data hidden in the padding', CANONICAL, hiddenInPadding()),
  attack(
    'no end',
    'the end blocks are missing',
    CANONICAL,
    Buffer.concat([top, block({ name: at('/a'), content: 'x' })]),
  ),
  attack('a second archive', 'another archive behind the first', CANONICAL, Buffer.concat([tarOf(top), tarOf(top)])),
  attack('an empty archive', 'only the end', CANONICAL, Buffer.from(end)),
  attack('a lying size', 'the stated size is smaller than the archive', /larger/, honestText([]).archive, {
    bytes: 1024,
  }),
  attack('a size too large', 'the stated size is larger than the archive', /wrong size/, honestText([]).archive, {
    bytes: 1024 * 1024,
  }),
  attack(
    'references held back',
    'the statements do not say that the output refers to another',
    /refers to/,
    honestText([basePath]).archive,
  ),
  attack(
    'references made up',
    'the statements say that the output refers to another, but it does not',
    /refers to nothing/,
    honestText([]).archive,
    { references: [basePath] },
  ),
]

function honestText(references: readonly StorePath[]) {
  return outputOf(userPath, references, [
    { kind: 'directory', path: '' },
    fileOf('text', `refers to ${references.join()}\n`),
  ])
}

function hiddenInPadding(): Buffer {
  const archive = tarOf(top, block({ name: at('/a'), content: 'x' }))
  archive.write('hidden', 2 * blockBytes + 100, 'latin1')
  return archive
}

function paxRecord(keyword: string, value: string): string {
  const rest = ` ${keyword}=${value}\n`
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length++
  return `${length}${rest}`
}
