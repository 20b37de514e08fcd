/* libc, part 2: strings, numbers in text, sorting, the environment. */
#include <stdlib.h>
#include <string.h>

void *memcpy(void *to, const void *from, size_t count) {
  char *t = to;
  const char *f = from;
  while (count >= 8) {
    *(long *)t = *(const long *)f;
    t += 8;
    f += 8;
    count -= 8;
  }
  while (count--) *t++ = *f++;
  return to;
}

void *memmove(void *to, const void *from, size_t count) {
  char *t = to;
  const char *f = from;
  if (t <= f || t >= f + count) return memcpy(to, from, count);
  while (count--) t[count] = f[count];
  return to;
}

void *memset(void *to, int byte, size_t count) {
  char *t = to;
  unsigned long word = (byte & 255) * 0x0101010101010101UL;
  while (count >= 8) {
    *(unsigned long *)t = word;
    t += 8;
    count -= 8;
  }
  while (count--) *t++ = byte;
  return to;
}

int memcmp(const void *a, const void *b, size_t count) {
  const unsigned char *x = a, *y = b;
  for (; count; count--, x++, y++)
    if (*x != *y) return *x - *y;
  return 0;
}

size_t strlen(const char *text) {
  const char *end = text;
  while (*end) end++;
  return end - text;
}

char *strcpy(char *to, const char *from) {
  char *t = to;
  while ((*t++ = *from++));
  return to;
}

char *strcat(char *to, const char *from) {
  strcpy(to + strlen(to), from);
  return to;
}

int strcmp(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t count) {
  while (count && *a && *a == *b) a++, b++, count--;
  return count ? (unsigned char)*a - (unsigned char)*b : 0;
}

char *strchr(const char *text, int c) {
  for (;; text++) {
    if (*text == (char)c) return (char *)text;
    if (!*text) return 0;
  }
}

char *strrchr(const char *text, int c) {
  const char *found = 0;
  for (;; text++) {
    if (*text == (char)c) found = text;
    if (!*text) return (char *)found;
  }
}

char *strstr(const char *text, const char *part) {
  size_t length = strlen(part);
  for (; *text; text++)
    if (!strncmp(text, part, length)) return (char *)text;
  return length ? 0 : (char *)text;
}

char *getenv(const char *name) {
  size_t length = strlen(name);
  char **entry;
  for (entry = environ; *entry; entry++)
    if (!strncmp(*entry, name, length) && (*entry)[length] == '=') return *entry + length + 1;
  return 0;
}

/* The value of c as a digit, or 99. */
static int __digit(int c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 32;
  return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

unsigned long strtoul(const char *text, char **end, int base) {
  unsigned long value = 0;
  const char *digits;
  int negative = 0;
  while (*text == ' ' || (*text >= 9 && *text <= 13)) text++;
  if (*text == '-' || *text == '+') negative = *text++ == '-';
  if ((base == 0 || base == 16) && text[0] == '0' && (text[1] | 32) == 'x' && __digit(text[2]) < 16) {
    text += 2;
    base = 16;
  }
  if (base == 0) base = *text == '0' ? 8 : 10;
  digits = text;
  for (; __digit(*text) < base; text++) value = value * base + __digit(*text);
  if (end) *end = (char *)(text == digits ? digits : text);
  return negative ? -value : value;
}

long strtol(const char *text, char **end, int base) {
  return strtoul(text, end, base);
}

long long strtoll(const char *text, char **end, int base) {
  return strtoul(text, end, base);
}

unsigned long long strtoull(const char *text, char **end, int base) {
  return strtoul(text, end, base);
}

int atoi(const char *text) {
  return strtoul(text, 0, 10);
}

/* Insertion sort: stable, and what is sorted here is short or nearly in order. */
void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *)) {
  char *first = base, *held = malloc(size), *place;
  size_t i;
  for (i = 1; i < count; i++) {
    place = first + i * size;
    memcpy(held, place, size);
    while (place > first && compare(place - size, held) > 0) {
      memcpy(place, place - size, size);
      place -= size;
    }
    memcpy(place, held, size);
  }
  free(held);
}

void abort(void) {
  exit(134);
}
