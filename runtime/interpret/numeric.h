/* The numeric instructions that are more than one expression. Portable: no maths library. Signalling NaNs
   come out quiet, as IEEE 754 arithmetic makes them. */
#ifndef KP_RUNTIME_INTERPRET_NUMERIC_H
#define KP_RUNTIME_INTERPRET_NUMERIC_H

#include <string.h>

#include "runtime/instance/trap.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;
typedef int64_t s64;
typedef float f32;
typedef double f64;

static inline uint32_t kp_numeric_bits32(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float kp_numeric_float32(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint64_t kp_numeric_bits64(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double kp_numeric_float64(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline unsigned kp_numeric_popcount(uint64_t x)
{
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    return (unsigned)((((x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu) * 0x0101010101010101u) >> 56);
}

static inline float kp_numeric_sqrt32(float x)
{
#if defined(__SSE2__)
    return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x)));
#else
    return __builtin_sqrtf(x);
#endif
}

static inline double kp_numeric_sqrt64(double x)
{
#if defined(__SSE2__)
    __m128d v = _mm_set_sd(x);
    return _mm_cvtsd_f64(_mm_sqrt_sd(v, v));
#else
    return __builtin_sqrt(x);
#endif
}

/* Numbers of magnitude 2^52 (2^23) and more are whole. The sum and difference with it round to the nearest
   whole number, ties to even, in the default rounding mode. */
#define KP_NUMERIC_ROUNDING(bits, type, whole, sign)                                               \
    static inline type kp_numeric_whole##bits(type x, type rounded)                                \
    {                                                                                              \
        return kp_numeric_float##bits((kp_numeric_bits##bits(rounded) & ~(sign)) |                 \
                                      (kp_numeric_bits##bits(x) & (sign)));                        \
    }                                                                                              \
    static inline bool kp_numeric_is_whole##bits(type x)                                           \
    {                                                                                              \
        return !(x < (whole) && x > -(whole));                                                     \
    }                                                                                              \
    static inline type kp_numeric_trunc##bits(type x)                                              \
    {                                                                                              \
        return kp_numeric_is_whole##bits(x) ? x + 0 : kp_numeric_whole##bits(x, (type)(int64_t)x); \
    }                                                                                              \
    static inline type kp_numeric_floor##bits(type x)                                              \
    {                                                                                              \
        type t = kp_numeric_trunc##bits(x);                                                        \
        return t > x ? t - 1 : t;                                                                  \
    }                                                                                              \
    static inline type kp_numeric_ceil##bits(type x)                                               \
    {                                                                                              \
        type t = kp_numeric_trunc##bits(x);                                                        \
        return t < x ? kp_numeric_whole##bits(x, t + 1) : t;                                       \
    }                                                                                              \
    static inline type kp_numeric_nearest##bits(type x)                                            \
    {                                                                                              \
        if (kp_numeric_is_whole##bits(x))                                                          \
            return x + 0;                                                                          \
        return kp_numeric_whole##bits(x, x < 0 ? x - (whole) + (whole) : x + (whole) - (whole));   \
    }                                                                                              \
    static inline type kp_numeric_min##bits(type x, type y)                                        \
    {                                                                                              \
        if (x != x || y != y)                                                                      \
            return x + y;                                                                          \
        if (x == y)                                                                                \
            return kp_numeric_float##bits(kp_numeric_bits##bits(x) | kp_numeric_bits##bits(y));    \
        return x < y ? x : y;                                                                      \
    }                                                                                              \
    static inline type kp_numeric_max##bits(type x, type y)                                        \
    {                                                                                              \
        if (x != x || y != y)                                                                      \
            return x + y;                                                                          \
        if (x == y)                                                                                \
            return kp_numeric_float##bits(kp_numeric_bits##bits(x) & kp_numeric_bits##bits(y));    \
        return x > y ? x : y;                                                                      \
    }
KP_NUMERIC_ROUNDING(32, float, 8388608.0f, 0x80000000u)
KP_NUMERIC_ROUNDING(64, double, 4503599627370496.0, (uint64_t)1 << 63)

/* Division. */
#define KP_NUMERIC_DIVISION(name, s, u, least)                                       \
    static inline kp_wasm_trap_code_t kp_numeric_##name##_DIV_U(u x, u y, u *result) \
    {                                                                                \
        if (y == 0)                                                                  \
            return KP_WASM_TRAP_DIVIDE_BY_ZERO;                                      \
        *result = x / y;                                                             \
        return KP_WASM_TRAP_NONE;                                                    \
    }                                                                                \
    static inline kp_wasm_trap_code_t kp_numeric_##name##_REM_U(u x, u y, u *result) \
    {                                                                                \
        if (y == 0)                                                                  \
            return KP_WASM_TRAP_DIVIDE_BY_ZERO;                                      \
        *result = x % y;                                                             \
        return KP_WASM_TRAP_NONE;                                                    \
    }                                                                                \
    static inline kp_wasm_trap_code_t kp_numeric_##name##_DIV_S(s x, s y, u *result) \
    {                                                                                \
        if (y == 0)                                                                  \
            return KP_WASM_TRAP_DIVIDE_BY_ZERO;                                      \
        if (y == -1 && x == (least))                                                 \
            return KP_WASM_TRAP_INTEGER_OVERFLOW;                                    \
        *result = (u)(x / y);                                                        \
        return KP_WASM_TRAP_NONE;                                                    \
    }                                                                                \
    static inline kp_wasm_trap_code_t kp_numeric_##name##_REM_S(s x, s y, u *result) \
    {                                                                                \
        if (y == 0)                                                                  \
            return KP_WASM_TRAP_DIVIDE_BY_ZERO;                                      \
        *result = y == -1 ? 0 : (u)(x % y);                                          \
        return KP_WASM_TRAP_NONE;                                                    \
    }
KP_NUMERIC_DIVISION(I32, s32, u32, INT32_MIN)
KP_NUMERIC_DIVISION(I64, s64, u64, INT64_MIN)

/* Truncation: `inside` is the open or closed range whose truncations the target holds. */
#define KP_NUMERIC_TRUNCATION(name, in, out, inside, least, most)          \
    static inline kp_wasm_trap_code_t kp_numeric_##name(in x, out *result) \
    {                                                                      \
        if (x != x)                                                        \
            return KP_WASM_TRAP_INVALID_CONVERSION;                        \
        if (!(inside))                                                     \
            return KP_WASM_TRAP_INTEGER_OVERFLOW;                          \
        *result = (out)x;                                                  \
        return KP_WASM_TRAP_NONE;                                          \
    }                                                                      \
    static inline out kp_numeric_sat_##name(in x)                          \
    {                                                                      \
        if (x != x)                                                        \
            return 0;                                                      \
        return (inside) ? (out)x : x < 0 ? (least) : (most);               \
    }
KP_NUMERIC_TRUNCATION(I32_TRUNC_F32_S, f32, s32, x >= -2147483648.0f && x < 2147483648.0f,
                      INT32_MIN, INT32_MAX)
KP_NUMERIC_TRUNCATION(I32_TRUNC_F32_U, f32, u32, x > -1 && x < 4294967296.0f, 0, UINT32_MAX)
KP_NUMERIC_TRUNCATION(I64_TRUNC_F32_S, f32, s64,
                      x >= -9223372036854775808.0f && x < 9223372036854775808.0f, INT64_MIN,
                      INT64_MAX)
KP_NUMERIC_TRUNCATION(I64_TRUNC_F32_U, f32, u64, x > -1 && x < 18446744073709551616.0f, 0,
                      UINT64_MAX)
KP_NUMERIC_TRUNCATION(I32_TRUNC_F64_S, f64, s32, x > -2147483649.0 && x < 2147483648.0, INT32_MIN,
                      INT32_MAX)
KP_NUMERIC_TRUNCATION(I32_TRUNC_F64_U, f64, u32, x > -1 && x < 4294967296.0, 0, UINT32_MAX)
KP_NUMERIC_TRUNCATION(I64_TRUNC_F64_S, f64, s64,
                      x >= -9223372036854775808.0 && x < 9223372036854775808.0, INT64_MIN,
                      INT64_MAX)
KP_NUMERIC_TRUNCATION(I64_TRUNC_F64_U, f64, u64, x > -1 && x < 18446744073709551616.0, 0,
                      UINT64_MAX)

#endif
