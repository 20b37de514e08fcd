// What goes on, while it goes on: on a terminal a few lines at the bottom that are rewritten ten times a second, elsewhere
// a line when something begins and when it ends. Times are measured here, so that a silent build is seen to be alive.
import { countText, type Output, sizeText, timeText } from '../output.ts'

export type Progress = {
  readonly total: (jobs: number) => void
  readonly begin: (key: string, title: string) => void
  /** The last thing that a job said. */
  readonly says: (key: string, line: string) => void
  readonly end: (key: string, title: string) => void
  readonly fail: (key: string, title: string) => void
  /** Bytes of one download so far; `of` is unknown for some. */
  readonly download: (key: string, bytes: number, of: number | undefined) => void
  readonly note: (text: string) => void
  readonly [Symbol.dispose]: () => void
}

type Job = { readonly title: string; readonly since: number; line: string }

const redrawMilliseconds = 100
const shownJobs = 8

export function startProgress(output: Output): Progress {
  const jobs = new Map<string, Job>()
  const downloads = new Map<string, { bytes: number; of: number | undefined }>()
  const seconds = (job: Job) => (performance.now() - job.since) / 1000
  let total = 0
  let done = 0

  const draw = () => {
    const lines = [...jobs.values()].slice(0, shownJobs).map((job) => {
      const time = output.paint('dim', timeText(seconds(job)).padStart(8))
      return `${time}  ${job.title}${job.line === '' ? '' : `  ${output.paint('dim', job.line)}`}`
    })
    if (jobs.size > shownJobs) lines.push(`          and ${jobs.size - shownJobs} more`)
    if (downloads.size > 0) lines.push(`          downloading ${downloadText([...downloads.values()])}`)
    if (total > 0) lines.push(output.paint('bold', `  ${done} of ${total} done`))
    output.live(lines)
  }
  const lasted = (key: string) => {
    const job = jobs.get(key)
    jobs.delete(key)
    return job ? ` in ${timeText(seconds(job))}` : ''
  }
  const timer = output.isLive ? setInterval(draw, redrawMilliseconds) : undefined
  timer?.unref()

  return {
    total: (jobs) => {
      total = jobs
    },
    begin: (key, title) => {
      jobs.set(key, { title, since: performance.now(), line: '' })
      if (!output.isLive) output.note(`${title} …`)
    },
    says: (key, line) => {
      const job = jobs.get(key)
      if (job) job.line = line.trim()
    },
    end: (key, title) => {
      done++
      output.note(`${title}${lasted(key)}${total > 1 ? ` (${done} of ${total})` : ''}`)
    },
    fail: (key, title) => {
      output.note(`${title}${lasted(key)}`)
    },
    download: (key, bytes, of) => {
      if (of !== undefined && bytes >= of) downloads.delete(key)
      else downloads.set(key, { bytes, of })
    },
    note: output.note,
    [Symbol.dispose]: () => {
      clearInterval(timer)
      output.live([])
    },
  }
}

function downloadText(downloads: readonly { readonly bytes: number; readonly of: number | undefined }[]): string {
  const bytes = downloads.reduce((sum, download) => sum + download.bytes, 0)
  const known = downloads.every((download) => download.of !== undefined)
  const of = known ? ` of ${sizeText(downloads.reduce((sum, download) => sum + (download.of ?? 0), 0))}` : ''
  return `${countText(downloads.length, 'source')}, ${sizeText(bytes)}${of}`
}
