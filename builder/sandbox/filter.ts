/**
 * The seccomp filter of a sandbox: system calls that reach past the namespaces are refused, everything else is allowed.
 *
 * Classic BPF over `struct seccomp_data` (seccomp(2)): number at offset 0, architecture at 4, low half of the first
 * argument at 16, of the second at 24. One instruction is 8 bytes: code (16 bits), jump if true, jump if false (8 bits each), operand (32).
 */

/** The filter of a build as 64-bit words, one an instruction. */
export function systemCallFilter(): readonly bigint[] {
  return filterOf(unreachable, [])
}

/** For a container with a person in it: memory need not be counted, and the terminal is also that of programs outside. */
export function containerFilter(): readonly bigint[] {
  const uncounted = [MEMFD_CREATE, MEMFD_SECRET]
  const typing = when(equal(16), [
    load(24), // ioctl: the request, of which the kernel looks at the low half only
    ...when(equal(TIOCSTI), [refuse(EPERM)]), // would type into the shell outside
    ...when(equal(TIOCLINUX), [refuse(EPERM)]),
    allow,
  ])
  return filterOf(
    unreachable.filter((number) => !uncounted.includes(number)),
    typing,
  )
}

/**
 * Where a container shares the host's network, and with it the abstract sockets of the host's programs: none of that kind. Pairs
 * remain, but for datagrams, which could be sent elsewhere. Goes on top of containerFilter.
 */
export function noUnixSockets(): readonly bigint[] {
  return assemble([
    load(0),
    ...when(equal(41), [load(16), ...when(equal(1), [refuse(EAFNOSUPPORT)]), allow]),
    ...when(equal(53), [load(24), ...when(hasBits(2), [refuse(EAFNOSUPPORT)]), allow]), // socketpair: its type
    allow,
  ])
}

function filterOf(absent: readonly number[], more: readonly Instruction[]): readonly bigint[] {
  return assemble([
    load(4),
    ...when(notEqual(0xc000003e), [refuse(ENOSYS)]), // not AUDIT_ARCH_X86_64: 32-bit calls would have other numbers
    load(0),
    ...when(atLeast(0x40000000), [refuse(ENOSYS)]), // the x32 numbers of the same calls
    ...absent.flatMap((number) => when(equal(number), [refuse(ENOSYS)])),
    ...aimedAtProcess.flatMap((number) => when(equal(number), [load(16), ...when(equal(1), [refuse(EPERM)]), allow])),
    ...aimedAtGroup.flatMap(({ number, process, user }) =>
      when(equal(number), [
        load(16),
        ...when(equal(user), [refuse(EPERM)]),
        ...when(equal(process), [load(24), ...when(equal(1), [refuse(EPERM)])]),
        allow,
      ]),
    ),
    ...when(equal(41), [
      // socket: not vsock, Bluetooth and others, which no network namespace contains
      load(16),
      ...families.flatMap((family) => when(equal(family), [allow])),
      refuse(EAFNOSUPPORT),
    ]),
    ...more,
    ...[56, 272].flatMap((number) =>
      when(equal(number), [load(16), ...when(hasBits(CLONE_NEWUSER), [refuse(EPERM)]), allow]),
    ),
    allow,
  ])
}

const [MEMFD_CREATE, MEMFD_SECRET] = [319, 447]
const [TIOCSTI, TIOCLINUX] = [0x5412, 0x541c]

/** Absent from a sandbox: keyrings belong to a user, not to a namespace; the others are large, or escape the limits, and no build needs them. */
const unreachable = [
  248,
  249,
  250, // add_key, request_key, keyctl
  298, // perf_event_open
  321, // bpf
  MEMFD_CREATE, // memory that no process has mapped, so that nothing could count it
  323, // userfaultfd
  425,
  426,
  427, // io_uring_setup, io_uring_enter, io_uring_register
  435, // clone3: its flags are behind a pointer; C libraries fall back to clone
  MEMFD_SECRET, // the same
]
/**
 * Process 1 watches the limits, and has the user of those whom it watches; these calls ask for no more than that to change
 * another process's limits or its share of the processor. The first argument is the process; here 0 means the caller.
 */
const aimedAtProcess = [
  142, // sched_setparam
  144, // sched_setscheduler
  203, // sched_setaffinity
  256, // migrate_pages
  279, // move_pages
  302, // prlimit64
  314, // sched_setattr
]
/** The first argument says what the second is: `process`, or `user`, which means all processes of a user. */
const aimedAtGroup = [
  { number: 141, process: 0, user: 2 }, // setpriority
  { number: 251, process: 1, user: 3 }, // ioprio_set
]
const families = [1, 2, 10, 16] // unix, IPv4, IPv6, netlink
const [EPERM, ENOSYS, EAFNOSUPPORT] = [1, 38, 97]
const CLONE_NEWUSER = 0x10000000 // a new user namespace would bring all capabilities back, inside it

type Instruction = {
  readonly code: number
  readonly whenTrue: number
  readonly whenFalse: number
  readonly operand: number
}

const load = (offset: number): Instruction => ({ code: 0x20, whenTrue: 0, whenFalse: 0, operand: offset })
const answer = (operand: number): Instruction => ({ code: 0x06, whenTrue: 0, whenFalse: 0, operand })
const refuse = (errno: number): Instruction => answer(0x00050000 + errno)
const allow = answer(0x7fff0000)

type Condition = { readonly code: number; readonly operand: number; readonly negated: boolean }

const equal = (operand: number): Condition => ({ code: 0x15, operand, negated: false })
const notEqual = (operand: number): Condition => ({ code: 0x15, operand, negated: true })
const atLeast = (operand: number): Condition => ({ code: 0x35, operand, negated: false })
const hasBits = (operand: number): Condition => ({ code: 0x45, operand, negated: false })

/** The instructions of `then` where the condition holds; otherwise it goes on behind them. */
function when({ code, operand, negated }: Condition, then: readonly Instruction[]): readonly Instruction[] {
  const skip = then.length
  return [{ code, operand, whenTrue: negated ? skip : 0, whenFalse: negated ? 0 : skip }, ...then]
}

function assemble(instructions: readonly Instruction[]): readonly bigint[] {
  return instructions.map(
    ({ code, whenTrue, whenFalse, operand }) =>
      BigInt(code) | (BigInt(whenTrue) << 16n) | (BigInt(whenFalse) << 24n) | (BigInt(operand) << 32n),
  )
}
