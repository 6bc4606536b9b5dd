/* Vector instructions on floating-point numbers: one function each, over 16 bytes in slots. The compiler turns the loops over
   lanes into the machine's own vector instructions. Results are written last: out may overlap x and y.
   Source: WebAssembly specification, "Vector Instructions". */
#include "runtime/interpret/vector.h"

/* The pseudo-minimum and -maximum choose an operand, bit for bit. */
#define KP_PSEUDO(bits)                                                       \
    static inline u##bits pmin##bits(u##bits x, u##bits y)                    \
    {                                                                         \
        return kp_numeric_float##bits(y) < kp_numeric_float##bits(x) ? y : x; \
    }                                                                         \
    static inline u##bits pmax##bits(u##bits x, u##bits y)                    \
    {                                                                         \
        return kp_numeric_float##bits(x) < kp_numeric_float##bits(y) ? y : x; \
    }
KP_PSEUDO(32)
KP_PSEUDO(64)

KP_VECTOR_SPLAT(F32X4_SPLAT, u32, 4)
KP_VECTOR_EXTRACT(F32X4_EXTRACT_LANE, u32, 4, u32)
KP_VECTOR_REPLACE(F32X4_REPLACE_LANE, u32, 4)
KP_VECTOR(F32X4_EQ, f32, 4, s32, 4, X[i] == Y[i] ? -1 : 0)
KP_VECTOR(F32X4_NE, f32, 4, s32, 4, X[i] != Y[i] ? -1 : 0)
KP_VECTOR(F32X4_LT, f32, 4, s32, 4, X[i] < Y[i] ? -1 : 0)
KP_VECTOR(F32X4_GT, f32, 4, s32, 4, X[i] > Y[i] ? -1 : 0)
KP_VECTOR(F32X4_LE, f32, 4, s32, 4, X[i] <= Y[i] ? -1 : 0)
KP_VECTOR(F32X4_GE, f32, 4, s32, 4, X[i] >= Y[i] ? -1 : 0)
KP_VECTOR1(F32X4_ABS, u32, 4, u32, 4, X[i] & ~0x80000000u)
KP_VECTOR1(F32X4_NEG, u32, 4, u32, 4, X[i] ^ 0x80000000u)
KP_VECTOR1(F32X4_CEIL, f32, 4, f32, 4, kp_numeric_ceil32(X[i]))
KP_VECTOR1(F32X4_FLOOR, f32, 4, f32, 4, kp_numeric_floor32(X[i]))
KP_VECTOR1(F32X4_TRUNC, f32, 4, f32, 4, kp_numeric_trunc32(X[i]))
KP_VECTOR1(F32X4_NEAREST, f32, 4, f32, 4, kp_numeric_nearest32(X[i]))
KP_VECTOR1(F32X4_SQRT, f32, 4, f32, 4, kp_numeric_sqrt32(X[i]))
KP_VECTOR(F32X4_ADD, f32, 4, f32, 4, X[i] + Y[i])
KP_VECTOR(F32X4_SUB, f32, 4, f32, 4, X[i] - Y[i])
KP_VECTOR(F32X4_MUL, f32, 4, f32, 4, X[i] * Y[i])
KP_VECTOR(F32X4_DIV, f32, 4, f32, 4, X[i] / Y[i])
KP_VECTOR(F32X4_MIN, f32, 4, f32, 4, kp_numeric_min32(X[i], Y[i]))
KP_VECTOR(F32X4_MAX, f32, 4, f32, 4, kp_numeric_max32(X[i], Y[i]))
KP_VECTOR(F32X4_PMIN, u32, 4, u32, 4, pmin32(X[i], Y[i]))
KP_VECTOR(F32X4_PMAX, u32, 4, u32, 4, pmax32(X[i], Y[i]))
KP_VECTOR_SPLAT(F64X2_SPLAT, u64, 2)
KP_VECTOR_EXTRACT(F64X2_EXTRACT_LANE, u64, 2, u64)
KP_VECTOR_REPLACE(F64X2_REPLACE_LANE, u64, 2)
KP_VECTOR(F64X2_EQ, f64, 2, s64, 2, X[i] == Y[i] ? -1 : 0)
KP_VECTOR(F64X2_NE, f64, 2, s64, 2, X[i] != Y[i] ? -1 : 0)
KP_VECTOR(F64X2_LT, f64, 2, s64, 2, X[i] < Y[i] ? -1 : 0)
KP_VECTOR(F64X2_GT, f64, 2, s64, 2, X[i] > Y[i] ? -1 : 0)
KP_VECTOR(F64X2_LE, f64, 2, s64, 2, X[i] <= Y[i] ? -1 : 0)
KP_VECTOR(F64X2_GE, f64, 2, s64, 2, X[i] >= Y[i] ? -1 : 0)
KP_VECTOR1(F64X2_ABS, u64, 2, u64, 2, X[i] & ~((u64)1 << 63))
KP_VECTOR1(F64X2_NEG, u64, 2, u64, 2, X[i] ^ ((u64)1 << 63))
KP_VECTOR1(F64X2_CEIL, f64, 2, f64, 2, kp_numeric_ceil64(X[i]))
KP_VECTOR1(F64X2_FLOOR, f64, 2, f64, 2, kp_numeric_floor64(X[i]))
KP_VECTOR1(F64X2_TRUNC, f64, 2, f64, 2, kp_numeric_trunc64(X[i]))
KP_VECTOR1(F64X2_NEAREST, f64, 2, f64, 2, kp_numeric_nearest64(X[i]))
KP_VECTOR1(F64X2_SQRT, f64, 2, f64, 2, kp_numeric_sqrt64(X[i]))
KP_VECTOR(F64X2_ADD, f64, 2, f64, 2, X[i] + Y[i])
KP_VECTOR(F64X2_SUB, f64, 2, f64, 2, X[i] - Y[i])
KP_VECTOR(F64X2_MUL, f64, 2, f64, 2, X[i] * Y[i])
KP_VECTOR(F64X2_DIV, f64, 2, f64, 2, X[i] / Y[i])
KP_VECTOR(F64X2_MIN, f64, 2, f64, 2, kp_numeric_min64(X[i], Y[i]))
KP_VECTOR(F64X2_MAX, f64, 2, f64, 2, kp_numeric_max64(X[i], Y[i]))
KP_VECTOR(F64X2_PMIN, u64, 2, u64, 2, pmin64(X[i], Y[i]))
KP_VECTOR(F64X2_PMAX, u64, 2, u64, 2, pmax64(X[i], Y[i]))
KP_VECTOR1(I32X4_TRUNC_SAT_F32X4_S, f32, 4, s32, 4, kp_numeric_sat_I32_TRUNC_F32_S(X[i]))
KP_VECTOR1(I32X4_TRUNC_SAT_F64X2_S_ZERO, f64, 2, s32, 4,
           i < 2 ? kp_numeric_sat_I32_TRUNC_F64_S(X[i]) : 0)
KP_VECTOR1(F32X4_CONVERT_I32X4_S, s32, 4, f32, 4, X[i])
KP_VECTOR1(F64X2_CONVERT_LOW_I32X4_S, s32, 4, f64, 2, X[i])
KP_VECTOR1(I32X4_TRUNC_SAT_F32X4_U, f32, 4, u32, 4, kp_numeric_sat_I32_TRUNC_F32_U(X[i]))
KP_VECTOR1(I32X4_TRUNC_SAT_F64X2_U_ZERO, f64, 2, u32, 4,
           i < 2 ? kp_numeric_sat_I32_TRUNC_F64_U(X[i]) : 0)
KP_VECTOR1(F32X4_CONVERT_I32X4_U, u32, 4, f32, 4, X[i])
KP_VECTOR1(F64X2_CONVERT_LOW_I32X4_U, u32, 4, f64, 2, X[i])
KP_VECTOR1(F32X4_DEMOTE_F64X2_ZERO, f64, 2, f32, 4, i < 2 ? (f32)X[i] : 0)
KP_VECTOR1(F64X2_PROMOTE_LOW_F32X4, f32, 4, f64, 2, X[i])

#define EXPORT(name)                                                                 \
    void kp_interpret_##name(void *out, const void *x, const void *y, unsigned lane) \
    {                                                                                \
        name(out, x, y, lane);                                                       \
    }
KP_VECTOR_FLOATS(EXPORT)
