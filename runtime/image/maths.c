/* Rounding functions. The compiler turns them into one SSE4.1 instruction each, except in code that
   it takes for cold, where it calls them. */
#include <smmintrin.h>

#define EXACT _MM_FROUND_NO_EXC

#define ROUND_DOUBLE(name, mode)                          \
    double name(double value);                            \
    double name(double value)                             \
    {                                                     \
        __m128d x = _mm_set_sd(value);                    \
        return _mm_cvtsd_f64(_mm_round_sd(x, x, (mode))); \
    }
#define ROUND_FLOAT(name, mode)                           \
    float name(float value);                              \
    float name(float value)                               \
    {                                                     \
        __m128 x = _mm_set_ss(value);                     \
        return _mm_cvtss_f32(_mm_round_ss(x, x, (mode))); \
    }

ROUND_DOUBLE(floor, _MM_FROUND_TO_NEG_INF | EXACT)
ROUND_DOUBLE(ceil, _MM_FROUND_TO_POS_INF | EXACT)
ROUND_DOUBLE(trunc, _MM_FROUND_TO_ZERO | EXACT)
ROUND_DOUBLE(nearbyint, _MM_FROUND_TO_NEAREST_INT | EXACT)
ROUND_FLOAT(floorf, _MM_FROUND_TO_NEG_INF | EXACT)
ROUND_FLOAT(ceilf, _MM_FROUND_TO_POS_INF | EXACT)
ROUND_FLOAT(truncf, _MM_FROUND_TO_ZERO | EXACT)
ROUND_FLOAT(nearbyintf, _MM_FROUND_TO_NEAREST_INT | EXACT)
