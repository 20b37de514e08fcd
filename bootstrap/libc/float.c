/* libc, part 3: decimal text to floating numbers, correctly rounded for any input (ties to even), in exact integer
   arithmetic. Every constant in what tcc compiles goes through here. Not understood: hexadecimal digits, inf, nan. */
#include <stdlib.h>
#include <string.h>
#include <stdint.h>

/* A natural number: `length` digits of base 2^32, the lowest first, the highest not 0. Room for 10^6000 and more. */
#define MAX_WORDS 1400
typedef struct {
  int length;
  uint32_t digit[MAX_WORDS];
} Natural;

/* n = n * factor + addend */
static void __multiply(Natural *n, uint32_t factor, uint32_t addend) {
  uint64_t carry = addend;
  int i;
  for (i = 0; i < n->length; i++) {
    carry += (uint64_t)n->digit[i] * factor;
    n->digit[i] = (uint32_t)carry;
    carry >>= 32;
  }
  if (carry) n->digit[n->length++] = (uint32_t)carry;
}

/* n = n * 2^bits */
static void __shift(Natural *n, int bits) {
  int words = bits / 32, i;
  __multiply(n, 1U << bits % 32, 0);
  if (!words || !n->length) return;
  for (i = n->length - 1; i >= 0; i--) n->digit[i + words] = n->digit[i];
  memset(n->digit, 0, words * sizeof(uint32_t));
  n->length += words;
}

/* Less than, equal to or greater than 0, as a is to b. */
static int __compare(const Natural *a, const Natural *b) {
  int i;
  if (a->length != b->length) return a->length - b->length;
  for (i = a->length - 1; i >= 0; i--)
    if (a->digit[i] != b->digit[i]) return a->digit[i] < b->digit[i] ? -1 : 1;
  return 0;
}

/* a = a - b, where b is not greater. */
static void __subtract(Natural *a, const Natural *b) {
  int64_t borrow = 0;
  int i;
  for (i = 0; i < a->length; i++) {
    borrow += (int64_t)a->digit[i] - (i < b->length ? b->digit[i] : 0);
    a->digit[i] = (uint32_t)borrow;
    borrow >>= 32;
  }
  while (a->length && !a->digit[a->length - 1]) a->length--;
}

/* The number of bits of n. */
static int __bits(const Natural *n) {
  int bits = 32 * (n->length - 1);
  uint32_t top = n->digit[n->length - 1];
  for (; top; top >>= 1) bits++;
  return bits;
}

/* A binary floating format: bits of the significand, least exponent of a normal number, greatest exponent. */
typedef struct {
  int precision, least, greatest;
} Format;

/* What __parse finds: the number is negative ? - : +, significand * 2^exponent, nearest in the format. Where the
   significand is shorter than the precision it is a subnormal number or 0. exponent > greatest: infinite. */
typedef struct {
  int negative, exponent;
  uint64_t significand;
} Parsed;

/* The significand and exponent of a / b, neither of them 0. */
static void __divide(Natural *a, Natural *b, const Format *format, Parsed *result) {
  int exponent = __bits(a) - __bits(b), precision = format->precision, i, order;
  uint64_t quotient = 0;
  if (exponent > 0) __shift(b, exponent);
  else __shift(a, -exponent);
  if (__compare(a, b) < 0) {
    __shift(a, 1);
    exponent--;
  }
  /* now 1 <= a/b < 2, and the number is a/b * 2^exponent */
  if (exponent < format->least) precision -= format->least - exponent;
  for (i = 0; i < precision; i++) {
    quotient <<= 1;
    if (__compare(a, b) >= 0) {
      quotient |= 1;
      __subtract(a, b);
    }
    __shift(a, 1);
  }
  /* what is left, a/b, is to be compared with 1: half of the last bit */
  order = __compare(a, b);
  if (precision >= 0 && (order > 0 || (order == 0 && (quotient & 1)))) quotient++;
  if (precision < 0) precision = 0;
  exponent -= precision - 1;
  if (quotient == (format->precision == 64 ? 0 : 1UL << format->precision) && precision == format->precision) {
    quotient = 1UL << (format->precision - 1);
    exponent++;
  }
  result->significand = quotient;
  result->exponent = exponent;
}

/* Reads a decimal number. */
static void __parse(const char *text, char **end, const Format *format, Parsed *result) {
  static Natural a, b; /* the number is a / b */
  int power = 0, digits = 0, dropped = 0, seen = 0, point = 0, i;
  result->negative = 0;
  result->significand = 0;
  result->exponent = format->least;
  if (end) *end = (char *)text;
  while (*text == ' ' || (*text >= 9 && *text <= 13)) text++;
  if (*text == '-' || *text == '+') result->negative = *text++ == '-';
  a.length = 0;
  for (;; text++) {
    if (*text == '.' && !point) point = 1;
    else if (*text >= '0' && *text <= '9') {
      seen = 1;
      power -= point;
      /* beyond 6000 digits it only matters whether there is anything else than 0 */
      if (digits < 6000) {
        __multiply(&a, 10, *text - '0');
        if (a.length) digits++;
      } else {
        if (*text != '0') dropped = 1;
        power++;
      }
    } else break;
  }
  if (!seen) return;
  if (end) *end = (char *)text;
  if ((*text | 32) == 'e') {
    char *after;
    int sign = text[1] == '-' || text[1] == '+';
    if (text[1 + sign] >= '0' && text[1 + sign] <= '9') {
      long exponent = strtol(text + 1, &after, 10);
      if (after - text > 9) exponent = text[1] == '-' ? -100000 : 100000;
      if (end) *end = after;
      power += exponent;
    }
  }
  if (!a.length) return;
  if (dropped) {
    __multiply(&a, 10, 1);
    power--;
  }
  if (power + digits > 5000) {
    result->exponent = 100000;
    return;
  }
  if (power + digits < -5000) return;
  b.length = 1;
  b.digit[0] = 1;
  for (i = power; i > 0; i--) __multiply(&a, 10, 0);
  for (i = power; i < 0; i++) __multiply(&b, 10, 0);
  __divide(&a, &b, format, result);
}

/* The bits of a number in an IEEE interchange format that has `fraction` bits of fraction. */
static uint64_t __encode(const Parsed *number, const Format *format) {
  int fraction = format->precision - 1;
  int top = number->exponent + fraction;
  uint64_t bits = number->significand;
  if (top > format->greatest) bits = (uint64_t)(2 * format->greatest + 1) << fraction;
  else if (bits >> fraction) bits += (uint64_t)(top - format->least) << fraction;
  return bits;
}

float strtof(const char *text, char **end) {
  static const Format format = {24, -126, 127};
  union { uint32_t bits; float value; } result;
  Parsed number;
  __parse(text, end, &format, &number);
  result.bits = (uint32_t)__encode(&number, &format) | (uint32_t)number.negative << 31;
  return result.value;
}

double strtod(const char *text, char **end) {
  static const Format format = {53, -1022, 1023};
  union { uint64_t bits; double value; } result;
  Parsed number;
  __parse(text, end, &format, &number);
  result.bits = __encode(&number, &format) | (uint64_t)number.negative << 63;
  return result.value;
}

long double strtold(const char *text, char **end) {
  static const Format format = {64, -16382, 16383};
  union { struct { uint64_t significand; uint16_t exponent; } parts; long double value; } result;
  Parsed number;
  int top;
  __parse(text, end, &format, &number);
  top = number.exponent + 63;
  memset(&result, 0, sizeof result);
  result.parts.significand = number.significand;
  if (top > format.greatest) {
    result.parts.significand = 1UL << 63;
    result.parts.exponent = 0x7fff;
  } else if (number.significand >> 63) result.parts.exponent = top + 16383;
  result.parts.exponent |= number.negative << 15;
  return result.value;
}
