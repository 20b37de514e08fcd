// The seccomp filters of containers, run by a small interpreter of the instructions that they use.
import test from 'ava'
import { containerFilter, noUnixSockets } from '../../../builder/sandbox/filter.ts'

const [SOCKET, SOCKETPAIR, IOCTL, UNSHARE, CLONE3, MEMFD, KEYCTL] = [41, 53, 16, 272, 435, 319, 250]
const x86 = 0xc000003e

const row = test.macro({
  exec(t, filter: readonly bigint[], call: Call, errno: number) {
    t.is(answerOf(filter, call), errno)
  },
  title: (name) => name ?? '',
})

test('Unix sockets are refused', row, noUnixSockets(), [SOCKET, 1, 1], 97)
test('of all types', row, noUnixSockets(), [SOCKET, 1, 0x80002], 97)
test('others are not', row, noUnixSockets(), [SOCKET, 2, 1], 0)
test('pairs of streams are not', row, noUnixSockets(), [SOCKETPAIR, 1, 0x80001], 0)
test('pairs of ordered packets are not', row, noUnixSockets(), [SOCKETPAIR, 1, 5], 0)
test('pairs of datagrams are, for they could be sent elsewhere', row, noUnixSockets(), [SOCKETPAIR, 1, 0x802], 97)
test('typing into the terminal is refused', row, containerFilter(), [IOCTL, 0, 0x5412], 1)
test('and TIOCLINUX', row, containerFilter(), [IOCTL, 0, 0x541c], 1)
test('asking for its size is not', row, containerFilter(), [IOCTL, 0, 0x5413], 0)
test('new user namespaces are refused', row, containerFilter(), [UNSHARE, 0x10000000, 0], 1)
test('other namespaces need what nobody has', row, containerFilter(), [UNSHARE, 0x20000, 0], 0)
test('clone3 is absent', row, containerFilter(), [CLONE3, 0, 0], 38)
test('keyrings are absent', row, containerFilter(), [KEYCTL, 0, 0], 38)
test('memory files are there', row, containerFilter(), [MEMFD, 0, 0], 0)
test('32-bit calls are absent', row, containerFilter(), [SOCKET, 2, 1, 0x40000003], 38)
test('x32 calls are absent', row, containerFilter(), [0x40000000 + SOCKET, 2, 1], 38)

type Call = readonly [number: number, first: number, second: number, architecture?: number]

/** The error number, 0 for allowed. */
function answerOf(filter: readonly bigint[], [number, first, second, architecture = x86]: Call): number {
  const data = new Map([
    [0, number],
    [4, architecture],
    [16, first],
    [24, second],
  ])
  let accumulator = 0
  for (let at = 0; at < filter.length; at++) {
    const word = filter[at] ?? 0n
    const [code, whenTrue, whenFalse] = [
      Number(word & 0xffffn),
      Number((word >> 16n) & 0xffn),
      Number((word >> 24n) & 0xffn),
    ]
    const operand = Number(word >> 32n)
    const jump = (holds: boolean): void => {
      at += holds ? whenTrue : whenFalse
    }
    if (code === 0x20) accumulator = data.get(operand) ?? Number.NaN
    else if (code === 0x15) jump(accumulator === operand)
    else if (code === 0x35) jump(accumulator >= operand)
    else if (code === 0x45) jump((BigInt(accumulator) & BigInt(operand)) !== 0n)
    else if (code === 0x06) return operand === 0x7fff0000 ? 0 : operand - 0x00050000
    else throw new TypeError(`unknown instruction ${code}`)
  }
  throw new TypeError('the filter has no end')
}
