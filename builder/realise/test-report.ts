/**
 * The report of the smoke tests of a build, var/log/<item>.tests.json: canonical JSON with each command that was tried. It is
 * written when all of them have succeeded and before the outputs are registered, so that a registered item has the report of
 * its own build or none. Specification: docs/formats/statement.md, `tests`.
 */
import { rmSync } from 'node:fs'
import { canonicalJson } from '../../format/canonical-json.ts'
import { type StorePath, storeItemOf } from '../../format/store-path.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import type { Layout } from '../../store/layout.ts'
import { writeDurably } from '../../store/write-durably.ts'

/** `path`: that of the output 'out'. */
export function testReportPathOf(layout: Layout, path: StorePath): string {
  return `${layout.log}/${storeItemOf(path)}.tests.json`
}

/** With no tests there is no report. Throws ABN_DISK_FULL or ABN_STORE_UNUSABLE. */
export function writeTestReport(layout: Layout, path: StorePath, smoke: readonly (readonly string[])[]): void {
  const file = testReportPathOf(layout, path)
  if (smoke.length === 0) {
    withDiskErrors(`cannot remove ${file}`, () => rmSync(file, { force: true }))
    return
  }
  const tests = smoke.map((args) => ({ args, kind: 'smoke', status: 0 }))
  writeDurably(file, canonicalJson({ format: 1, path, tests }))
}
