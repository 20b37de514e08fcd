/**
 * Order of upstream versions, which follow no one scheme: numbers compare as numbers, `~`, alpha, beta, pre and rc come before
 * the release, anything else after it. For ranges (semver.org, node-semver) a version is read as the three numbers it begins
 * with: 2.10 as 2.10.0, 0.9.27+git20200814 as 0.9.27.
 */

/** Negative when a is the older one; 0 only for equal texts. */
export function compareVersions(a: string, b: string): number {
  const left = parts(a)
  const right = parts(b)
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const order = compareParts(left[i] ?? END, right[i] ?? END)
    if (order !== 0) return order
  }
  return a < b ? -1 : a > b ? 1 : 0
}

/** A semantic version for ranges, `major.minor.patch[-prerelease]`; undefined when the version begins with no number. */
export function semanticVersionOf(version: string): string | undefined {
  const numbers = /^[vV]?(\d+)(?:[.](\d+))?(?:[.](\d+))?/.exec(version)
  if (numbers === null) return undefined
  const [all, ...three] = numbers
  if (three.some((digits) => (digits ?? '').length > 15)) return undefined
  const base = three.map((digits) => String(Number(digits ?? '0'))).join('.')
  const before = /^[-._~]?(alpha|beta|pre|rc|dev)[-._]?(\d{0,15})/i.exec(version.slice(all.length))
  if (before !== null) return `${base}-${before[1]?.toLowerCase()}.${Number(before[2] || '0')}`
  return version[all.length] === '~' ? `${base}-0` : base
}

type Part = { readonly rank: number; readonly number: number; readonly text: string }

/** Where a version ends: after a pre-release mark, before anything that is added to a release. */
const END: Part = { rank: 2, number: 0, text: '' }

function parts(version: string): Part[] {
  return [...version.matchAll(/\d+|[a-zA-Z]+|~/g)].map(([text]) => {
    if (text === '~') return { rank: 0, number: 0, text: '' }
    if (/^(alpha|beta|pre|rc|dev)$/i.test(text)) return { rank: 1, number: 0, text: text.toLowerCase() }
    if (/^\d/.test(text)) return { rank: 4, number: Number(text), text: '' }
    return { rank: 3, number: 0, text: text.toLowerCase() }
  })
}

function compareParts(a: Part, b: Part): number {
  if (a.rank !== b.rank) return a.rank - b.rank
  if (a.number !== b.number) return a.number < b.number ? -1 : 1
  return a.text < b.text ? -1 : a.text > b.text ? 1 : 0
}
