/* kit: the file operations that the chain needs before it has a shell and sed.
 *
 *   kit copy FROM... TO             copy files or directories; TO ending in '/' is a directory to put them in
 *   kit join FROM... TO             write several files one after the other
 *   kit link TARGET... TO           make symbolic links to TARGETs in the directory TO
 *   kit alltypes FROM... TO         musl: what tools/mkalltypes.sed does
 *   kit syscalls FROM TO            musl: bits/syscall.h, the numbers as __NR_x and as SYS_x
 *   kit autoconf CHOSEN TO FROM...  busybox: include/autoconf.h from the chosen options and the sources, which define all options
 *   kit applets TEMPLATE TO FROM... busybox: include/applets.h, the lines marked //applet: in place of the line INSERT
 *   kit usage TEMPLATE TO FROM...   busybox: include/usage.h, likewise from //usage:
 *
 * It stands on nothing but x86-64 Linux: no libc, no headers, compiled by tcc alone.
 * It never frees; any failure prints the name of the file and exits with 1. */

enum { READ, WRITE, OPEN, CLOSE, FSTAT = 5, BRK = 12, EXIT = 60, MKDIR = 83, SYMLINK = 88, GETDENTS64 = 217 };
enum { DIRECTORY = 0x10000, CREATE_FOR_WRITE = 01 | 0100 | 01000 };

long sys(long n, long a, long b, long c)
{
	long r;
	__asm__ volatile ("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return r;
}

/* ---- strings and memory ---- */

long length(char *s) { long n = 0; while (s[n]) n++; return n; }
int equal(char *a, char *b) { while (*a && *a == *b) a++, b++; return *a == *b; }
int starts(char *s, char *with) { while (*with && *s == *with) s++, with++; return !*with; }
int is_word(int c) { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'; }

void die(char *what)
{
	sys(WRITE, 2, (long)"kit: ", 5);
	sys(WRITE, 2, (long)what, length(what));
	sys(WRITE, 2, (long)"\n", 1);
	sys(EXIT, 1, 0, 0);
}

char *room, *room_end;

char *alloc(long n)
{
	char *p;
	if (!room) room = room_end = (char *)sys(BRK, 0, 0, 0);
	n = n + 15 & -16;
	if (room_end - room < n) {
		room_end = room + n + 1048576;
		if (sys(BRK, (long)room_end, 0, 0) != (long)room_end) die("out of memory");
	}
	p = room;
	room += n;
	return p;
}

char *text(char *s, long n)
{
	char *r = alloc(n + 1);
	for (r[n] = 0; n--;) r[n] = s[n];
	return r;
}

char *path(char *directory, char *name)
{
	long d = length(directory), n = length(name);
	char *r = alloc(d + n + 2);
	for (r[d] = '/'; d--;) r[d] = directory[d];
	for (d = length(directory) + 1, r[d + n] = 0; n--;) r[d + n] = name[n];
	return r;
}

char *base(char *p) { char *b = p; for (; *p; p++) if (*p == '/') b = p + 1; return b; }

/* ---- files ---- */

char *input;          /* the last file read, NUL-terminated */
long input_length, input_mode;

void slurp(char *name)
{
	long fd = sys(OPEN, (long)name, 0, 0), n;
	int status[36];                       /* struct stat: mode at byte 24, size at byte 48 */
	if (fd < 0 || sys(FSTAT, fd, (long)status, 0) < 0) die(name);
	input_mode = status[6];
	n = *(long *)(status + 12);
	input = alloc(n + 1);
	for (input_length = 0; input_length < n;) {
		long got = sys(READ, fd, (long)(input + input_length), n - input_length);
		if (got <= 0) die(name);
		input_length += got;
	}
	input[input_length] = 0;
	sys(CLOSE, fd, 0, 0);
}

char buffer[65536], *output_name;
long output, held;

void create(char *name, long mode)
{
	output_name = name;
	output = sys(OPEN, (long)name, CREATE_FOR_WRITE, mode);
	if (output < 0) die(name);
}

void flush(void)
{
	long done = 0, n;
	for (; done < held; done += n) if ((n = sys(WRITE, output, (long)(buffer + done), held - done)) <= 0) die(output_name);
	held = 0;
}

void put(char *s, long n) { while (n--) { if (held == sizeof buffer) flush(); buffer[held++] = *s++; } }
void puts(char *s) { put(s, length(s)); }
void finish(void) { flush(); sys(CLOSE, output, 0, 0); }

/* Calls visit(path) for everything in a directory; answers 0 if it is not one. */
int each(char *directory, char *into, void (*visit)(char *, char *))
{
	long fd = sys(OPEN, (long)directory, DIRECTORY, 0), n, at;
	char *entries;
	if (fd < 0) return 0;
	entries = alloc(32768);
	while ((n = sys(GETDENTS64, fd, (long)entries, 32768)) > 0)
		for (at = 0; at < n; at += *(unsigned short *)(entries + at + 16)) {
			char *name = entries + at + 19;
			if (!equal(name, ".") && !equal(name, "..")) visit(path(directory, name), into ? path(into, name) : 0);
		}
	if (n < 0) die(directory);
	sys(CLOSE, fd, 0, 0);
	return 1;
}

void copy(char *from, char *to)
{
	long fd = sys(OPEN, (long)from, DIRECTORY, 0);
	if (fd >= 0) {
		sys(CLOSE, fd, 0, 0);
		sys(MKDIR, (long)to, 0755, 0);    /* may be there already */
		each(from, to, copy);
		return;
	}
	slurp(from);
	create(to, input_mode & 0100 ? 0755 : 0644);
	put(input, input_length);
	finish();
}

/* Cuts the next line out of the input (without its newline); answers 0 at the end. */
char *line(char **at)
{
	char *l = *at, *p = l;
	if (!*p) return 0;
	while (*p && *p != '\n') p++;
	if (*p) *p++ = 0;
	*at = p;
	return l;
}

/* ---- musl ---- */

void guarded(char *prefix, char *name, char *keyword, char *body)
{
	puts("#if defined(__NEED_"), puts(prefix), puts(name), puts(") && !defined(__DEFINED_"), puts(prefix), puts(name);
	puts(")\n"), puts(keyword), puts(" "), puts(body), puts("\n#define __DEFINED_"), puts(prefix), puts(name), puts("\n#endif\n\n");
}

/* TYPEDEF type name;   STRUCT name { fields };   UNION name { fields }; */
void alltypes(void)
{
	char *at = input, *l, *p;
	while (l = line(&at)) {
		if (starts(l, "TYPEDEF ")) {
			p = l + length(l) - 1;
			while (p[-1] != ' ') p--;
			guarded("", text(p, length(p) - 1), "typedef", l + 8);
		} else if (starts(l, "STRUCT ") || starts(l, "UNION ")) {
			char *body = l + (*l == 'S' ? 7 : 6);
			for (p = body; *p != ' ';) p++;
			guarded(*l == 'S' ? "struct_" : "union_", text(body, p - body), *l == 'S' ? "struct" : "union", body);
		} else
			puts(l), puts("\n");
	}
}

void syscalls(void)
{
	char *at = input, *l, *p;
	put(input, input_length);
	while (l = line(&at))
		for (p = l; *p; p++)
			if (starts(p, "__NR_")) {
				put(l, p - l), puts("SYS_"), puts(p + 5), puts("\n");
				break;
			}
}

/* ---- busybox ---- */

struct option { char *name, *value; struct option *next; } *options;    /* sorted by name: directories have no order */

void option(char *name, char *value)
{
	struct option **at = &options, *new;
	char *a, *b;
	for (; *at; at = &(*at)->next) {
		for (a = (*at)->name, b = name; *a && *a == *b; a++) b++;
		if (*a > *b) break;
		if (*a == *b) return;
	}
	new = (struct option *)alloc(sizeof *new);
	new->name = name, new->value = value, new->next = *at;
	*at = new;
}

/* Kconfig: "config NAME" at the start of a line, in a C file behind "//config:" */
void scan(char *file, char *unused)
{
	char *at, *l, *p, *b = base(file);
	if (each(file, 0, scan)) return;
	if (!starts(b, "Config.") && (length(b) < 3 || !equal(b + length(b) - 2, ".c"))) return;
	slurp(file);
	for (at = input; l = line(&at);) {
		if (starts(l, "//config:")) l += 9;
		if (!starts(l, "config ")) continue;
		for (p = l += 7; is_word(*p);) p++;
		option(text(l, p - l), 0);
	}
}

/* The file CHOSEN has lines "NAME" (switched on) or "NAME value"; '#' begins a comment. */
void chosen(void)
{
	char *at = input, *l, *p;
	while (l = line(&at)) {
		if (!is_word(*l)) continue;
		for (p = l; is_word(*p);) p++;
		option(text(l, p - l), *p ? p + 1 : "1");
	}
}

void autoconf(void)
{
	struct option *o;
	puts("#define AUTOCONF_TIMESTAMP \"1970-01-01 00:00:01 UTC\"\n");
	for (o = options; o; o = o->next) {
		if (o->value) puts("#define CONFIG_"), puts(o->name), puts(" "), puts(o->value), puts("\n");
		puts("#define ENABLE_"), puts(o->name), puts(o->value ? " 1\n" : " 0\n");
		puts("#define IF_"), puts(o->name), puts(o->value ? "(...) __VA_ARGS__\n" : "(...)\n");
		puts("#define IF_NOT_"), puts(o->name), puts(o->value ? "(...)\n" : "(...) __VA_ARGS__\n");
	}
}

void marked(char *mark, char **from, char **end, int macros)
{
	char *at, *l;
	for (; from < end; from++) {
		slurp(*from);
		for (at = input; l = line(&at);) {
			if (!starts(l, mark)) continue;
			l += length(mark);
			if (macros && *l != ' ' && *l != '\t') puts("\n");
			puts(l), puts(macros ? " \\\n" : "\n");
		}
	}
}

void insert(char *template, char **from, char **end, int macros)
{
	char *at, *l;
	slurp(template);
	for (at = input; l = line(&at);) {
		if (equal(l, "INSERT")) marked(macros ? "//usage:" : "//applet:", from, end, macros);
		else puts(l), puts("\n");
	}
}

/* ---- the command line ---- */

void start(long *stack)
{
	char **arg = (char **)(stack + 2), **end = (char **)(stack + 1) + *stack, *to = end[-1], *command = *arg++;
	if (*stack < 4) die("usage: kit COMMAND FILE FILE...");
	if (equal(command, "copy")) {
		int into = to[length(to) - 1] == '/';
		if (into) sys(MKDIR, (long)to, 0755, 0);
		for (; arg < end - 1; arg++) copy(*arg, into ? path(to, base(*arg)) : to);
		sys(EXIT, 0, 0, 0);
	}
	if (equal(command, "link")) {
		for (; arg < end - 1; arg++) if (sys(SYMLINK, (long)*arg, (long)path(to, base(*arg)), 0) < 0) die(*arg);
		sys(EXIT, 0, 0, 0);
	}
	if (equal(command, "autoconf")) {
		slurp(arg[0]), chosen();
		create(arg[1], 0644);
		for (arg += 2; arg < end; arg++) scan(*arg, 0);
		autoconf();
	} else if (equal(command, "applets") || equal(command, "usage")) {
		create(arg[1], 0644);
		insert(arg[0], arg + 2, end, *command == 'u');
	} else {
		create(to, 0644);
		for (; arg < end - 1; arg++) {
			slurp(*arg);
			if (equal(command, "join")) put(input, input_length);
			else if (equal(command, "alltypes")) alltypes();
			else if (equal(command, "syscalls")) syscalls();
			else die(command);
		}
	}
	finish();
	sys(EXIT, 0, 0, 0);
}

__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start");
