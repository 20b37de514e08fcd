#ifndef PREPROCESSOR_H
#define PREPROCESSOR_H
#define INCLUDED 9
#define NEGATED(x) -(x)
#endif
