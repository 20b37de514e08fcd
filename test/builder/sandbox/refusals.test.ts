// A machine that does not allow sandboxes: the error says what to type. Real refusals where they can be brought about.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { type HostFacts, setupError, unshareError } from '../../../builder/sandbox/errors.ts'
import { own, place, tryInSandbox, users } from './_support/harness.ts'

for (const user of users) {
  test(`without unshare (as ${user.name})`, async (t) => {
    const at = place(user)
    try {
      const outcome = await tryInSandbox(at, {
        user,
        programs: { a: 'fn main() {}' },
        runnerEnv: { PATH: at.directory },
      })
      t.like(outcome.error ?? {}, { code: 'ABN_SANDBOX_UNSHARE' })
      t.regex(outcome.error?.hint ?? '', /apt install util-linux/)
    } finally {
      at.remove()
    }
  })

  test(`where the limit of user namespaces is 0 (as ${user.name})`, async (t) => {
    const at = place(user)
    const forbid = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
    const wrapper = ['unshare', '--user', '--map-root-user', 'sh', '-c', forbid, 'sh']
    try {
      const outcome = await tryInSandbox(at, { user, programs: { a: 'fn main() {}' }, wrapper })
      t.like(outcome.error ?? {}, { code: 'ABN_SANDBOX_FORBIDDEN' })
      t.regex(outcome.error?.hint ?? '', /sysctl -w user\.max_user_namespaces=/)
    } finally {
      at.remove()
    }
  })
}

type Row = {
  readonly title: string
  readonly host: Partial<HostFacts>
  readonly settings: Record<string, string>
  readonly hint: RegExp
}

const rows: readonly Row[] = [
  {
    title: "Debian's switch",
    host: {},
    settings: { 'kernel.unprivileged_userns_clone': '0', 'user.max_user_namespaces': '100' },
    hint: /sysctl -w kernel\.unprivileged_userns_clone=1/,
  },
  {
    title: "Ubuntu's AppArmor",
    host: {},
    settings: { 'kernel.apparmor_restrict_unprivileged_userns': '1' },
    hint: /sysctl -w kernel\.apparmor_restrict_unprivileged_userns=0/,
  },
  {
    title: 'a container, as root',
    host: { isRoot: true, inContainer: true },
    settings: { 'kernel.unprivileged_userns_clone': '0' },
    hint: /--security-opt seccomp=unconfined/,
  },
  { title: 'no setting that explains it', host: {}, settings: {}, hint: /as root/ },
]

for (const { title, host, settings, hint } of rows) {
  test(`the hint for ${title}`, (t) => {
    const facts = { isRoot: false, inContainer: false, setting: (name: string) => settings[name], ...host }
    const complaint = 'unshare: unshare failed: Operation not permitted\n'
    for (const error of [unshareError({ complaint, exit: 1 }, facts), setupError(['proc', 'proc'], 1, facts)]) {
      t.is(error.code, 'ABN_SANDBOX_FORBIDDEN')
      t.regex(error.hint ?? '', hint)
    }
  })
}

test('an old unshare, an old kernel, and an end from outside each have a code', (t) => {
  t.is(unshareError({ complaint: "unshare: unrecognized option '--kill-child=KILL'" }).code, 'ABN_SANDBOX_UNSHARE')
  t.is(setupError(['proc', 'proc'], 22).code, 'ABN_SANDBOX_KERNEL')
  t.is(
    setupError(['bind', '/a', 'b'], 2).message,
    "init could not carry out 'bind /a b': ENOENT (no such file or directory)",
  )
  t.is(unshareError({ complaint: '', exit: 'SIGKILL' }).code, 'ABN_SANDBOX_ENDED')
})

for (const user of users) {
  test(`an input that is missing (as ${user.name})`, async (t) => {
    const at = place(user)
    try {
      mkdirSync(join(at.directory, 'x'))
      own(join(at.directory, 'x'), user)
      const readOnly = [{ source: join(at.directory, 'gone'), target: '/abn/store/gone' }]
      const outcome = await tryInSandbox(at, { user, programs: { a: 'fn main() {}' }, readOnly })
      t.is(outcome.error?.code, 'ABN_SANDBOX_SETUP')
      t.regex(outcome.error?.message ?? '', /gone.*ENOENT/)
    } finally {
      at.remove()
    }
  })
}
