/*
 * shift-clock SECONDS COMMAND [ARGUMENT...]: runs a command, and all that it starts, with the time of day moved by that much.
 *
 * No namespace moves CLOCK_REALTIME, and a library that is loaded first does not reach static programs. So this traces: a
 * seccomp filter stops at the system calls that tell the time of day, and their results are changed; after each exec the
 * vDSO, which tells the time without a system call, is taken out of what the kernel tells the program (the auxiliary vector).
 * Times of files are moved too, where they are read and where they are set, so that a file that is made now is made now.
 * x86-64 Linux 4.11 or later; see ptrace(2) and seccomp(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIDS = 4194304 + 1 };            /* PID_MAX_LIMIT */
static unsigned char known[PIDS];       /* has been seen stopping */
static long long shift;

static void die(const char *what)
{
	perror(what);
	exit(125);
}

static void install_filter(void)
{
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define WHEN(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define GIVE(action) BPF_STMT(BPF_RET | BPF_K, action)
	struct sock_filter filter[] = {
		LOAD(arch),
		WHEN(AUDIT_ARCH_X86_64, 0, 17),
		LOAD(nr),
		WHEN(SYS_stat, 16, 0),
		WHEN(SYS_fstat, 15, 0),
		WHEN(SYS_lstat, 14, 0),
		WHEN(SYS_newfstatat, 13, 0),
		WHEN(SYS_statx, 12, 0),
		WHEN(SYS_utimensat, 11, 0),
		WHEN(SYS_futimesat, 10, 0),
		WHEN(SYS_utimes, 9, 0),
		WHEN(SYS_utime, 8, 0),
		WHEN(SYS_gettimeofday, 7, 0),
		WHEN(SYS_time, 6, 0),
		WHEN(SYS_clock_gettime, 0, 4),
		LOAD(args[0]),                  /* the clock */
		WHEN(0, 3, 0),                  /* CLOCK_REALTIME */
		WHEN(5, 2, 0),                  /* CLOCK_REALTIME_COARSE */
		WHEN(11, 1, 0),                 /* CLOCK_TAI */
		GIVE(SECCOMP_RET_ALLOW),
		GIVE(SECCOMP_RET_TRACE),
	};
	struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
	/* Root needs no such promise, and setuid programs go on working. */
	if (geteuid() != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) die("no_new_privs");
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)) die("seccomp");
}

static long long peek(pid_t pid, unsigned long long address)
{
	return ptrace(PTRACE_PEEKDATA, pid, (void *)address, 0);
}

static void poke(pid_t pid, unsigned long long address, long long value)
{
	ptrace(PTRACE_POKEDATA, pid, (void *)address, (void *)value);
}

/* After exec the stack holds argc, argv, 0, envp, 0, and pairs of the auxiliary vector. */
static void hide_vdso(pid_t pid)
{
	struct user_regs_struct regs;
	if (ptrace(PTRACE_GETREGS, pid, 0, &regs)) return;
	unsigned long long at = regs.rsp;
	at += 8 * (peek(pid, at) + 2);
	while (peek(pid, at)) at += 8;
	for (at += 8; peek(pid, at); at += 16)
		if (peek(pid, at) == 33) poke(pid, at, 1);      /* AT_SYSINFO_EHDR, AT_IGNORE */
}

static void add(pid_t pid, unsigned long long address, long long seconds)
{
	poke(pid, address, peek(pid, address) + seconds);
}

/* The seconds that a call sets: two times, 16 bytes apart (8 for utime). Those that mean "now" or "as it is" stay. */
static void move_given(pid_t pid, long long seconds)
{
	struct user_regs_struct regs;
	if (ptrace(PTRACE_GETREGS, pid, 0, &regs)) return;
	int of_path = regs.orig_rax == SYS_utime || regs.orig_rax == SYS_utimes;
	int of_directory = regs.orig_rax == SYS_utimensat || regs.orig_rax == SYS_futimesat;
	unsigned long long at = of_path ? regs.rsi : of_directory ? regs.rdx : 0;
	if (at == 0) return;
	for (int i = 0; i < 2; i++) {
		unsigned long long one = at + i * (regs.orig_rax == SYS_utime ? 8 : 16);
		int special = regs.orig_rax == SYS_utimensat && (peek(pid, one + 8) & 0x3ffffffe) == 0x3ffffffe;
		if (!special) add(pid, one, seconds);
	}
}

/* The seconds that a call has told. */
static void move_told(pid_t pid)
{
	struct user_regs_struct regs;
	if (ptrace(PTRACE_GETREGS, pid, 0, &regs)) return;
	if (regs.orig_rax == SYS_time) {
		regs.rax += shift;
		if (regs.rdi) poke(pid, regs.rdi, regs.rax);
		ptrace(PTRACE_SETREGS, pid, 0, &regs);
		return;
	}
	if (regs.rax != 0) return;
	switch (regs.orig_rax) {
	case SYS_clock_gettime:
		if (regs.rsi) add(pid, regs.rsi, shift);
		break;
	case SYS_gettimeofday:
		if (regs.rdi) add(pid, regs.rdi, shift);
		break;
	case SYS_stat:
	case SYS_fstat:
	case SYS_lstat:
		for (int at = 72; at <= 104; at += 16) add(pid, regs.rsi + at, shift);
		break;
	case SYS_newfstatat:
		for (int at = 72; at <= 104; at += 16) add(pid, regs.rdx + at, shift);
		break;
	case SYS_statx:
		for (int at = 64; at <= 112; at += 16) add(pid, regs.r8 + at, shift);
		break;
	}
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: shift-clock SECONDS COMMAND [ARGUMENT...]\n");
		return 125;
	}
	shift = atoll(argv[1]);
	pid_t child = fork();
	if (child < 0) die("fork");
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0)) die("ptrace");
		raise(SIGSTOP);
		install_filter();
		execvp(argv[2], argv + 2);
		die(argv[2]);
	}
	int status, result = 125;
	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) die("waitpid");
	long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEEXEC |
		PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
	if (ptrace(PTRACE_SETOPTIONS, child, 0, options)) die("ptrace options");
	known[child] = 1;
	ptrace(PTRACE_CONT, child, 0, 0);
	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid < 0) {
			if (errno == EINTR) continue;
			break;                                  /* all are gone */
		}
		if (!WIFSTOPPED(status)) {
			known[pid] = 0;
			if (pid == child) result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			continue;
		}
		int signal = WSTOPSIG(status), event = status >> 16, pass = 0;
		int how = PTRACE_CONT;
		if (signal == (SIGTRAP | 0x80)) {               /* the end of a system call */
			move_told(pid);
			move_given(pid, shift);
		} else if (event == PTRACE_EVENT_SECCOMP) {     /* the beginning of one */
			move_given(pid, -shift);
			how = PTRACE_SYSCALL;
		}
		else if (event == PTRACE_EVENT_EXEC) hide_vdso(pid);
		else if (event == 0 && !(signal == SIGSTOP && !known[pid])) pass = signal;
		known[pid] = 1;
		ptrace(how, pid, 0, (void *)(long)pass);
	}
	return result;
}
