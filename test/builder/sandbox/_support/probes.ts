// Small programs for the inside of a sandbox: static, written in Abl, so that the tests need nothing of the host.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { compileAbl } from '../../../../bootstrap/abl/reference.ts'

const builder = join(import.meta.dirname, '../../../../builder/sandbox')
const library = `${readFileSync(join(builder, 'system.abl'), 'utf8')}
var out[8192];
fn print(text) { write(1, text, length(text)); }
fn say(name, value) {
  print(name);
  print(" ");
  if (value < 0) { print("-"); value = -value; }
  decimal(out, value);
  print(out);
  print("\\n");
}
fn nap() { out[0] = 0; out[1] = 20000000; syscall(35, out, 0, 0, 0, 0, 0); }   # 20 ms
fn pause() { while (1) syscall(34, 0, 0, 0, 0, 0, 0); }
`

const compiled = new Map<string, Uint8Array>()

/** An executable for `source`, the text of a main function and what it needs; print, say, nap and pause are there. */
export function probe(source: string): Uint8Array {
  const known = compiled.get(source)
  if (known) return known
  const bytes = compileAbl([library, source])
  compiled.set(source, bytes)
  return bytes
}

export function writeProbe(path: string, source: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, probe(source), { mode: 0o755 })
}
