import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { ladderOverview, runLadder, stages } from '../../bootstrap/ladder.ts'

const overview = new URL('../../bootstrap/LADDER.md', import.meta.url)

test('LADDER.md is what the table says', (t) => {
  if (process.env.ACCEPT === '1') writeFileSync(overview, ladderOverview())
  t.is(readFileSync(overview, 'utf8'), ladderOverview())
})

test('stages are numbered from 0 in their order, and use only what comes before', (t) => {
  const known = new Set(['seed', 'inputs', 'output'])
  for (const [i, { number, name, command }] of stages.entries()) {
    t.is(number, i)
    const maker = /^@(.+)$/.exec(command[0] ?? '')?.[1] ?? ''
    t.true(known.has(maker), `${name} is made by ${maker}`)
    known.add(name)
  }
})

test('below the systems language there are at most 1,500 lines', (t) => {
  const rows = [...readFileSync(overview, 'utf8').matchAll(/^\| [012] \|.*?\| (\d+) \| \d+ \|/gm)]
  t.is(rows.length, 3)
  t.true(rows.reduce((sum, row) => sum + Number(row[1]), 0) <= 1500)
})

test('another implementation of hex0 in place of the seed gives the same stages', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'abnpkg-ladder-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const seed = join(directory, 'other-hex0')
  const script = `#!${process.execPath}
    const fs = require('node:fs')
    const text = fs.readFileSync(process.argv[2], 'latin1').replace(/[#;].*/g, '').replace(/[^0-9a-f]/gi, '')
    fs.writeFileSync(process.argv[3], Buffer.from(text, 'hex'), { mode: 0o755 })`
  writeFileSync(seed, script, { mode: 0o755 })
  const rungs = await runLadder({ outDir: join(directory, 'out'), seed, through: 'abl' })
  t.deepEqual(
    rungs.map(({ stage }) => stage.name),
    ['hex0', 'link', 'abl'],
  )
})

test('a seed that writes anything else is found at once', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'abnpkg-ladder-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const seed = join(directory, 'wrong')
  writeFileSync(seed, '#!/bin/sh\necho wrong > "$2"', { mode: 0o755 })
  await t.throwsAsync(runLadder({ outDir: join(directory, 'out'), seed, through: 'abl' }), { message: /hex0 is not/ })
})
