/* Private to vector*.c: how a vector instruction is written. */
#ifndef KP_RUNTIME_INTERPRET_VECTOR_H
#define KP_RUNTIME_INTERPRET_VECTOR_H

#include "runtime/interpret/internal.h"
#include "runtime/interpret/numeric.h"
#include "runtime/wasm/opcode.h"

typedef uint8_t u8;
typedef int8_t s8;
typedef uint16_t u16;
typedef int16_t s16;

/* Of two vectors: out[i] = expression of X[i] and Y[i]. */
#define KP_VECTOR(name, in, n, out_type, m, expression)                      \
    static void name(void *out, const void *x, const void *y, unsigned lane) \
    {                                                                        \
        in X[n], Y[n];                                                       \
        out_type R[m];                                                       \
        (void)lane;                                                          \
        memcpy(X, x, 16);                                                    \
        memcpy(Y, y, 16);                                                    \
        for (size_t i = 0; i < (m); i++)                                     \
            R[i] = (out_type)(expression);                                   \
        memcpy(out, R, 16);                                                  \
    }
/* Of one vector; the second operand is not read. */
#define KP_VECTOR1(name, in, n, out_type, m, expression)                     \
    static void name(void *out, const void *x, const void *y, unsigned lane) \
    {                                                                        \
        in X[n];                                                             \
        out_type R[m];                                                       \
        (void)lane;                                                          \
        (void)y;                                                             \
        memcpy(X, x, 16);                                                    \
        for (size_t i = 0; i < (m); i++)                                     \
            R[i] = (out_type)(expression);                                   \
        memcpy(out, R, 16);                                                  \
    }
/* A vector and a shift count s, reduced to the lane's bits. */
#define KP_VECTOR_SHIFT(name, in, n, expression)                             \
    static void name(void *out, const void *x, const void *y, unsigned lane) \
    {                                                                        \
        in X[n], R[n];                                                       \
        uint32_t s;                                                          \
        (void)lane;                                                          \
        memcpy(X, x, 16);                                                    \
        memcpy(&s, y, 4);                                                    \
        s &= 8 * sizeof(in) - 1;                                             \
        for (size_t i = 0; i < (n); i++)                                     \
            R[i] = (in)(expression);                                         \
        memcpy(out, R, 16);                                                  \
    }
#define KP_VECTOR_SPLAT(name, type, n)                                       \
    static void name(void *out, const void *x, const void *y, unsigned lane) \
    {                                                                        \
        type value, R[n];                                                    \
        (void)lane;                                                          \
        (void)y;                                                             \
        memcpy(&value, x, sizeof value);                                     \
        for (size_t i = 0; i < (n); i++)                                     \
            R[i] = value;                                                    \
        memcpy(out, R, 16);                                                  \
    }
/* A slot from a vector: `initial` combined with each lane by `step` of r, X[i] and i. */
#define KP_VECTOR_SCALAR(name, in, n, initial, step)                         \
    static void name(void *out, const void *x, const void *y, unsigned lane) \
    {                                                                        \
        in X[n];                                                             \
        uint64_t r = (initial);                                              \
        (void)lane;                                                          \
        (void)y;                                                             \
        memcpy(X, x, 16);                                                    \
        for (size_t i = 0; i < (n); i++)                                     \
            step;                                                            \
        memcpy(out, &r, 8);                                                  \
    }
#define KP_VECTOR_EXTRACT(name, in, n, as)                                   \
    static void name(void *out, const void *x, const void *y, unsigned lane) \
    {                                                                        \
        in X[n];                                                             \
        (void)y;                                                             \
        memcpy(X, x, 16);                                                    \
        uint64_t r = (as)X[lane];                                            \
        memcpy(out, &r, 8);                                                  \
    }
#define KP_VECTOR_REPLACE(name, type, n)                                     \
    static void name(void *out, const void *x, const void *y, unsigned lane) \
    {                                                                        \
        type X[n];                                                           \
        memcpy(X, x, 16);                                                    \
        memcpy(&X[lane], y, sizeof(type));                                   \
        memcpy(out, X, 16);                                                  \
    }

/* Where vector.c finds the floating-point ones. */
#define KP_VECTOR_FLOATS(X)         \
    X(F32X4_SPLAT)                  \
    X(F32X4_EXTRACT_LANE)           \
    X(F32X4_REPLACE_LANE)           \
    X(F32X4_EQ)                     \
    X(F32X4_NE)                     \
    X(F32X4_LT)                     \
    X(F32X4_GT)                     \
    X(F32X4_LE)                     \
    X(F32X4_GE)                     \
    X(F32X4_ABS)                    \
    X(F32X4_NEG)                    \
    X(F32X4_CEIL)                   \
    X(F32X4_FLOOR)                  \
    X(F32X4_TRUNC)                  \
    X(F32X4_NEAREST)                \
    X(F32X4_SQRT)                   \
    X(F32X4_ADD)                    \
    X(F32X4_SUB)                    \
    X(F32X4_MUL)                    \
    X(F32X4_DIV)                    \
    X(F32X4_MIN)                    \
    X(F32X4_MAX)                    \
    X(F32X4_PMIN)                   \
    X(F32X4_PMAX)                   \
    X(F64X2_SPLAT)                  \
    X(F64X2_EXTRACT_LANE)           \
    X(F64X2_REPLACE_LANE)           \
    X(F64X2_EQ)                     \
    X(F64X2_NE)                     \
    X(F64X2_LT)                     \
    X(F64X2_GT)                     \
    X(F64X2_LE)                     \
    X(F64X2_GE)                     \
    X(F64X2_ABS)                    \
    X(F64X2_NEG)                    \
    X(F64X2_CEIL)                   \
    X(F64X2_FLOOR)                  \
    X(F64X2_TRUNC)                  \
    X(F64X2_NEAREST)                \
    X(F64X2_SQRT)                   \
    X(F64X2_ADD)                    \
    X(F64X2_SUB)                    \
    X(F64X2_MUL)                    \
    X(F64X2_DIV)                    \
    X(F64X2_MIN)                    \
    X(F64X2_MAX)                    \
    X(F64X2_PMIN)                   \
    X(F64X2_PMAX)                   \
    X(I32X4_TRUNC_SAT_F32X4_S)      \
    X(I32X4_TRUNC_SAT_F64X2_S_ZERO) \
    X(F32X4_CONVERT_I32X4_S)        \
    X(F64X2_CONVERT_LOW_I32X4_S)    \
    X(I32X4_TRUNC_SAT_F32X4_U)      \
    X(I32X4_TRUNC_SAT_F64X2_U_ZERO) \
    X(F32X4_CONVERT_I32X4_U)        \
    X(F64X2_CONVERT_LOW_I32X4_U)    \
    X(F32X4_DEMOTE_F64X2_ZERO)      \
    X(F64X2_PROMOTE_LOW_F32X4)

#define KP_VECTOR_DECLARE(name) \
    void kp_interpret_##name(void *out, const void *x, const void *y, unsigned lane);
KP_VECTOR_FLOATS(KP_VECTOR_DECLARE)
#undef KP_VECTOR_DECLARE

#endif
