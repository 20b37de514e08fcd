// What a container shows and lets its program do: each promise of builder/environment/container.ts, tried from inside.
import { once } from 'node:events'
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { place, users } from '../sandbox/_support/harness.ts'
import { contain, startContainer } from './_support/containers.ts'

const library = `
  var address[16];
  fn number_of(name, value) { say(name, value); }
  fn abstract(name) {   # connect to an abstract socket
    var fd = syscall(41, 1, 1, 0, 0, 0, 0);
    if (fd < 0) return fd;
    var i = 0;
    while (i < 16) { address[i] = 0; i = i + 1; }
    address.[0] = 1;
    copy(address + 3, name);
    return syscall(42, fd, address, 3 + length(name), 0, 0, 0);
  }
  fn tcp(call, fd, port) {   # bind (49) or connect (42) to 127.0.0.1
    address[1] = 0;
    address[0] = 2 | (port >> 8) << 16 | (port & 255) << 24 | 127 << 32 | 1 << 56;
    return syscall(call, fd, address, 16, 0, 0, 0);
  }
  fn stream() { return syscall(41, 2, 1, 0, 0, 0, 0); }
`

for (const user of users) {
  const uid = user.ids?.uid ?? process.getuid?.() ?? -1

  test(`nothing of the host is visible, and no privilege is left (as ${user.name})`, async (t) => {
    const at = place(user)
    try {
      const { status, said, complaint } = await contain(at, {
        user,
        wrapper: ['sh', '-c', 'exec "$@" 7</ 9</etc', 'sh'],
        probe: `${library}
          var buffer[1024];
          fn list(path) {
            var fd = open(path, O_DIRECTORY, 0);
            if (fd < 0) { say(path, fd); return; }
            print(path);
            var got = getdents(fd, buffer, 8192);
            var p = buffer;
            while (p < buffer + got) {
              if ((p + 19).[0] != '.') { print(" "); print(p + 19); }
              p = p + p.[16] + p.[17] * 256;
            }
            print("\\n");
            close(fd);
          }
          fn descriptors() {
            var fd = 3;
            while (fd < 100) { if (syscall(72, fd, 1, 0, 0, 0, 0) >= 0) say("descriptor", fd); fd = fd + 1; }
          }
          fn main() {
            descriptors();
            list("/"); list("/dev"); list("/etc"); list("/abn"); list("/abn/store"); list("/home"); list("/proc/sys");
            say("uid", syscall(102, 0, 0, 0, 0, 0, 0));
            say("mount", mount("tmpfs", "/desk", "tmpfs", 0, 0));
            say("user namespace", unshare(CLONE_NEWUSER));
            say("type", syscall(16, 0, 0x5412, "x", 0, 0, 0));
            say("type, high bits", syscall(16, 0, 0x700005412, "x", 0, 0, 0));
            say("write to the store", open("/abn/store/item/new", O_WRONLY | O_CREAT, 0x1a4));
            say("write to the root", open("/new", O_WRONLY | O_CREAT, 0x1a4));
            say("write at home", open("/abn/home/new", O_WRONLY | O_CREAT, 0x1a4) >= 0);
            say("write where one is", open("new", O_WRONLY | O_CREAT, 0x1a4) >= 0);
            say("trace process 1", syscall(101, 16, 1, 0, 0, 0, 0));
            return 0;
          }`,
      })
      t.is(complaint, '')
      t.is(status, 0)
      const lines = said
        .trim()
        .split('\n')
        .map((line) => (line.startsWith('/') ? sorted(line) : line))
      t.deepEqual(lines, [
        '/ abn desk dev etc proc tmp',
        '/dev fd full null ptmx pts random shm stderr stdin stdout tty urandom zero',
        '/etc group hosts passwd',
        '/abn home store',
        '/abn/store item',
        '/home -2',
        '/proc/sys -2',
        'uid 1000',
        'mount -1',
        'user namespace -1',
        'type -1',
        'type, high bits -1',
        'write to the store -30',
        'write to the root -30',
        'write at home 1',
        'write where one is 1',
        'trace process 1 -1',
      ])
      t.is(statSync(join(at.directory, 'desk/new')).uid, uid)
      t.deepEqual(readdirSync(join(at.directory, 'tmp')), [])
    } finally {
      at.remove()
    }
  })

  test(`networks: none, its own, the host's without the host's abstract sockets (as ${user.name})`, async (t) => {
    const at = place(user)
    const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1')
    const name = `abn-test-${process.pid}-${user.name.length}`
    const abstract = createServer((socket) => socket.end()).listen(`\0${name}`)
    try {
      await Promise.all([server, abstract].map((one) => one.listening || once(one, 'listening')))
      const bound = server.address()
      const port = typeof bound === 'object' ? String(bound?.port) : ''
      const probe = `${library}
        fn main(argc, argv) {
          var own = stream();
          say("bind", tcp(49, own, 4711));
          syscall(50, own, 5, 0, 0, 0, 0);
          say("own", tcp(42, stream(), 4711));
          say("host", tcp(42, stream(), number(argv[1])));
          say("abstract", abstract(argv[2]) >= 0);
          return 0;
        }`
      const tried = async (network: 'none' | 'loopback' | 'host') =>
        (await contain(at, { user, probe, args: [port, name], spec: { network } })).said.trim().split('\n')
      t.deepEqual(await tried('none'), ['bind 0', 'own -101', 'host -101', 'abstract 0'])
      t.deepEqual(await tried('loopback'), ['bind 0', 'own 0', 'host -111', 'abstract 0'])
      const [, , ...host] = await tried('host')
      t.deepEqual(host, ['host 0', 'abstract 0'])
    } finally {
      server.close()
      abstract.close()
      at.remove()
    }
  })

  test(`exit status, signals and the death of the driver (as ${user.name})`, async (t) => {
    const at = place(user)
    try {
      const ends = async (main: string) => (await contain(at, { user, probe: `fn main() { ${main} }` })).status
      t.is(await ends('return 0;'), 0)
      t.is(await ends('return 77;'), 77)
      t.is(await ends('var p = 0; return p[0];'), 128 + 11)
      t.is(await ends('syscall(62, -1, 9, 0, 0, 0, 0); syscall(62, 1, 9, 0, 0, 0, 0); return 3;'), 3)
      t.is(await ends('if (fork() == 0) pause(); return 4;'), 4, 'what is left behind ends too')

      const waiting = { user, probe: 'fn main() { print("here\\n"); pause(); }' }
      const told = startContainer(at, waiting)
      await once(told.stdout, 'data')
      // Nothing is left on the disk while it runs.
      while (readdirSync(join(at.directory, 'tmp')).length > 0) await setTimeout(20)
      told.kill('SIGTERM')
      const [status] = await once(told, 'exit')
      t.is(status, 128 + 15)

      const orphan = startContainer(at, { ...waiting, args: ['abn-orphan'] })
      await once(orphan.stdout, 'data')
      orphan.kill('SIGKILL')
      // The pipe is closed when its last process has ended, the one inside too.
      await once(orphan, 'close')
      t.pass()
    } finally {
      at.remove()
    }
  })

  test(`what cannot be shown or run is an error (as ${user.name})`, async (t) => {
    const at = place(user)
    try {
      const failing = async (spec: object) =>
        JSON.parse((await contain(at, { user, probe: 'fn main() { return 0; }', spec })).complaint)
      t.is((await failing({ args: ['absent'] })).code, 'ABN_PROGRAM_UNKNOWN')
      t.is((await failing({ args: ['/abn/store/item/bin'] })).code, 'ABN_PROGRAM_UNKNOWN')
      const mounts = [{ source: join(at.directory, 'absent'), target: '/desk', writable: true }]
      t.is((await failing({ mounts })).code, 'ABN_CONTAINER_DIRECTORY')
    } finally {
      at.remove()
    }
  })
}

test('a directory in one that is writable can be read-only, and is not exchanged', async (t) => {
  const at = place({ name: 'this user' })
  try {
    const inner = join(at.directory, 'desk/inner')
    mkdirSync(inner, { recursive: true })
    const { said } = await contain(at, {
      user: { name: 'this user' },
      spec: {
        mounts: [
          { source: join(at.directory, 'store/item'), target: '/abn/store/item', writable: false },
          { source: join(at.directory, 'desk'), target: '/desk', writable: true },
          { source: inner, target: '/desk/inner', writable: false },
        ],
      },
      probe: `
        fn main() {
          say("write", open("inner/new", O_WRONLY | O_CREAT, 0x1a4));
          say("rename", syscall(82, "inner", "other", 0, 0, 0, 0));
          say("remove", syscall(84, "inner", 0, 0, 0, 0, 0));
          return 0;
        }`,
    })
    t.is(said, 'write -30\nrename -16\nremove -16\n')
  } finally {
    at.remove()
  }
})

test('a signal to the process group stays inside, where the kernel can see to it', async (t) => {
  const at = place({ name: 'this user' })
  try {
    // Version 6 of Landlock (Linux 6.12) has scopes.
    const probe = `fn main() {
      if (syscall(444, 0, 0, 1, 0, 0, 0) < 6) return 1;
      syscall(62, 0, 9, 0, 0, 0, 0);
      return 0;
    }`
    const { status } = await contain(at, { user: { name: 'this user' }, probe })
    if (status === 1) t.log('this kernel cannot')
    t.true(status === 1 || status === 128 + 9, 'the driver lived to tell it')
  } finally {
    at.remove()
  }
})

function sorted(line: string): string {
  const [path = '', ...names] = line.split(' ')
  return /^-?[0-9]+$/.test(names[0] ?? '') ? line : [path, ...names.sort()].join(' ')
}
