/**
 * The auditor's checker: compares every annotation of the three-column sources with a disassembly of the bytes beside
 * it. Run it with `node bootstrap/audit/check.ts`; it prints a line a stage, and exits with status 1 on any mismatch.
 */

import { readFileSync } from 'node:fs'
import { assembleHex0 } from '../hex0/reference.ts'
import { assembleLink } from '../link/reference.ts'
import { dataBytes, describes } from './annotation.ts'
import { decode } from './decode.ts'
import { parseSource, type SourceLine } from './source.ts'

export type Mismatch = { readonly line: number; readonly problem: string }

export type Audit = {
  readonly mismatches: readonly Mismatch[]
  readonly bytes: number // of the program
  readonly checkedLines: number // lines whose bytes, address and text were compared
  readonly sourceLines: number // lines that are neither blank nor only a comment
}

export const auditedSources = [
  { stage: 'hex0', language: 'hex0', path: 'hex0/hex0.hex0' },
  { stage: 'link', language: 'hex0', path: 'link/link.hex0' },
  { stage: 'abl', language: 'link', path: 'abl/abl.link' },
] as const

/** Checks a three-column source. The mismatches are in the order of the lines. */
export function audit(text: string, language: 'hex0' | 'link'): Audit {
  const source = parseSource(text, language)
  const mismatches: Mismatch[] = [...source.problems]
  for (const line of source.lines) {
    const problem = line.bytes.length === 0 ? undefined : mismatch(line, source.names)
    if (problem !== undefined) mismatches.push({ line: line.line, problem })
  }
  const bytes = Buffer.concat(source.lines.map((line) => line.bytes))
  const assembled = assemble(text, language)
  if (!assembled || !bytes.equals(assembled))
    mismatches.push({ line: 1, problem: `the lines are not what ${language} makes of the file` })
  mismatches.sort((a, b) => a.line - b.line)
  return { mismatches, bytes: bytes.length, checkedLines: source.lines.length, sourceLines: source.sourceLines }
}

function mismatch(line: SourceLine, names: ReadonlyMap<string, bigint>): string | undefined {
  const address = line.address.toString(16).toUpperCase().padStart(6, '0')
  if (line.claimedAddress !== address) return `address ${line.claimedAddress}, expected ${address}`
  try {
    const data = dataBytes(line.text, names)
    if (data) return Buffer.from(data).equals(line.bytes) ? undefined : `the bytes are not '${line.text}'`
    const instruction = decode(line.bytes, line.address)
    if (instruction.bytes !== line.bytes.length) return 'more bytes than one instruction'
    return describes(line.text, instruction, names) ? undefined : `the bytes are not '${line.text}'`
  } catch (error) {
    if (error instanceof RangeError) return error.message
    throw error
  }
}

function assemble(text: string, language: 'hex0' | 'link'): Uint8Array | undefined {
  try {
    const input = Buffer.from(text)
    return language === 'hex0' ? assembleHex0(input) : assembleLink(input)
  } catch {
    return undefined
  }
}

if (import.meta.main) {
  for (const { stage, language, path } of auditedSources) {
    const { mismatches, bytes, checkedLines } = audit(
      readFileSync(new URL(`../${path}`, import.meta.url), 'utf8'),
      language,
    )
    const result = mismatches.length === 0 ? 'all agree' : `${mismatches.length} mismatches`
    console.log(`${stage}: ${bytes} bytes, ${checkedLines} annotated lines: ${result}`)
    for (const { line, problem } of mismatches) console.log(`bootstrap/${path}:${line}: ${problem}`)
    if (mismatches.length > 0) process.exitCode = 1
  }
}
