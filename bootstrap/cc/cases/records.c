/* struct and union: layout, members, assignment, parameters and results by value. */
#include <stdio.h>
#include <stddef.h>
struct point { int x, y; };
struct odd { char a[5]; };
struct big { long a[10]; struct point p; char last; };
struct mixed { char c; short s; int i; char d; long l; char e; long double x; float f; };
union value { int i; char bytes[8]; double d; struct { short low, high; }; };
struct outer { int kind; union { struct point p; long n; }; struct { int in; struct { char deep; }; } named; };
struct list { struct list *next; int value; };
typedef struct tagged tagged;
struct tagged { tagged *self; int (*function)(tagged *); };
static struct point swap(struct point p) { struct point q; q.x = p.y; q.y = p.x; return q; }
static struct big make(int n, struct odd o) { struct big b; int i; for (i = 0; i < 10; i++) b.a[i] = n * i; b.p.x = o.a[4]; b.p.y = -1; b.last = 'z'; return b; }
static int sum(struct big b, struct point p, int last) { b.a[0] = 1000; return b.a[0] + b.a[9] + p.x + last; }
static int get(tagged *t) { return t->self == t; }
static struct odd first(struct odd o) { return o; }
int main(void) {
  struct point p = {1, 2}, q, *pp = &p, points[3] = {{1, 2}, {3, 4}};
  struct odd o = {"abcd"}, o2;
  struct big b;
  union value v;
  struct outer out;
  struct list nodes[3], *n;
  tagged t;
  printf("%lu %lu %lu %lu %lu %lu\n", sizeof(struct point), sizeof(struct odd), sizeof(struct big), sizeof(struct mixed), sizeof(union value), sizeof(struct outer));
  printf("%lu %lu %lu %lu %lu\n", offsetof(struct mixed, s), offsetof(struct mixed, l), offsetof(struct mixed, x), offsetof(struct outer, n), offsetof(struct big, p.y));
  q = swap(p);
  printf("%d %d %d\n", q.x, q.y, swap(q).x);
  o.a[4] = 9; o2 = first(o);
  b = make(3, o2);
  printf("%ld %d %c %d\n", b.a[9], b.p.x, b.last, sum(b, *pp, 5));
  printf("%ld\n", b.a[0]);
  pp->x += 10; (*pp).y++; pp++->x -= 1; pp--;
  printf("%d %d\n", p.x, p.y);
  v.d = 0; v.i = 0x01020304;
  printf("%d %d %d %d\n", v.bytes[0], v.bytes[3], v.low, v.high);
  out.p.x = 5; out.p.y = 1; out.named.in = 6; out.named.deep = 'd';
  printf("%ld %d %c\n", out.n, out.named.in, out.named.deep);
  nodes[0].next = nodes + 1; nodes[1].next = &nodes[2]; nodes[2].next = 0;
  nodes[0].value = 1; nodes[1].value = 20; nodes[2].value = 300;
  int total = 0;
  for (n = nodes; n; n = n->next) total += n->value;
  printf("%d %d\n", total, nodes->next->next->value);
  t.self = &t; t.function = get;
  printf("%d %d\n", t.function(&t), (*t.function)(t.self));
  q = (p.x > 100 ? p : points[1]);
  printf("%d %d %d\n", q.x, (p = q).y, (q, points[0]).y);
  points[2] = points[0] = points[1];
  printf("%d %d\n", points[2].x, points[0].y);
  return 0;
}
