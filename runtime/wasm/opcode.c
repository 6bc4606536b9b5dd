#include "runtime/wasm/opcode.h"

#include "runtime/wasm/internal.h"

/* A type in the operand words: memories are mostly indexed by i32. */
#define BYTE_(type) \
    ((uint32_t)(KP_WASM_TYPE_##type == KP_WASM_TYPE_ADDR ? KP_WASM_TYPE_I32 : KP_WASM_TYPE_##type))
#define COUNT_(type) (KP_WASM_TYPE_##type != KP_WASM_TYPE_NIL)
#define POPS_(a, b, c) (COUNT_(a) + COUNT_(b) + COUNT_(c))
/* The top operand is the last byte of the little-endian word. */
#define WORD_(a, b, c)                                                       \
    (POPS_(a, b, c) == 3   ? BYTE_(a) << 8 | BYTE_(b) << 16 | BYTE_(c) << 24 \
     : POPS_(a, b, c) == 2 ? BYTE_(a) << 16 | BYTE_(b) << 24                 \
     : POPS_(a, b, c) == 1 ? BYTE_(a) << 24                                  \
                           : 0)
#define MASK_(a, b, c)                   \
    (POPS_(a, b, c) == 3   ? 0xffffff00u \
     : POPS_(a, b, c) == 2 ? 0xffff0000u \
     : POPS_(a, b, c) == 1 ? 0xff000000u \
                           : 0)

const kp_wasm_opcode_info_t kp_wasm_opcode_info[KP_WASM_OPCODE_COUNT] = {
#define KP_WASM_OP(name, prefix, code, text, immediate_, argument_, a, b, c, push_, feature_)    \
    [KP_WASM_OP_##name] = {                                                                      \
        .operand_bytes = WORD_(a, b, c),                                                         \
        .operand_mask = MASK_(a, b, c),                                                          \
        .pop_count = POPS_(a, b, c),                                                             \
        .push = KP_WASM_TYPE_##push_,                                                            \
        .immediate = KP_WASM_IMMEDIATE_##immediate_,                                             \
        .argument = (argument_),                                                                 \
        .valid = 1,                                                                              \
        .simple = KP_WASM_TYPE_##a != KP_WASM_TYPE_VAR && KP_WASM_TYPE_##a != KP_WASM_TYPE_ADDR, \
        .operand = {KP_WASM_TYPE_##a, KP_WASM_TYPE_##b, KP_WASM_TYPE_##c},                       \
        .feature = KP_WASM_FEATURE_##feature_,                                                   \
    },
#include "runtime/wasm/opcode.def"
#undef KP_WASM_OP
};

/* One string with all names, and where each begins: no relocations. */
struct names {
#define KP_WASM_OP(name, prefix, code, text, ...) char name[sizeof(text)];
#include "runtime/wasm/opcode.def"
#undef KP_WASM_OP
};
static const struct names names = {
#define KP_WASM_OP(name, prefix, code, text, ...) .name = text,
#include "runtime/wasm/opcode.def"
#undef KP_WASM_OP
};
static const uint16_t name_offsets[KP_WASM_OPCODE_COUNT] = {
#define KP_WASM_OP(name, ...) [KP_WASM_OP_##name] = (uint16_t)(offsetof(struct names, name) + 1),
#include "runtime/wasm/opcode.def"
#undef KP_WASM_OP
};

const char *kp_wasm_opcode_name(kp_wasm_opcode_t opcode)
{
    if (opcode >= KP_WASM_OPCODE_COUNT || name_offsets[opcode] == 0)
        return "(unknown)";
    return (const char *)&names + name_offsets[opcode] - 1;
}

const char *kp_wasm_read_opcode(const uint8_t **at, const uint8_t *end, uint32_t *opcode)
{
    if (*at >= end)
        return "unexpected end";
    uint8_t first = *(*at)++;
    *opcode = first;
    if (KP_WASM_LIKELY(first < 0xfc || first > 0xfe))
        return first == 0xff ? "illegal opcode" : NULL;
    uint32_t code;
    const char *reason = kp_wasm_read_u32(at, end, &code);
    if (reason)
        return reason;
    static const struct {
        uint16_t base, size;
    } ranges[3] = {{0x100, 0x20}, {0x200, 0x100}, {0x300, 0x80}};
    if (code < ranges[first - 0xfc].size)
        *opcode = ranges[first - 0xfc].base + code;
    else
        *opcode = (uint32_t)first << 24 | (code < 0xffffff ? code : 0xffffff);
    return NULL;
}

const char *kp_wasm_opcode_proposal(uint32_t opcode)
{
    static const struct {
        uint32_t first, last;
        const char *proposal;
    } known[] = {
        {0x06, 0x07, "legacy exceptions"},   {0x09, 0x09, "legacy exceptions"},
        {0x18, 0x19, "legacy exceptions"},   {0x14, 0x15, "function references"},
        {0xd3, 0xd6, "function references"}, {0xfb, 0xfb, "garbage collection"},
        {0x113, 0x116, "wide arithmetic"},   {0xfd000100, 0xfd000113, "relaxed SIMD"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (opcode >= known[i].first && opcode <= known[i].last)
            return known[i].proposal;
    }
    return NULL;
}
