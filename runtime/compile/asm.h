/* The x86-64 assembler: encodes one instruction at a time into a growing buffer. No labels: jumps return
   the place of their rel32, which the caller patches or chains.

   An operation is one number: opcode byte, map, mandatory prefix, width. The same number serves the
   legacy encoding and, for SSE operations, VEX (kp_asm_vex_*).

   The emitters do not check for room: kp_asm_reserve does, once for many instructions (an instruction
   has at most 15 bytes).

   Source: Intel SDM volume 2, chapter 2. test/encodings compares with binutils. */
#ifndef KP_RUNTIME_COMPILE_ASM_H
#define KP_RUNTIME_COMPILE_ASM_H

#include <string.h>

#include "runtime/wasm/types.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };
enum { NO_REG = 0xff };

/* Condition codes as in Jcc, SETcc, CMOVcc. */
enum {
    CC_O,
    CC_NO,
    CC_B,
    CC_AE,
    CC_E,
    CC_NE,
    CC_BE,
    CC_A,
    CC_S,
    CC_NS,
    CC_P,
    CC_NP,
    CC_L,
    CC_GE,
    CC_LE,
    CC_G,
};

/* Parts of an operation. */
enum {
    MAP_0F = 1 << 8,
    MAP_38 = 2 << 8,
    MAP_3A = 3 << 8,
    P66 = 1 << 10,
    PF3 = 2 << 10,
    PF2 = 3 << 10,
    W = 1 << 12,   /* REX.W or VEX.W */
    R8L = 1 << 13, /* the register or register r/m is a byte: REX for spl, bpl, sil, dil */
};

typedef struct kp_asm {
    uint8_t *base, *at, *end;
    kp_wasm_allocator_t allocator;
    size_t maximum; /* of the buffer */
} kp_asm_t;

/* An address: base + index * 2^scale + disp. base NO_REG: rip-relative, disp from the next instruction
   (no immediate may follow). */
typedef struct kp_mem {
    uint8_t base, index, scale;
    int32_t disp;
} kp_mem_t;

static inline kp_mem_t kp_mem(unsigned base, int32_t disp)
{
    return (kp_mem_t){(uint8_t)base, NO_REG, 0, disp};
}

static inline kp_mem_t kp_mem_index(unsigned base, unsigned index, unsigned scale, int32_t disp)
{
    return (kp_mem_t){(uint8_t)base, (uint8_t)index, (uint8_t)scale, disp};
}

/* Makes room for `size` more bytes. KP_ERR_NO_MEMORY, KP_ERR_TOO_LARGE (over `maximum`). */
kp_status_t kp_asm_grow(kp_asm_t *code, size_t size);

static inline kp_status_t kp_asm_reserve(kp_asm_t *code, size_t size)
{
    return (size_t)(code->end - code->at) >= size ? KP_OK : kp_asm_grow(code, size);
}

/* Fills up with no-operations to a multiple of `alignment`, a power of two of at most 64. */
void kp_asm_align(kp_asm_t *code, unsigned alignment);

static inline uint32_t kp_asm_here(const kp_asm_t *code)
{
    return (uint32_t)(code->at - code->base);
}

static inline void kp_asm_u8(kp_asm_t *code, unsigned byte)
{
    *code->at++ = (uint8_t)byte;
}

static inline void kp_asm_u32(kp_asm_t *code, uint32_t word)
{
    memcpy(code->at, &word, 4);
    code->at += 4;
}

static inline void kp_asm_u64(kp_asm_t *code, uint64_t word)
{
    memcpy(code->at, &word, 8);
    code->at += 8;
}

static inline void kp_asm_prefix(kp_asm_t *code, uint32_t op, unsigned reg, unsigned index,
                                 unsigned base, bool force)
{
    static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
    unsigned prefix = op >> 10 & 3;
    if (prefix)
        kp_asm_u8(code, prefixes[prefix]);
    unsigned rex = (op & W ? 8 : 0) | (reg >> 3) << 2 | (index >> 3 & 1) << 1 | (base >> 3 & 1);
    if (rex || force)
        kp_asm_u8(code, 0x40 | rex);
    unsigned map = op >> 8 & 3;
    if (map) {
        kp_asm_u8(code, 0x0f);
        if (map > 1)
            kp_asm_u8(code, map == 2 ? 0x38 : 0x3a);
    }
    kp_asm_u8(code, op & 0xff);
}

static inline void kp_asm_modrm_mem(kp_asm_t *code, unsigned reg, kp_mem_t mem)
{
    reg = (reg & 7) << 3;
    if (mem.base == NO_REG) {
        kp_asm_u8(code, reg | 5);
        kp_asm_u32(code, (uint32_t)mem.disp);
        return;
    }
    unsigned mode = mem.disp == 0 && (mem.base & 7) != RBP ? 0
                    : mem.disp == (int8_t)mem.disp         ? 0x40
                                                           : 0x80;
    if (mem.index != NO_REG) {
        kp_asm_u8(code, mode | reg | 4);
        kp_asm_u8(code, (unsigned)mem.scale << 6 | (mem.index & 7u) << 3 | (mem.base & 7u));
    } else if ((mem.base & 7) == RSP) {
        kp_asm_u8(code, mode | reg | 4);
        kp_asm_u8(code, 0x24);
    } else {
        kp_asm_u8(code, mode | reg | (mem.base & 7));
    }
    if (mode == 0x40)
        kp_asm_u8(code, (uint8_t)mem.disp);
    else if (mode == 0x80)
        kp_asm_u32(code, (uint32_t)mem.disp);
}

/* op reg, rm */
static inline void kp_asm_rr(kp_asm_t *code, uint32_t op, unsigned reg, unsigned rm)
{
    bool force = (op & R8L) && ((reg >= RSP && reg <= RDI) || (rm >= RSP && rm <= RDI));
    kp_asm_prefix(code, op, reg, 0, rm, force);
    kp_asm_u8(code, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

/* op reg, [mem] */
static inline void kp_asm_rm(kp_asm_t *code, uint32_t op, unsigned reg, kp_mem_t mem)
{
    kp_asm_prefix(code, op, reg, mem.index == NO_REG ? 0 : mem.index,
                  mem.base == NO_REG ? 0 : mem.base, (op & R8L) && reg >= RSP && reg <= RDI);
    kp_asm_modrm_mem(code, reg, mem);
}

/* VEX.128: op reg, vvvv, rm. */
static inline void kp_asm_vex_prefix(kp_asm_t *code, uint32_t op, unsigned reg, unsigned second,
                                     unsigned index, unsigned base)
{
    unsigned map = op >> 8 & 3, prefix = op >> 10 & 3;
    /* VEX numbers the prefixes 66, F3, F2 as we do. */
    unsigned tail = (~second & 15) << 3 | prefix;
    if (map == 1 && !(op & W) && !(index & 8) && !(base & 8)) {
        kp_asm_u8(code, 0xc5);
        kp_asm_u8(code, (reg & 8 ? 0 : 0x80) | tail);
    } else {
        kp_asm_u8(code, 0xc4);
        kp_asm_u8(code,
                  (reg & 8 ? 0 : 0x80) | (index & 8 ? 0 : 0x40) | (base & 8 ? 0 : 0x20) | map);
        kp_asm_u8(code, (op & W ? 0x80 : 0) | tail);
    }
    kp_asm_u8(code, op & 0xff);
}

static inline void kp_asm_vex_rr(kp_asm_t *code, uint32_t op, unsigned reg, unsigned second,
                                 unsigned rm)
{
    kp_asm_vex_prefix(code, op, reg, second, 0, rm);
    kp_asm_u8(code, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

static inline void kp_asm_vex_rm(kp_asm_t *code, uint32_t op, unsigned reg, unsigned second,
                                 kp_mem_t mem)
{
    kp_asm_vex_prefix(code, op, reg, second, mem.index == NO_REG ? 0 : mem.index,
                      mem.base == NO_REG ? 0 : mem.base);
    kp_asm_modrm_mem(code, reg, mem);
}

/* ---- general registers ---- */

/* The eight operations of the first opcode rows: op * 8 is their opcode, the digit of 0x81. */
enum { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
enum { SHIFT_ROL = 0, SHIFT_ROR = 1, SHIFT_SHL = 4, SHIFT_SHR = 5, SHIFT_SAR = 7 };

#define OP_MOV_LOAD 0x8bu
#define OP_MOV_STORE 0x89u
#define OP_LEA 0x8du
#define OP_TEST 0x85u
#define OP_IMUL (0xafu | MAP_0F)
#define OP_MOVZX8 (0xb6u | MAP_0F | R8L)
#define OP_MOVZX16 (0xb7u | MAP_0F)
#define OP_MOVSX8 (0xbeu | MAP_0F | R8L)
#define OP_MOVSX16 (0xbfu | MAP_0F)
#define OP_MOVSXD (0x63u | W)
#define OP_BSF (0xbcu | MAP_0F)
#define OP_LZCNT (0xbdu | MAP_0F | PF3)
#define OP_TZCNT (0xbcu | MAP_0F | PF3)
#define OP_BSR (0xbdu | MAP_0F)
#define OP_POPCNT (0xb8u | MAP_0F | PF3)
#define OP_CMOV(cc) ((0x40u + (cc)) | MAP_0F)
#define OP_SETCC(cc) ((0x90u + (cc)) | MAP_0F | R8L)
#define OP_XCHG 0x87u

/* wide: W or 0 */
static inline void kp_asm_mov(kp_asm_t *code, uint32_t wide, unsigned to, unsigned from)
{
    kp_asm_rr(code, OP_MOV_LOAD | wide, to, from);
}

static inline void kp_asm_load(kp_asm_t *code, uint32_t wide, unsigned to, kp_mem_t mem)
{
    kp_asm_rm(code, OP_MOV_LOAD | wide, to, mem);
}

static inline void kp_asm_store(kp_asm_t *code, uint32_t wide, kp_mem_t mem, unsigned from)
{
    kp_asm_rm(code, OP_MOV_STORE | wide, from, mem);
}

static inline void kp_asm_alu(kp_asm_t *code, uint32_t wide, unsigned alu, unsigned to,
                              unsigned from)
{
    kp_asm_rr(code, (alu * 8 + 3) | wide, to, from);
}

static inline void kp_asm_alu_mem(kp_asm_t *code, uint32_t wide, unsigned alu, unsigned to,
                                  kp_mem_t mem)
{
    kp_asm_rm(code, (alu * 8 + 3) | wide, to, mem);
}

static inline void kp_asm_alu_imm(kp_asm_t *code, uint32_t wide, unsigned alu, unsigned to,
                                  int32_t value)
{
    if (value == (int8_t)value) {
        kp_asm_rr(code, 0x83 | wide, alu, to);
        kp_asm_u8(code, (uint8_t)value);
    } else {
        kp_asm_rr(code, 0x81 | wide, alu, to);
        kp_asm_u32(code, (uint32_t)value);
    }
}

/* op [mem], imm; mem not rip-relative */
static inline void kp_asm_alu_mem_imm(kp_asm_t *code, uint32_t wide, unsigned alu, kp_mem_t mem,
                                      int32_t value)
{
    if (value == (int8_t)value) {
        kp_asm_rm(code, 0x83 | wide, alu, mem);
        kp_asm_u8(code, (uint8_t)value);
    } else {
        kp_asm_rm(code, 0x81 | wide, alu, mem);
        kp_asm_u32(code, (uint32_t)value);
    }
}

static inline void kp_asm_shift_imm(kp_asm_t *code, uint32_t wide, unsigned shift, unsigned to,
                                    unsigned count)
{
    if (count == 1) {
        kp_asm_rr(code, 0xd1 | wide, shift, to);
        return;
    }
    kp_asm_rr(code, 0xc1 | wide, shift, to);
    kp_asm_u8(code, count);
}

/* Keeps the flags. The shortest form. */
static inline void kp_asm_mov_imm(kp_asm_t *code, unsigned to, uint64_t value)
{
    if (value == (uint32_t)value) {
        if (to >= R8)
            kp_asm_u8(code, 0x41);
        kp_asm_u8(code, 0xb8 | (to & 7));
        kp_asm_u32(code, (uint32_t)value);
    } else if ((int64_t)value == (int32_t)value) {
        kp_asm_rr(code, 0xc7 | W, 0, to);
        kp_asm_u32(code, (uint32_t)value);
    } else {
        kp_asm_u8(code, 0x48 | to >> 3);
        kp_asm_u8(code, 0xb8 | (to & 7));
        kp_asm_u64(code, value);
    }
}

static inline void kp_asm_push(kp_asm_t *code, unsigned reg)
{
    if (reg >= R8)
        kp_asm_u8(code, 0x41);
    kp_asm_u8(code, 0x50 | (reg & 7));
}

static inline void kp_asm_pop(kp_asm_t *code, unsigned reg)
{
    if (reg >= R8)
        kp_asm_u8(code, 0x41);
    kp_asm_u8(code, 0x58 | (reg & 7));
}

static inline void kp_asm_call_mem(kp_asm_t *code, kp_mem_t mem)
{
    kp_asm_rm(code, 0xff, 2, mem);
}

/* ---- jumps: return where the rel32 is ---- */

static inline uint32_t kp_asm_jmp(kp_asm_t *code)
{
    kp_asm_u8(code, 0xe9);
    kp_asm_u32(code, 0);
    return kp_asm_here(code) - 4;
}

static inline uint32_t kp_asm_jcc(kp_asm_t *code, unsigned cc)
{
    kp_asm_u8(code, 0x0f);
    kp_asm_u8(code, 0x80 | cc);
    kp_asm_u32(code, 0);
    return kp_asm_here(code) - 4;
}

static inline uint32_t kp_asm_call(kp_asm_t *code)
{
    kp_asm_u8(code, 0xe8);
    kp_asm_u32(code, 0);
    return kp_asm_here(code) - 4;
}

static inline void kp_asm_write(kp_asm_t *code, uint32_t site, uint32_t word)
{
    memcpy(code->base + site, &word, 4);
}

static inline uint32_t kp_asm_read(const kp_asm_t *code, uint32_t site)
{
    uint32_t word;
    memcpy(&word, code->base + site, 4);
    return word;
}

/* The rel32 at `site` leads to `target`. */
static inline void kp_asm_patch(kp_asm_t *code, uint32_t site, uint32_t target)
{
    kp_asm_write(code, site, target - (site + 4));
}

static inline void kp_asm_jmp_to(kp_asm_t *code, uint32_t target)
{
    int64_t distance = (int64_t)target - ((int64_t)kp_asm_here(code) + 2);
    if (distance == (int8_t)distance) {
        kp_asm_u8(code, 0xeb);
        kp_asm_u8(code, (uint8_t)distance);
    } else {
        kp_asm_patch(code, kp_asm_jmp(code), target);
    }
}

static inline void kp_asm_jcc_to(kp_asm_t *code, unsigned cc, uint32_t target)
{
    int64_t distance = (int64_t)target - ((int64_t)kp_asm_here(code) + 2);
    if (distance == (int8_t)distance) {
        kp_asm_u8(code, 0x70 | cc);
        kp_asm_u8(code, (uint8_t)distance);
    } else {
        kp_asm_patch(code, kp_asm_jcc(code, cc), target);
    }
}

/* A short jump forward, at most 127 bytes: returns where the rel8 is. */
static inline uint32_t kp_asm_jcc_short(kp_asm_t *code, unsigned cc)
{
    kp_asm_u8(code, 0x70 | cc);
    kp_asm_u8(code, 0);
    return kp_asm_here(code) - 1;
}

static inline uint32_t kp_asm_jmp_short(kp_asm_t *code)
{
    kp_asm_u8(code, 0xeb);
    kp_asm_u8(code, 0);
    return kp_asm_here(code) - 1;
}

static inline void kp_asm_bind_short(kp_asm_t *code, uint32_t site)
{
    code->base[site] = (uint8_t)(kp_asm_here(code) - site - 1);
}

/* ---- vector registers ---- */

#define OP_MOVAPS (0x28u | MAP_0F)
#define OP_MOVUPS_LOAD (0x10u | MAP_0F)
#define OP_MOVUPS_STORE (0x11u | MAP_0F)
#define OP_MOVSS_LOAD (0x10u | MAP_0F | PF3)
#define OP_MOVSS_STORE (0x11u | MAP_0F | PF3)
#define OP_MOVSD_LOAD (0x10u | MAP_0F | PF2)
#define OP_MOVSD_STORE (0x11u | MAP_0F | PF2)
#define OP_MOVD_TO (0x6eu | MAP_0F | P66)   /* xmm <- gpr; with W movq */
#define OP_MOVD_FROM (0x7eu | MAP_0F | P66) /* gpr <- xmm: the xmm is `reg` */
#define OP_XORPS (0x57u | MAP_0F)
#define OP_PXOR (0xefu | MAP_0F | P66)
#define OP_UCOMISS (0x2eu | MAP_0F)
#define OP_UCOMISD (0x2eu | MAP_0F | P66)

#endif
