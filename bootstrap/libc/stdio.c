/* libc, part 4: buffered files and formatted text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>
#include <fcntl.h>

/* buffer[from..to-1]: bytes read ahead, or, if isWriting, bytes still to be written (then from is 0). */
struct __file {
  int descriptor, isWriting;
  size_t from, to;
  struct __file *next;
  char buffer[8192];
};

static FILE __standard[3] = {{0}, {1}, {2}};
FILE *stdin = &__standard[0], *stdout = &__standard[1], *stderr = &__standard[2];
static FILE *__open_files;

FILE *fdopen(int descriptor, const char *mode) {
  FILE *file = calloc(1, sizeof(FILE));
  file->descriptor = descriptor;
  file->next = __open_files;
  __open_files = file;
  return file;
}

FILE *fopen(const char *path, const char *mode) {
  int flags = *mode == 'w' ? O_CREAT | O_TRUNC : 0, descriptor;
  if (strchr(mode, '+')) flags |= O_RDWR;
  else if (*mode == 'w') flags |= O_WRONLY;
  descriptor = open(path, flags, 0666);
  return descriptor < 0 ? 0 : fdopen(descriptor, mode);
}

int fflush(FILE *file) {
  size_t done = 0;
  if (file->isWriting)
    while (done < file->to) {
      ssize_t count = write(file->descriptor, file->buffer + done, file->to - done);
      if (count <= 0) return EOF;
      done += count;
    }
  else if (file->to > file->from) lseek(file->descriptor, (long)file->from - (long)file->to, SEEK_CUR);
  file->from = file->to = 0;
  file->isWriting = 0;
  return 0;
}

int fclose(FILE *file) {
  FILE **place;
  int result = fflush(file);
  for (place = &__open_files; *place; place = &(*place)->next)
    if (*place == file) {
      *place = file->next;
      break;
    }
  close(file->descriptor);
  return result;
}

void exit(int status) {
  FILE *file;
  fflush(stdout);
  for (file = __open_files; file; file = file->next) fflush(file);
  for (;;) __system(60, status, 0, 0);
}

size_t fread(void *to, size_t size, size_t count, FILE *file) {
  size_t wanted = size * count, done = 0;
  if (file->isWriting) fflush(file);
  while (done < wanted) {
    size_t part = file->to - file->from;
    if (!part) {
      ssize_t got = read(file->descriptor, file->buffer, sizeof file->buffer);
      file->from = 0;
      file->to = got > 0 ? got : 0;
      if (got <= 0) break;
      continue;
    }
    if (part > wanted - done) part = wanted - done;
    memcpy((char *)to + done, file->buffer + file->from, part);
    file->from += part;
    done += part;
  }
  return size ? done / size : 0;
}

size_t fwrite(const void *from, size_t size, size_t count, FILE *file) {
  size_t length = size * count, done = 0;
  if (!file->isWriting) fflush(file);
  file->isWriting = 1;
  while (done < length) {
    size_t part = sizeof file->buffer - file->to;
    if (part > length - done) part = length - done;
    memcpy(file->buffer + file->to, (const char *)from + done, part);
    file->to += part;
    done += part;
    if (file->to == sizeof file->buffer) {
      if (fflush(file)) return 0;
      file->isWriting = 1;
    }
  }
  if (file == stderr) fflush(file);
  return count;
}

int fseek(FILE *file, long offset, int from) {
  fflush(file);
  return lseek(file->descriptor, offset, from) < 0 ? -1 : 0;
}

long ftell(FILE *file) {
  fflush(file);
  return lseek(file->descriptor, 0, SEEK_CUR);
}

int fputc(int c, FILE *file) {
  char byte = c;
  return fwrite(&byte, 1, 1, file) ? c & 255 : EOF;
}

int fputs(const char *text, FILE *file) {
  size_t length = strlen(text);
  return fwrite(text, 1, length, file) == length ? 0 : EOF;
}

int remove(const char *path) {
  return unlink(path);
}

/* Where formatted text goes: to a file, or to `size` bytes at `to`. length: of everything, whether it fitted or not. */
typedef struct {
  FILE *file;
  char *to;
  size_t size, length;
} Sink;

static void __put(Sink *sink, const char *text, size_t count) {
  size_t i;
  if (sink->file) fwrite(text, 1, count, sink->file);
  else
    for (i = 0; i < count; i++)
      if (sink->length + i + 1 < sink->size) sink->to[sink->length + i] = text[i];
  sink->length += count;
}

static void __pad(Sink *sink, int c, int count) {
  char byte = c;
  while (count-- > 0) __put(sink, &byte, 1);
}

/* Writes the digits of a number before `end`; returns where they begin. */
static char *__digits(char *end, uint64_t value, unsigned base, int upper) {
  do {
    int digit = value % base;
    *--end = digit < 10 ? '0' + digit : (upper ? 'A' : 'a') + digit - 10;
    value /= base;
  } while (value);
  return end;
}

/* Understands flags - 0 + space #, width, precision, * and the conversions d i u x X o p c s f g; f and g alike print
   precision digits after the point, truncated: tcc only uses them for statistics. */
static int __format(Sink *sink, const char *format, va_list list) {
  char buffer[400];
  for (; *format; format++) {
    int left = 0, zero = 0, sign = 0, other = 0, width = 0, precision = -1, isLong = 0, length, prefix = 0;
    const char *text, *start = format;
    if (*format != '%') {
      while (format[1] && format[1] != '%') format++;
      __put(sink, start, format + 1 - start);
      continue;
    }
    for (format++;; format++) {
      if (*format == '-') left = 1;
      else if (*format == '0') zero = 1;
      else if (*format == '+' || *format == ' ') sign = *format;
      else if (*format == '#') other = 1;
      else break;
    }
    if (*format == '*') {
      width = va_arg(list, int);
      format++;
    } else
      for (; *format >= '0' && *format <= '9'; format++) width = width * 10 + *format - '0';
    if (width < 0) {
      left = 1;
      width = -width;
    }
    if (*format == '.') {
      precision = 0;
      if (*++format == '*') {
        precision = va_arg(list, int);
        format++;
      } else
        for (; *format >= '0' && *format <= '9'; format++) precision = precision * 10 + *format - '0';
    }
    for (; *format == 'l' || *format == 'h' || *format == 'z' || *format == 'j' || *format == 't'; format++)
      if (*format != 'h') isLong = 1;
    text = buffer;
    if (*format == 'c') {
      buffer[0] = va_arg(list, int);
      length = 1;
    } else if (*format == 's') {
      text = va_arg(list, const char *);
      if (!text) text = "(null)";
      for (length = 0; length != precision && text[length];) length++;
    } else if (*format == 'f' || *format == 'g') {
      double value = va_arg(list, double);
      char *end = buffer + sizeof buffer;
      int i;
      if (precision < 0 || precision > 15) precision = 6;
      if (value < 0) {
        value = -value;
        prefix = '-';
      }
      for (i = 0; i < precision; i++) value *= 10;
      start = __digits(end, (uint64_t)value, 10, 0);
      while (end - start <= precision) *(char *)--start = '0';
      length = end - start - precision;
      memcpy(buffer, start, length);
      if (precision) {
        buffer[length] = '.';
        memcpy(buffer + length + 1, end - precision, precision);
        length += precision + 1;
      }
    } else if (*format == '%') {
      buffer[0] = '%';
      length = 1;
    } else {
      int c = *format == 'p' ? 'x' : *format;
      uint64_t value;
      char *end = buffer + 100;
      if (isLong || *format == 'p') value = va_arg(list, uint64_t);
      else if (c == 'd' || c == 'i') value = (int64_t)va_arg(list, int);
      else value = va_arg(list, unsigned);
      if (c == 'd' || c == 'i') {
        if ((int64_t)value < 0) {
          value = -value;
          prefix = '-';
        } else prefix = sign;
      }
      text = __digits(end, value, c == 'o' ? 8 : (c | 32) == 'x' ? 16 : 10, c == 'X');
      length = end - text;
      if (precision >= 0) zero = 0;
      while (length < precision && length < 90) {
        *(char *)--text = '0';
        length++;
      }
      if ((other && value) || *format == 'p') {
        if (c == 'o') *(char *)--text = '0', length++;
        else *(char *)--text = c, *(char *)--text = '0', length += 2;
      }
    }
    width -= length + (prefix != 0);
    if (!left && !zero) __pad(sink, ' ', width);
    if (prefix) __pad(sink, prefix, 1);
    if (!left && zero) __pad(sink, '0', width);
    __put(sink, text, length);
    if (left) __pad(sink, ' ', width);
  }
  return sink->length;
}

int vfprintf(FILE *file, const char *format, va_list list) {
  Sink sink = {file};
  return __format(&sink, format, list);
}

int vsnprintf(char *to, size_t size, const char *format, va_list list) {
  Sink sink = {0, to, size};
  __format(&sink, format, list);
  if (size) to[sink.length < size ? sink.length : size - 1] = 0;
  return sink.length;
}

int printf(const char *format, ...) {
  va_list list;
  int result;
  va_start(list, format);
  result = vfprintf(stdout, format, list);
  va_end(list);
  return result;
}

int fprintf(FILE *file, const char *format, ...) {
  va_list list;
  int result;
  va_start(list, format);
  result = vfprintf(file, format, list);
  va_end(list);
  return result;
}

int sprintf(char *to, const char *format, ...) {
  va_list list;
  int result;
  va_start(list, format);
  result = vsnprintf(to, ~0UL >> 1, format, list);
  va_end(list);
  return result;
}

int snprintf(char *to, size_t size, const char *format, ...) {
  va_list list;
  int result;
  va_start(list, format);
  result = vsnprintf(to, size, format, list);
  va_end(list);
  return result;
}

/* Understands %d and characters that stand for themselves. */
int sscanf(const char *text, const char *format, ...) {
  va_list list;
  int count = 0;
  va_start(list, format);
  for (; *format; format++) {
    if (format[0] == '%' && format[1] == 'd') {
      char *end;
      long value = strtol(text, &end, 10);
      if (end == text) break;
      *va_arg(list, int *) = value;
      text = end;
      count++;
      format++;
    } else if (*text++ != *format) break;
  }
  va_end(list);
  return count;
}
