import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { describes } from '../../bootstrap/audit/annotation.ts'
import { audit, auditedSources } from '../../bootstrap/audit/check.ts'
import { decode } from '../../bootstrap/audit/decode.ts'
import { renumber } from '../../bootstrap/audit/renumber.ts'
import { parseSource } from '../../bootstrap/audit/source.ts'
import { temporaryDirectory } from '../_support/temporary.ts'

const read = (path: string) => readFileSync(new URL(`../../bootstrap/${path}`, import.meta.url), 'utf8')
const isData = (text: string) => text.startsWith('.')

for (const { stage, language, path } of auditedSources) {
  test(`every annotation of ${stage} is true`, (t) => {
    const { mismatches, checkedLines } = audit(read(path), language)
    t.deepEqual(mismatches, [])
    t.true(checkedLines > 50)
  })

  test(`${stage}: a change of any one byte, address or mnemonic is found`, (t) => {
    const text = read(path)
    const lines = text.split('\n')
    const annotated = parseSource(text, language).lines
    // Each line by itself would take long for abl, so every mutation falls on 40 lines spread over the source.
    const chosen = annotated.filter((_, i) => i % Math.ceil(annotated.length / 40) === 0)
    for (const { line } of chosen) {
      const old = lines[line - 1] ?? ''
      for (const changed of mutations(old)) {
        const mutated = lines.with(line - 1, changed).join('\n')
        t.true(audit(mutated, language).mismatches.length > 0, `not found: ${changed}`)
      }
    }
  })

  const disassembled = spawnSync('objdump', ['--version']).status === 0 ? test : test.skip
  disassembled(`${stage}: objdump reads the same instructions`, (t) => {
    const directory = temporaryDirectory(t)
    const { lines } = parseSource(read(path), language)
    const code = lines.filter((line) => !isData(line.text))
    const objdump = objdumpLines(directory, code)
    t.is(objdump.length, code.length)
    for (const [i, { text, bytes, address }] of code.entries()) {
      const instruction = decode(bytes, address)
      t.true(describes(objdump[i] ?? '', instruction, new Map()), `'${text}' is '${objdump[i]}' to objdump`)
    }
  })
}

test('renumbering puts the addresses right after a line was inserted, and nothing else', (t) => {
  const text = read('abl/abl.link')
  t.is(renumber(text, 'link'), text)
  const inserted = text.replace(
    '\n:input\n',
    '\nC9                       ; 000000 leave                       # nothing\n:input\n',
  )
  t.true(audit(inserted, 'link').mismatches.length > 100)
  const { mismatches } = audit(renumber(inserted, 'link'), 'link')
  t.deepEqual(
    mismatches.map(({ problem }) => problem),
    ["the bytes are not '.quad end-elf'", "the bytes are not '.quad end-elf'"],
    'the file is one byte longer',
  )
})

/** A line with one thing changed: a byte, the address, the mnemonic, an operand; and without reason or annotation. */
function mutations(line: string): string[] {
  const [, column = '', address = '', text = ''] = /^(.*?) *; ([0-9A-F]{6}) (.*?) +# /.exec(line) ?? []
  const replaced = [
    line.replace(address, (Number.parseInt(address, 16) + 1).toString(16).toUpperCase()),
    line.replace(` ${text}`, ` ${text.startsWith('nop') ? 'ret' : 'nop'}`),
    line.replace(/ # .*/, ''),
    line.replace(/;.*/, ''),
    line.replace('# ', '; '),
  ]
  const byte = /^[0-9A-F]{2}/.exec(column)?.[0]
  if (byte)
    replaced.push(line.replace(byte, (Number.parseInt(byte, 16) ^ 1).toString(16).toUpperCase().padStart(2, '0')))
  if (byte) replaced.push(`90 ${line}`, line.replace(byte, `${byte} 90`))
  if (/\b[re]?[abcd]x\b/.test(text)) replaced.push(line.replace(text, text.replace(/([re]?)[abcd]x\b/, '$1si')))
  return replaced
}

/**
 * objdump's text of each instruction, in our spelling. Each lies in a slot of its own, filled up with nop, at the same
 * distance from its neighbours as in the program only for relative jumps: their targets are put back.
 */
function objdumpLines(directory: string, code: readonly { bytes: Uint8Array; address: number }[]): string[] {
  const file = join(directory, 'code')
  const slot = 16
  writeFileSync(
    file,
    Buffer.concat(code.map(({ bytes }) => Buffer.concat([bytes, Buffer.alloc(slot - bytes.length, 0x90)]))),
  )
  const flags = ['-D', '-b', 'binary', '-m', 'i386:x86-64', '-M', 'intel', '--insn-width=16']
  const { stdout } = spawnSync('objdump', [...flags, file], { encoding: 'utf8', maxBuffer: 1 << 26 })
  const found: string[] = []
  for (const [, position = '', text = ''] of stdout.matchAll(/^ *([0-9a-f]+):\t[0-9a-f ]+\t(.*)$/gm)) {
    const at = Number.parseInt(position, 16)
    if (at % slot === 0) found.push(spelling(text, (code[at / slot]?.address ?? 0) - at))
  }
  return found
}

function spelling(text: string, moved: number): string {
  const [, mnemonic = '', operands = ''] = /^((?:repz? )?\S+) *(.*?)(?: *#.*)?$/.exec(text.trim()) ?? []
  if (/^(j\w+|call)$/.test(mnemonic) && operands.startsWith('0x'))
    return `${mnemonic} 0x${BigInt.asUintN(64, BigInt(operands) + BigInt(moved)).toString(16)}`
  if (/^(?:rep|repz)? ?(movs|cmps|stos|lods)$/.test(mnemonic)) {
    const size = /BYTE/.test(operands) ? 'b' : /DWORD/.test(operands) ? 'd' : 'q'
    return `${mnemonic.replace('repz', 'repe')}${size}`
  }
  const sizes = operands
    .toLowerCase()
    .replaceAll('ds:0x', 'ds:[0x')
    .replace(/(ds:\[0x[0-9a-f]+)/, '$1]')
  // objdump writes the size of memory always, and an index of scale 1 with its factor.
  const memory = mnemonic === 'call' || mnemonic === 'lea' ? sizes.replace(/\w+ ptr /, '') : sizes
  return `${mnemonic} ${memory}`.trim()
}
