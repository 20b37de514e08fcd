/* ar and ranlib for static libraries of x86-64 ELF objects, in the format that System V and GNU use.
 *
 *   ar r[cuvsD] LIBRARY FILE...   put files in, in place of members of the same name
 *   ar q[cvsD] LIBRARY FILE...    append
 *   ar d LIBRARY NAME...          delete
 *   ar t LIBRARY                  list
 *   ar x|p LIBRARY [NAME...]      extract into the current directory, or print
 *   ar s LIBRARY; ranlib LIBRARY  write again with an index
 *
 * Same members, same bits: dates and owners are always 0, the mode is always 644, and every library gets an index.
 * (tcc -ar only creates.) */
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct member { char *name, *data; size_t size; int used; };

static struct member *members;
static size_t count;

static void die(const char *what, const char *name) { fprintf(stderr, "ar: %s: %s\n", name, what); exit(1); }

static char *base(char *path) { char *slash = strrchr(path, '/'); return slash ? slash + 1 : path; }

static void *take(void *p) { if (!p) die("out of memory", "malloc"); return p; }

/* Answers 0 when there is no such file. */
static char *slurp(const char *name, size_t *size)
{
	FILE *f = fopen(name, "rb");
	char *data = 0;
	size_t room = 0, n = 0, got;
	if (!f) return 0;
	do {
		if (n == room) data = take(realloc(data, room = room * 2 + 65536));
		n += got = fread(data + n, 1, room - n, f);
	} while (got);
	if (ferror(f)) die("cannot read", name);
	fclose(f);
	*size = n;
	return data;
}

static struct member *member(char *name)
{
	size_t i;
	for (i = 0; i < count; i++) if (!strcmp(members[i].name, name)) return members + i;
	return 0;
}

static void append(char *name, char *data, size_t size)
{
	members = take(realloc(members, (count + 1) * sizeof *members));
	members[count++] = (struct member){ name, data, size };
}

/* A header is 60 bytes: name 16, date 12, owner 6, group 6, mode 8, size 10, "`\n". */
static void load(const char *library)
{
	size_t size, at, n, i;
	char *all = slurp(library, &size), *names = 0, *name;
	if (!all) return;
	if (size < 8 || memcmp(all, "!<arch>\n", 8)) die("not an archive", library);
	for (at = 8; at + 60 <= size; at += 60 + n + (n & 1)) {
		char *header = all + at, *data = header + 60;
		n = strtoul(header + 48, 0, 10);
		if (memcmp(header + 58, "`\n", 2) || n > size - at - 60) die("damaged", library);
		if (!memcmp(header, "/ ", 2)) continue;
		if (!memcmp(header, "// ", 3)) { names = data; continue; }
		name = take(calloc(1, 4096));
		if (*header == '/') {
			char *from = names ? names + strtoul(header + 1, 0, 10) : 0;
			if (!from || from >= all + size) die("damaged", library);
			for (i = 0; i < 4095 && from[i] != '/' && from[i] != '\n'; i++) name[i] = from[i];
		} else
			for (i = 0; i < 16 && header[i] != '/' && header[i] != ' '; i++) name[i] = header[i];
		append(name, data, n);
	}
}

/* Calls found(symbol) for all global and weak symbols that an ELF object defines. */
static void symbols(struct member *m, void (*found)(char *))
{
	Elf64_Ehdr *e = (void *)m->data;
	Elf64_Shdr *s;
	int i;
	if (m->size < sizeof *e || memcmp(m->data, ELFMAG, SELFMAG) || e->e_ident[EI_CLASS] != ELFCLASS64) return;
	if (e->e_shoff > m->size || e->e_shnum * sizeof *s > m->size - e->e_shoff) die("damaged", m->name);
	s = (void *)(m->data + e->e_shoff);
	for (i = 0; i < e->e_shnum; i++) {
		Elf64_Sym *y, *end;
		char *strings;
		if (s[i].sh_type != SHT_SYMTAB) continue;
		if (s[i].sh_offset + s[i].sh_size > m->size || s[i].sh_link >= e->e_shnum) die("damaged", m->name);
		strings = m->data + s[s[i].sh_link].sh_offset;
		y = (void *)(m->data + s[i].sh_offset), end = y + s[i].sh_size / sizeof *y;
		for (; y < end; y++) if (y->st_shndx && ELF64_ST_BIND(y->st_info) != STB_LOCAL) found(strings + y->st_name);
	}
}

static FILE *out;
static uint32_t indexed, index_size, offset;

static void number(uint32_t n) { putc(n >> 24, out), putc(n >> 16, out), putc(n >> 8, out), putc(n, out); }
static void measure(char *symbol) { indexed++, index_size += strlen(symbol) + 1; }
static void locate(char *symbol) { number(offset); }
static void spell(char *symbol) { fputs(symbol, out), putc(0, out); }
static void header(const char *name, int mode, size_t size) { fprintf(out, "%-16s%-12d%-6d%-6d%-8o%-10zu`\n", name, 0, 0, 0, mode, size); }
static int is_long(char *name) { return strlen(name) > 15; }

static void save(const char *library)
{
	size_t i, names = 0, at = 0;
	char field[24];
	for (i = 0; i < count; i++) {
		symbols(members + i, measure);
		if (is_long(members[i].name)) names += strlen(members[i].name) + 2;
	}
	index_size += 4 + 4 * indexed;
	offset = 8 + 60 + index_size + (index_size & 1) + (names ? 60 + names + (names & 1) : 0);

	remove(library);
	if (!(out = fopen(library, "wb"))) die("cannot write", library);
	fputs("!<arch>\n", out);
	header("/", 0, index_size);
	number(indexed);
	for (i = 0; i < count; i++) {
		symbols(members + i, locate);
		offset += 60 + members[i].size + (members[i].size & 1);
	}
	for (i = 0; i < count; i++) symbols(members + i, spell);
	if (index_size & 1) putc('\n', out);
	if (names) {
		header("//", 0, names);
		for (i = 0; i < count; i++) if (is_long(members[i].name)) fprintf(out, "%s/\n", members[i].name);
		if (names & 1) putc('\n', out);
	}
	for (i = 0; i < count; i++) {
		struct member *m = members + i;
		if (is_long(m->name)) snprintf(field, sizeof field, "/%zu", at), at += strlen(m->name) + 2;
		else snprintf(field, sizeof field, "%s/", m->name);
		header(field, 0100644, m->size);
		fwrite(m->data, 1, m->size, out);
		if (m->size & 1) putc('\n', out);
	}
	if (fclose(out)) die("cannot write", library);
}

static void extract(struct member *m, int print)
{
	FILE *f = print ? stdout : fopen(m->name, "wb");
	if (!f || fwrite(m->data, 1, m->size, f) != m->size || (print ? fflush(f) : fclose(f))) die("cannot write", m->name);
}

int main(int argc, char **argv)
{
	char *how, **arg = argv + 3;
	size_t i, size;
	if (!strcmp(base(argv[0]), "ranlib")) {
		for (arg = argv + 1; *arg; arg++) if (**arg != '-') count = indexed = index_size = 0, load(*arg), save(*arg);
		return 0;
	}
	if (argc < 3) die("usage: ar r|q|d|t|x|p|s[cuvsSD] LIBRARY FILE...", "no library");
	how = argv[1] + strspn(argv[1], "-cuvsSDUl");
	if (!*how) how = "s";
	if (!strchr("rqdtxps", *how)) die("unknown command", argv[1]);
	load(argv[2]);
	for (; *arg; arg++) {
		struct member *m = *how == 'q' ? 0 : member(base(*arg));
		char *data = 0;
		if (*how == 'r' || *how == 'q') {
			if (!(data = slurp(*arg, &size))) die("cannot read", *arg);
			if (m) m->data = data, m->size = size;
			else append(base(*arg), data, size);
		} else if (!m)
			die("no such member", *arg);
		else if (*how == 'd')
			memmove(m, m + 1, (char *)(members + --count) - (char *)m);
		else
			m->used = 1;
	}
	if (strchr("rqds", *how)) save(argv[2]);
	else for (i = 0; i < count; i++) {
		if (argc > 3 && !members[i].used) continue;
		if (*how == 't') puts(members[i].name);
		else extract(members + i, *how == 'p');
	}
	return 0;
}
