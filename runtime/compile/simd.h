/* Shared by the SIMD files of the compiler: operations of vector registers by number, small sequences.
   X_SCRATCH and X_SCRATCH2 are free to use in all of them. */
#ifndef KP_RUNTIME_COMPILE_SIMD_H
#define KP_RUNTIME_COMPILE_SIMD_H

#include "runtime/compile/internal.h"

#define S0F(code) ((code) | MAP_0F)
#define S66(code) ((code) | MAP_0F | P66)
#define S38(code) ((code) | MAP_38 | P66)
#define S3A(code) ((code) | MAP_3A | P66)

#define OP_PCMPEQB S66(0x74u)
#define OP_PCMPEQW S66(0x75u)
#define OP_PCMPEQD S66(0x76u)
#define OP_PCMPEQQ S38(0x29u)
#define OP_PSHUFB S38(0x00u)
#define OP_PSHUFD S66(0x70u)
#define OP_PTEST S38(0x17u)
#define OP_PUNPCKLQDQ S66(0x6cu)
#define OP_PINSRD S3A(0x22u)
#define OP_PAND S66(0xdbu)
#define OP_PANDN S66(0xdfu)
#define OP_POR S66(0xebu)
#define OP_PADDD S66(0xfeu)
#define OP_PADDQ S66(0xd4u)
#define OP_PSUBQ S66(0xfbu)
#define OP_PMULUDQ S66(0xf4u)

/* to = a op b, whatever registers these are; without AVX X_SCRATCH2 may be lost, and a is not it. */
static inline void kp_vec(kp_compiler_t *c, uint32_t op, unsigned to, unsigned a, unsigned b)
{
    if (!c->avx && to == b && to != a) {
        kp_asm_rr(&c->code, OP_MOVAPS, X_SCRATCH2, b);
        b = X_SCRATCH2;
    }
    kp_sse_rrr(c, op, to, a, b);
}

/* The same with an immediate byte. */
static inline void kp_vec_imm(kp_compiler_t *c, uint32_t op, unsigned to, unsigned a, unsigned b,
                              unsigned immediate)
{
    kp_vec(c, op, to, a, b);
    kp_asm_u8(&c->code, immediate);
}

/* to = op(a), two operands. */
static inline void kp_vec_unary(kp_compiler_t *c, uint32_t op, unsigned to, unsigned a)
{
    kp_sse_rr(c, op, to, a);
}

static inline void kp_vec_unary_imm(kp_compiler_t *c, uint32_t op, unsigned to, unsigned a,
                                    unsigned immediate)
{
    kp_sse_rr(c, op, to, a);
    kp_asm_u8(&c->code, immediate);
}

/* to = a shifted by a constant: code 0x71 (16 bits), 0x72 (32), 0x73 (64); digit 6 left, 2 right, 4
   arithmetic right. */
static inline void kp_vec_shift(kp_compiler_t *c, unsigned code, unsigned digit, unsigned to,
                                unsigned a, unsigned count)
{
    if (c->avx) {
        kp_asm_vex_rr(&c->code, S66(code), digit, to, a);
    } else {
        if (to != a)
            kp_asm_rr(&c->code, OP_MOVAPS, to, a);
        kp_asm_rr(&c->code, S66(code), digit, to);
    }
    kp_asm_u8(&c->code, count);
}

static inline void kp_vec_move(kp_compiler_t *c, unsigned to, unsigned a)
{
    if (to != a)
        kp_sse_rr(c, OP_MOVAPS, to, a);
}

/* reg = 128 bits. */
void kp_vec_constant(kp_compiler_t *c, unsigned reg, uint64_t low, uint64_t high);

static inline void kp_vec_splat(kp_compiler_t *c, unsigned reg, uint64_t both)
{
    kp_vec_constant(c, reg, both, both);
}

/* simd_lanes.c, simd_convert.c: instructions with sequences of their own; false: not one of theirs. */
bool kp_simd_lanes(kp_compiler_t *c, const kp_wasm_instruction_t *instruction);
bool kp_simd_shift(kp_compiler_t *c, const kp_wasm_instruction_t *instruction);
bool kp_simd_convert(kp_compiler_t *c, const kp_wasm_instruction_t *instruction);

#endif
