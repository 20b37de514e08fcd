/** Says whether a figure holds its limit; the exit status is 1 when one does not. */
export function judge(what: string, value: number, relation: '<=' | '>=', limit: number): void {
  const held = relation === '<=' ? value <= limit : value >= limit
  console.log(`${what}: ${value.toFixed(2)}, limit ${relation} ${limit}: ${held ? 'held' : 'MISSED'}`)
  if (!held) process.exitCode = 1
}

export function median(all: readonly number[]): number {
  return at(all, 0.5)
}

export function at(all: readonly number[], part: number): number {
  return [...all].sort((a, b) => a - b)[Math.floor(all.length * part)] ?? Number.NaN
}
