// A kernel of our own in place of configfs and sysfs, in memory: what Documentation/ABI says of the files, and the faults that files of
// a disk cannot have. It is a model by the documentation, not the kernel: docs/tdx.md says what that leaves open.
import type { TeeFiles } from '../../../builder/tee/files.ts'

export type FakeKernel = TeeFiles & {
  /** Every call, as `read outblob`. */
  readonly calls: string[]
  readonly entries: Map<string, { generation: number; inblob: Uint8Array }>
  /** RTMR3, which a write extends. */
  rtmr3: Uint8Array | undefined
}

export type FakeKernelSpec = {
  readonly provider?: string
  readonly quote?: (inblob: Uint8Array) => Uint8Array
  /** Looked at before each call, by its name (`make`, `read outblob`, …) and number; a text is the errno that it fails with. */
  readonly fault?: (call: string, number: number) => string | undefined
  /** What somebody else does between the write and the read. */
  readonly meanwhile?: (entry: { generation: number; inblob: Uint8Array }, number: number) => void
  readonly generation?: (count: number) => string
  readonly extend?: (register: Uint8Array, digest: Uint8Array) => Uint8Array
}

export function fakeKernel(spec: FakeKernelSpec = {}): FakeKernel {
  const calls: string[] = []
  const entries: FakeKernel['entries'] = new Map()
  const kernel: FakeKernel = {
    calls,
    entries,
    rtmr3: new Uint8Array(48),
    async make(path) {
      enter('make')
      if (entries.has(path)) throw errno('EEXIST')
      entries.set(path, { generation: 0, inblob: new Uint8Array() })
    },
    async remove(path) {
      enter('remove')
      if (!entries.delete(path)) throw errno('ENOENT')
    },
    async read(path, maximum) {
      const [entry, file] = find(path)
      enter(`read ${file}`)
      if (file === 'rtmr3:sha384') return Uint8Array.from(kernel.rtmr3 ?? fail('ENOENT'))
      const bytes = contentOf(entry ?? fail('ENOENT'), file)
      return bytes.slice(0, maximum + 1)
    },
    async write(path, bytes) {
      const [entry, file] = find(path)
      enter(`write ${file}`)
      if (file === 'rtmr3:sha384') {
        if (bytes.length !== 48) throw errno('EINVAL')
        kernel.rtmr3 = spec.extend?.(kernel.rtmr3 ?? fail('ENOENT'), bytes) ?? fail('EINVAL')
        return
      }
      if (entry === undefined) throw errno('ENOENT')
      if (file !== 'inblob' || bytes.length > 64) throw errno('EINVAL')
      entry.inblob = Uint8Array.from(bytes)
      entry.generation++
    },
  }
  return kernel

  function enter(call: string): void {
    calls.push(call)
    const code = spec.fault?.(call, calls.filter((one) => one === call).length)
    if (code !== undefined) throw errno(code)
  }

  function find(path: string) {
    const at = path.lastIndexOf('/')
    return [entries.get(path.slice(0, at)), path.slice(at + 1)] as const
  }

  function contentOf(entry: { generation: number; inblob: Uint8Array }, file: string): Uint8Array {
    if (file === 'provider') return Buffer.from(spec.provider ?? 'tdx_guest\n')
    if (file === 'generation') return Buffer.from(spec.generation?.(entry.generation) ?? `${entry.generation}\n`)
    if (file !== 'outblob') throw errno('ENOENT')
    if (entry.inblob.length !== 64) throw errno('EINVAL')
    spec.meanwhile?.(entry, calls.filter((call) => call === 'read outblob').length)
    return spec.quote?.(entry.inblob) ?? fail('EIO')
  }
}

export function errno(code: string): Error {
  return Object.assign(new Error(`${code}: by the fake kernel`), { code })
}

function fail(code: string): never {
  throw errno(code)
}
