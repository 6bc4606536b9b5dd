/* Prints instructions as the assembler encodes them, one a line: "HEX<tab>TEXT", TEXT in the syntax that
   binutils takes (Intel's). The script `encodings` asks binutils whether they mean the same. */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/compile/asm.h"
#include "runtime/wasm/heap.h"

static const char *const names64[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                      "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
static const char *const names32[] = {"eax", "ecx", "edx",  "ebx",  "esp",  "ebp",  "esi",  "edi",
                                      "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"};
static const char *const names16[] = {"ax",  "cx",  "dx",   "bx",   "sp",   "bp",   "si",   "di",
                                      "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w"};
static const char *const names8[] = {"al",  "cl",  "dl",   "bl",   "spl",  "bpl",  "sil",  "dil",
                                     "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b"};

static kp_asm_t code;

#define SHOW(...)                                                     \
    do {                                                              \
        for (const uint8_t *byte = code.base; byte < code.at; byte++) \
            printf("%02x", *byte);                                    \
        putchar('\t');                                                \
        printf(__VA_ARGS__);                                          \
        putchar('\n');                                                \
        code.at = code.base;                                          \
    } while (0)

static const char *reg(unsigned number, unsigned width)
{
    return (width == 8 ? names64 : width == 4 ? names32 : width == 2 ? names16 : names8)[number];
}

static void address(char *text, kp_mem_t mem)
{
    int at = sprintf(text, "[%s", names64[mem.base]);
    if (mem.index != NO_REG)
        at += sprintf(text + at, "+%s*%d", names64[mem.index], 1 << mem.scale);
    sprintf(text + at, "%+d]", mem.disp);
}

static kp_mem_t some_memory(unsigned i)
{
    static const int32_t displacements[] = {0, 8, -8, 127, -128, 128, -129, 0x12345678};
    kp_mem_t mem = kp_mem(i % 16, displacements[i / 16 % 8]);
    if (i & 1) {
        unsigned index = (i / 2) % 16;
        if (index != RSP) {
            mem.index = (uint8_t)index;
            mem.scale = (uint8_t)(i / 3 % 4);
        }
    }
    return mem;
}

static void integer_registers(void)
{
    static const char *const alus[] = {"add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"};
    for (unsigned i = 0; i < 256; i++) {
        unsigned a = i % 16, b = i / 16, wide = i / 3 & 1, width = wide ? 8 : 4;
        uint32_t w = wide ? W : 0;
        kp_asm_mov(&code, w, a, b);
        SHOW("mov %s,%s", reg(a, width), reg(b, width));
        kp_asm_alu(&code, w, i % 8, a, b);
        SHOW("%s %s,%s", alus[i % 8], reg(a, width), reg(b, width));
        kp_asm_rr(&code, OP_IMUL | w, a, b);
        SHOW("imul %s,%s", reg(a, width), reg(b, width));
        kp_asm_rr(&code, OP_MOVZX8, a, b);
        SHOW("movzx %s,%s", reg(a, 4), reg(b, 1));
        kp_asm_rr(&code, OP_MOVSX8 | w, a, b);
        SHOW("movsx %s,%s", reg(a, width), reg(b, 1));
        kp_asm_rr(&code, OP_MOVSX16 | w, a, b);
        SHOW("movsx %s,%s", reg(a, width), reg(b, 2));
        kp_asm_rr(&code, OP_MOVSXD, a, b);
        SHOW("movsxd %s,%s", reg(a, 8), reg(b, 4));
        kp_asm_rr(&code, OP_LZCNT | w, a, b);
        SHOW("lzcnt %s,%s", reg(a, width), reg(b, width));
        kp_asm_rr(&code, OP_POPCNT | w, a, b);
        SHOW("popcnt %s,%s", reg(a, width), reg(b, width));
        kp_asm_rr(&code, OP_CMOV(CC_E) | w, a, b);
        SHOW("cmove %s,%s", reg(a, width), reg(b, width));
        kp_asm_rr(&code, OP_SETCC(CC_NE), 0, a);
        SHOW("setne %s", reg(a, 1));
        kp_asm_alu_imm(&code, w, i % 8, a, (int32_t)(i * 7) - 600);
        SHOW("%s %s,%d", alus[i % 8], reg(a, width), (int)(i * 7) - 600);
        kp_asm_shift_imm(&code, w, SHIFT_SAR, a, 1 + i % 31);
        SHOW("sar %s,%u", reg(a, width), 1 + i % 31);
        kp_asm_vex_rr(&code, 0xf7u | MAP_38 | P66 | w, a, b, (a + 5) % 16);
        SHOW("shlx %s,%s,%s", reg(a, width), reg((a + 5) % 16, width), reg(b, width));
        kp_asm_vex_rr(&code, 0xf0u | MAP_3A | PF2 | w, a, 0, b);
        kp_asm_u8(&code, 7);
        SHOW("rorx %s,%s,7", reg(a, width), reg(b, width));
    }
    for (unsigned i = 0; i < 16; i++) {
        kp_asm_push(&code, i);
        SHOW("push %s", reg(i, 8));
        kp_asm_pop(&code, i);
        SHOW("pop %s", reg(i, 8));
        kp_asm_mov_imm(&code, i, 0x12345678);
        SHOW("mov %s,0x12345678", reg(i, 4));
        kp_asm_mov_imm(&code, i, (uint64_t)-5);
        SHOW("mov %s,-5", reg(i, 8));
        kp_asm_mov_imm(&code, i, 0x123456789abcdef0);
        SHOW("movabs %s,0x123456789abcdef0", reg(i, 8));
    }
}

static void memory(void)
{
    char text[64];
    for (unsigned i = 0; i < 512; i++) {
        kp_mem_t mem = some_memory(i);
        unsigned a = i * 5 % 16;
        address(text, mem);
        kp_asm_load(&code, 0, a, mem);
        SHOW("mov %s,DWORD PTR %s", reg(a, 4), text);
        kp_asm_store(&code, W, mem, a);
        SHOW("mov QWORD PTR %s,%s", text, reg(a, 8));
        kp_asm_rm(&code, 0x88u | R8L, a, mem);
        SHOW("mov BYTE PTR %s,%s", text, reg(a, 1));
        kp_asm_rm(&code, 0x89u | P66, a, mem);
        SHOW("mov WORD PTR %s,%s", text, reg(a, 2));
        kp_asm_rm(&code, OP_MOVZX16, a, mem);
        SHOW("movzx %s,WORD PTR %s", reg(a, 4), text);
        kp_asm_rm(&code, OP_LEA | W, a, mem);
        SHOW("lea %s,%s", reg(a, 8), text);
        kp_asm_alu_mem_imm(&code, W, ALU_CMP, mem, (int32_t)i * 3 - 200);
        SHOW("cmp QWORD PTR %s,%d", text, (int)i * 3 - 200);
        kp_asm_call_mem(&code, mem);
        SHOW("call QWORD PTR %s", text);
        kp_asm_rm(&code, OP_MOVSD_LOAD, a, mem);
        SHOW("movsd xmm%u,QWORD PTR %s", a, text);
        kp_asm_vex_rm(&code, OP_MOVUPS_STORE, a, 0, mem);
        SHOW("vmovups XMMWORD PTR %s,xmm%u", text, a);
        kp_asm_vex_rm(&code, 0x58u | MAP_0F | PF2, a, (a + 3) % 16, mem);
        SHOW("vaddsd xmm%u,xmm%u,QWORD PTR %s", a, (a + 3) % 16, text);
        kp_asm_vex_rm(&code, 0x22u | MAP_3A | P66 | W, a, (a + 3) % 16, mem);
        kp_asm_u8(&code, 1);
        SHOW("vpinsrq xmm%u,xmm%u,QWORD PTR %s,1", a, (a + 3) % 16, text);
    }
}

static void vectors(void)
{
    for (unsigned i = 0; i < 256; i++) {
        unsigned a = i % 16, b = i / 16, d = (a + b) % 16;
        kp_asm_rr(&code, OP_MOVAPS, a, b);
        SHOW("movaps xmm%u,xmm%u", a, b);
        kp_asm_rr(&code, 0x58u | MAP_0F | PF2, a, b);
        SHOW("addsd xmm%u,xmm%u", a, b);
        kp_asm_rr(&code, OP_UCOMISS, a, b);
        SHOW("ucomiss xmm%u,xmm%u", a, b);
        kp_asm_rr(&code, 0x00u | MAP_38 | P66, a, b);
        SHOW("pshufb xmm%u,xmm%u", a, b);
        kp_asm_rr(&code, OP_MOVD_TO | W, a, b);
        SHOW("movq xmm%u,%s", a, reg(b, 8));
        kp_asm_rr(&code, OP_MOVD_FROM, a, b);
        SHOW("movd %s,xmm%u", reg(b, 4), a);
        kp_asm_rr(&code, 0x2cu | MAP_0F | PF2 | W, a, b);
        SHOW("cvttsd2si %s,xmm%u", reg(a, 8), b);
        kp_asm_rr(&code, 0x0bu | MAP_3A | P66, a, b);
        kp_asm_u8(&code, 9);
        SHOW("roundsd xmm%u,xmm%u,9", a, b);
        kp_asm_vex_rr(&code, 0x5cu | MAP_0F | PF3, a, d, b);
        SHOW("vsubss xmm%u,xmm%u,xmm%u", a, d, b);
        kp_asm_vex_rr(&code, 0x40u | MAP_38 | P66, a, d, b);
        SHOW("vpmulld xmm%u,xmm%u,xmm%u", a, d, b);
        kp_asm_vex_rr(&code, 0x2au | MAP_0F | PF2 | W, a, d, b);
        SHOW("vcvtsi2sd xmm%u,xmm%u,%s", a, d, reg(b, 8));
        kp_asm_vex_rr(&code, 0x73u | MAP_0F | P66, 2, a, b);
        kp_asm_u8(&code, 13);
        SHOW("vpsrlq xmm%u,xmm%u,13", a, b);
        kp_asm_vex_rr(&code, 0x70u | MAP_0F | P66, a, 0, b);
        kp_asm_u8(&code, 0xee);
        SHOW("vpshufd xmm%u,xmm%u,0xee", a, b);
    }
}

int main(void)
{
    code = (kp_asm_t){.allocator = {kp_wasm_heap_resize, NULL}, .maximum = 1 << 20};
    if (kp_asm_reserve(&code, 4096) != KP_OK)
        return 1;
    integer_registers();
    memory();
    vectors();
    free(code.base);
    return 0;
}
