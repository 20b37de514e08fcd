// One test for each thing that the sandbox promises, tried from the inside by a program that would like it otherwise.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { fixedVariables } from '../../../builder/sandbox/environment.ts'
import { own, type Place, place, tryInSandbox, type User, users } from './_support/harness.ts'

/** The same promise for root and for an ordinary user. */
function promise(title: string, check: (t: ExecutionContext, user: User, at: Place) => Promise<void>): void {
  for (const user of users) {
    test(`${title} (as ${user.name})`, async (t) => {
      const at = place(user)
      try {
        await check(t, user, at)
      } finally {
        at.remove()
      }
    })
  }
}

promise('user, group, host name, directory, umask and process are fixed', async (t, user, at) => {
  const who = `
    fn main() {
      say("uid", syscall(102, 0, 0, 0, 0, 0, 0)); say("euid", syscall(107, 0, 0, 0, 0, 0, 0));
      say("gid", syscall(104, 0, 0, 0, 0, 0, 0)); say("egid", syscall(108, 0, 0, 0, 0, 0, 0));
      syscall(63, out, 0, 0, 0, 0, 0);
      print(out + 65); print("\\n"); print(out + 325); print("\\n");   # nodename, domainname
      say("umask", syscall(95, 0, 0, 0, 0, 0, 0));
      syscall(79, out, 4096, 0, 0, 0, 0); print(out); print("\\n");
      say("personality", syscall(135, -1, 0, 0, 0, 0, 0));
      say("parent", syscall(110, 0, 0, 0, 0, 0, 0));
      say("leads its session", syscall(124, 0, 0, 0, 0, 0, 0) == syscall(39, 0, 0, 0, 0, 0, 0));
      say("core", syscall(302, 0, 4, 0, out, 0, 0) | out[0] | out[1]);
      syscall(302, 0, 7, 0, out, 0, 0); say("descriptors", out[0]);
      say("terminal", open("/dev/tty", 2, 0));
      say("input", read(0, out, 1));
      return 0;
    }`
  const { text } = await tryInSandbox(at, {
    user,
    programs: { who },
    steps: [{ args: ['/build/who'], cwd: '/tmp/..' }],
  })
  t.deepEqual(text.trim().split('\n'), [
    'uid 1000',
    'euid 1000',
    'gid 1000',
    'egid 1000',
    'abn',
    '(none)',
    'umask 18',
    '/',
    'personality 262144',
    'parent 1',
    'leads its session 1',
    'core 0',
    'descriptors 1024',
    'terminal -2',
    'input 0',
  ]) // prettier-ignore
})

promise('the environment is what was asked for and nothing else', async (t, user, at) => {
  const env = `fn main(argc, argv) { var p = argv + 8 * (argc + 1); while (p[0]) { print(p[0]); print("\\n"); p = p + 8; } return 0; }`
  const outcome = await tryInSandbox(at, {
    user,
    programs: { env },
    env: { A: '1', ...fixedVariables },
    steps: [['/build/env'], { args: ['/build/env'], env: { A: '2', B: 'x y' } }],
    runnerEnv: { ...process.env, LEAK: 'from the host', TZ: 'Asia/Tokyo' },
  })
  const fixed = ['HOME=/homeless', 'TMPDIR=/tmp', 'TZ=UTC', 'LC_ALL=C', 'SOURCE_DATE_EPOCH=1']
  t.deepEqual(outcome.text.trim().split('\n'), ['A=1', ...fixed, 'A=2', ...fixed, 'B=x y'])
})

promise('there is no network, not even an abstract socket, a vsock or a keyring', async (t, user, at) => {
  const name = `abn-test-${process.pid}-${user.name.length}`
  const [tcp, abstract] = [createServer().unref(), createServer().unref()]
  try {
    const port = await listening(tcp, { host: '127.0.0.1', port: 0 })
    await listening(abstract, { path: `\0${name}` })
    t.true(await canConnect({ host: '127.0.0.1', port }), 'from outside it is there')
    t.true(await canConnect({ path: `\0${name}` }), 'from outside it is there')
    const network = `
      fn main() {
        out[0] = 2 | ${((port & 0xff) << 8) | (port >> 8)} << 16 | 0x0100007f << 32; out[1] = 0;
        say("tcp", syscall(42, syscall(41, 2, 1, 0, 0, 0, 0), out, 16, 0, 0, 0));
        out.[0] = 1; out.[1] = 0; out.[2] = 0;
        copy(out + 3, "${name}");
        say("abstract", syscall(42, syscall(41, 1, 1, 0, 0, 0, 0), out, ${3 + name.length}, 0, 0, 0));
        say("vsock", syscall(41, 40, 1, 0, 0, 0, 0));
        say("alg", syscall(41, 38, 5, 0, 0, 0, 0));
        say("keyctl", syscall(250, 0, -3, 1, 0, 0, 0));
        var n = getdents(open("/proc/self/net", O_DIRECTORY, 0), out, 100);
        var fd = open("/proc/self/net/dev", 0, 0);
        out.[read(fd, out, 60000)] = 0;
        var i = 0; var lines = 0;
        while (out.[i]) { if (out.[i] == ':') lines = lines + 1; i = i + 1; }
        say("interfaces", lines);
        return 0;
      }`
    const { text } = await tryInSandbox(at, { user, programs: { network } })
    t.deepEqual(text.trim().split('\n'), [
      'tcp -101',
      'abstract -111',
      'vsock -97',
      'alg -97',
      'keyctl -38',
      'interfaces 1',
    ]) // ENETUNREACH, ECONNREFUSED, EAFNOSUPPORT, ENOSYS
  } finally {
    tcp.close()
    abstract.close()
  }
})

promise(
  'no step changes the limits or the priority of process 1, or has memory that nothing counts',
  async (t, user, at) => {
    const calls = `
    fn main() {
      out[0] = 0; out[1] = 0;
      say("prlimit", syscall(302, 1, 7, out, 0, 0, 0));
      say("prlimit read", syscall(302, 1, 7, 0, out, 0, 0));
      say("setpriority", syscall(141, 0, 1, 19, 0, 0, 0));
      say("setpriority of all", syscall(141, 2, 0, 19, 0, 0, 0));
      say("sched_setscheduler", syscall(144, 1, 5, out, 0, 0, 0));
      say("sched_setparam", syscall(142, 1, out, 0, 0, 0, 0));
      say("sched_setaffinity", syscall(203, 1, 8, out, 0, 0, 0));
      say("sched_setattr", syscall(314, 1, out, 0, 0, 0, 0));
      say("ioprio_set", syscall(251, 1, 1, 0x6000, 0, 0, 0));
      say("ioprio_set of all", syscall(251, 3, 1000, 0x6000, 0, 0, 0));
      say("migrate_pages", syscall(256, 1, 0, 0, 0, 0, 0));
      say("memfd_create", syscall(319, "x", 0, 0, 0, 0, 0));
      say("memfd_secret", syscall(447, 0, 0, 0, 0, 0, 0));
      say("its own limits", syscall(302, 0, 7, 0, out, 0, 0));
      say("by its number", syscall(302, syscall(39, 0, 0, 0, 0, 0, 0), 7, 0, out, 0, 0));
      say("its own priority", syscall(141, 0, 0, 5, 0, 0, 0));
      say("by its number", syscall(141, 0, syscall(39, 0, 0, 0, 0, 0, 0), 6, 0, 0, 0));
      return 0;
    }`
    const { text } = await tryInSandbox(at, { user, programs: { calls } })
    t.deepEqual(text.trim().split('\n'), [
      'prlimit -1',
      'prlimit read -1',
      'setpriority -1',
      'setpriority of all -1',
      'sched_setscheduler -1',
      'sched_setparam -1',
      'sched_setaffinity -1',
      'sched_setattr -1',
      'ioprio_set -1',
      'ioprio_set of all -1',
      'migrate_pages -1',
      'memfd_create -38',
      'memfd_secret -38',
      'its own limits 0',
      'by its number 0',
      'its own priority 0',
      'by its number 0',
    ])
  },
)

promise('no file of the host is there', async (t, user, at) => {
  writeFileSync(join(at.directory, 'secret'), 'host')
  const list = `
    fn show(path) {
      var fd = open(path, O_DIRECTORY, 0);
      print(path); print(":");
      while (1) {
        var got = getdents(fd, out, 65536);
        if (got <= 0) break;
        var p = out;
        while (p < out + got) {
          if (p.[19] != '.' && (p.[19] < '0' || p.[19] > '9')) { print(" "); print(p + 19); }
          p = p + p.[16] + p.[17] * 256;
        }
      }
      print("\\n");
    }
    fn main() {
      show("/"); show("/etc"); show("/dev"); show("/proc"); show("/tmp"); show("/build"); show("/abn/store");
      say("secret", open("${at.directory}/secret", 0, 0));
      say("sysctl", open("/proc/sys/kernel/core_pattern", 0, 0));
      say("up", open("/../../../../../etc/hostname", 0, 0));
      return 0;
    }`
  const input = join(at.directory, 'input')
  mkdirSync(input)
  const { text } = await tryInSandbox(at, {
    user,
    programs: { list },
    readOnly: [{ source: input, target: '/abn/store/some-input-1' }],
    links: [{ path: '/bin/sh', target: '/abn/store/some-input-1/bin/sh' }],
  })
  t.deepEqual(text.trim().split('\n').map(sortedWords), [
    '/: abn bin build dev etc proc tmp',
    '/etc: group hosts passwd',
    '/dev: fd full null random shm stderr stdin stdout urandom zero',
    '/proc: self thread-self',
    '/tmp:',
    '/build: list',
    '/abn/store: some-input-1',
    'secret -2',
    'sysctl -2',
    'up -2',
  ])
})

promise('no descriptor is inherited', async (t, user, at) => {
  const bin = join(at.directory, 'bin')
  mkdirSync(bin)
  // Node marks what it inherits close-on-exec; so the leak is put behind it.
  const unshare = ['/usr/bin/unshare', '/bin/unshare'].find((path) => existsSync(path))
  const script = `#!/bin/sh\nexec 7</etc/passwd\necho "leaks: $(readlink /proc/self/fd/7)" >"$0.log"\nexec ${unshare} "$@"\n`
  writeFileSync(join(bin, 'unshare'), script, { mode: 0o755 })
  own(bin, user)
  const count = `
    fn main() {
      var fd = 0;
      while (fd < 1024) { if (syscall(72, fd, 1, 0, 0, 0, 0) >= 0) say("fd", fd); fd = fd + 1; }
      return 0;
    }`
  const { text } = await tryInSandbox(at, {
    user,
    programs: { count },
    runnerEnv: { PATH: `${bin}:${process.env.PATH}` },
  })
  t.is(readFileSync(join(bin, 'unshare.log'), 'utf8'), 'leaks: /etc/passwd\n')
  t.is(text, 'fd 0\nfd 1\nfd 2\n')
})

promise('there is no privilege and no way to get one', async (t, user, at) => {
  const tries = `
    fn main() {
      out[0] = 0x20080522;
      say("capget", syscall(125, out, out + 8, 0, 0, 0, 0));
      say("capabilities", out[1] | out[2] | out[3]);
      say("bounding", prctl(23, 0, 0) | prctl(23, 21, 0) | prctl(23, 40, 0));
      say("no new privileges", prctl(39, 0, 0));
      say("filter", prctl(21, 0, 0));
      say("setuid", syscall(105, 0, 0, 0, 0, 0, 0));
      say("setgid", syscall(106, 0, 0, 0, 0, 0, 0));
      say("mount", mount("tmpfs", "/tmp", "tmpfs", 0, 0));
      say("remount", mount(0, "/", 0, MS_REMOUNT | MS_BIND, 0));
      say("umount", umount2("/proc", 0));
      say("chroot", syscall(161, "/tmp", 0, 0, 0, 0, 0));
      say("sethostname", syscall(170, "x", 1, 0, 0, 0, 0));
      say("user namespace", unshare(CLONE_NEWUSER));
      say("mount namespace", unshare(CLONE_NEWNS));
      say("clone", syscall(56, CLONE_NEWUSER | 17, 0, 0, 0, 0, 0));
      say("clone3", syscall(435, 0, 0, 0, 0, 0, 0));
      say("mknod", syscall(133, "/build/null", 0x21b6, 0x103, 0, 0, 0));
      say("trace init", syscall(101, 16, 1, 0, 0, 0, 0));
      say("init's descriptors", open("/proc/1/fd/4", O_WRONLY, 0));
      say("bpf", syscall(321, 0, 0, 0, 0, 0, 0));
      say("io_uring", syscall(425, 1, out, 0, 0, 0, 0));
      return 0;
    }`
  const { text, result } = await tryInSandbox(at, { user, programs: { tries } })
  t.deepEqual(text.trim().split('\n'), [
    'capget 0',
    'capabilities 0',
    'bounding 0',
    'no new privileges 1',
    'filter 2',
    'setuid -22',
    'setgid -22',
    'mount -1',
    'remount -1',
    'umount -1',
    'chroot -1',
    'sethostname -1',
    'user namespace -1',
    'mount namespace -1',
    'clone -1',
    'clone3 -38',
    'mknod -1',
    'trace init -1',
    "init's descriptors -13",
    'bpf -38',
    'io_uring -38',
  ])
  t.deepEqual(result, { kind: 'done' })
})

promise('only the writable directories and /tmp can be written to', async (t, user, at) => {
  const input = join(at.directory, 'input')
  mkdirSync(join(input, 'bin'), { recursive: true })
  writeFileSync(join(input, 'file'), 'as it was')
  chmodSync(join(input, 'file'), 0o666)
  own(input, user)
  const writes = `
    fn main() {
      say("root", mkdir("/x", 0x1ed));
      say("store", mkdir("/abn/store/x", 0x1ed));
      say("input", open("/abn/store/in/file", O_WRONLY, 0));
      say("input mode", syscall(90, "/abn/store/in/file", 0x1ff, 0, 0, 0, 0));
      say("passwd", syscall(90, "/etc/passwd", 0x1ff, 0, 0, 0, 0));
      say("null mode", syscall(90, "/dev/null", 0x1ff, 0, 0, 0, 0));
      say("null", open("/dev/null", O_WRONLY, 0));
      say("build", mkdir("/build/x", 0x1ff));
      say("shm", mkdir("/dev/shm/x", 0x1ff));
      return 0;
    }`
  const before = statSync('/dev/null').mode
  const { text } = await tryInSandbox(at, {
    user,
    programs: { writes },
    readOnly: [{ source: input, target: '/abn/store/in' }],
  })
  t.deepEqual(text.trim().split('\n'), [
    'root -30',
    'store -30',
    'input -30',
    'input mode -30',
    'passwd -30',
    'null mode -30',
    'null 3',
    'build 0',
    'shm 0',
  ])
  t.is(readFileSync(join(input, 'file'), 'utf8'), 'as it was')
  t.is(statSync('/dev/null').mode, before)
  t.is(statSync(join(at.build, 'x')).mode & 0o777, 0o755, 'the umask held')
})

test('the machine that runs these tests is not altered by them', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'abn-sandbox-'))
  rmSync(directory, { recursive: true })
  t.false(readFileSync('/proc/self/mounts', 'utf8').includes('abn-sandbox-'), 'no mount is left')
})

function listening(server: Server, where: { host?: string; port?: number; path?: string }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(where, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : 0)
    })
  })
}

function canConnect(where: { host: string; port: number } | { path: string }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(where, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

function sortedWords(line: string): string {
  const [first = '', ...rest] = line.split(' ')
  return [first, ...rest.sort()].join(' ')
}
