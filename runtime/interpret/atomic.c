/* Atomic memory accesses. They are sequentially consistent, on shared and unshared memories alike.
   Source: WebAssembly threads proposal. */
#include "runtime/interpret/internal.h"

/* Operand row: address, then one or two values; the result replaces the address. */
enum { ADDRESS, FIRST, SECOND };

#define READ_MODIFY_WRITE(type, p)                                                    \
    switch (kind) {                                                                   \
    case 0:                                                                           \
        return __atomic_fetch_add((type *)(p), (type)value, __ATOMIC_SEQ_CST);        \
    case 1:                                                                           \
        return __atomic_fetch_sub((type *)(p), (type)value, __ATOMIC_SEQ_CST);        \
    case 2:                                                                           \
        return __atomic_fetch_and((type *)(p), (type)value, __ATOMIC_SEQ_CST);        \
    case 3:                                                                           \
        return __atomic_fetch_or((type *)(p), (type)value, __ATOMIC_SEQ_CST);         \
    case 4:                                                                           \
        return __atomic_fetch_xor((type *)(p), (type)value, __ATOMIC_SEQ_CST);        \
    case 5:                                                                           \
        return __atomic_exchange_n((type *)(p), (type)value, __ATOMIC_SEQ_CST);       \
    default: { /* a narrow one compares only that much of the expectation */          \
        type expected = (type)value;                                                  \
        __atomic_compare_exchange_n((type *)(p), &expected, (type)replacement, false, \
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);              \
        return expected;                                                              \
    }                                                                                 \
    }

static uint64_t modify(void *at, unsigned width, unsigned kind, uint64_t value,
                       uint64_t replacement)
{
    switch (width) {
    case 0:
        READ_MODIFY_WRITE(uint8_t, at)
    case 1:
        READ_MODIFY_WRITE(uint16_t, at)
    case 2:
        READ_MODIFY_WRITE(uint32_t, at)
    default:
        READ_MODIFY_WRITE(uint64_t, at)
    }
}

static uint64_t load(const void *at, unsigned width)
{
    switch (width) {
    case 0:
        return __atomic_load_n((const uint8_t *)at, __ATOMIC_SEQ_CST);
    case 1:
        return __atomic_load_n((const uint16_t *)at, __ATOMIC_SEQ_CST);
    case 2:
        return __atomic_load_n((const uint32_t *)at, __ATOMIC_SEQ_CST);
    default:
        return __atomic_load_n((const uint64_t *)at, __ATOMIC_SEQ_CST);
    }
}

static void store(void *at, unsigned width, uint64_t value)
{
    switch (width) {
    case 0:
        __atomic_store_n((uint8_t *)at, (uint8_t)value, __ATOMIC_SEQ_CST);
        break;
    case 1:
        __atomic_store_n((uint16_t *)at, (uint16_t)value, __ATOMIC_SEQ_CST);
        break;
    case 2:
        __atomic_store_n((uint32_t *)at, (uint32_t)value, __ATOMIC_SEQ_CST);
        break;
    default:
        __atomic_store_n((uint64_t *)at, value, __ATOMIC_SEQ_CST);
    }
}

/* notify and wait look after their own bounds. */
static kp_wasm_trap_code_t wait_or_notify(kp_wasm_instance_t *instance, uint32_t opcode,
                                          uint32_t memory, uint64_t at, uint64_t *slots)
{
    uint64_t result;
    if (opcode == KP_WASM_OP_MEMORY_ATOMIC_NOTIFY)
        result = kp_wasm_atomic_notify(instance, memory, at, (uint32_t)slots[FIRST]);
    else if (opcode == KP_WASM_OP_MEMORY_ATOMIC_WAIT32)
        result = kp_wasm_atomic_wait32(instance, memory, at, (uint32_t)slots[FIRST],
                                       (int64_t)slots[SECOND]);
    else
        result = kp_wasm_atomic_wait64(instance, memory, at, slots[FIRST], (int64_t)slots[SECOND]);
    slots[ADDRESS] = (uint32_t)result;
    return (kp_wasm_trap_code_t)(result >> 32);
}

kp_wasm_trap_code_t kp_interpret_atomic(kp_wasm_instance_t *instance, uint8_t *fp,
                                        const kp_interpret_insn_t *insn)
{
    uint32_t opcode = insn->b, operands = kp_wasm_opcode_info[opcode].pop_count;
    unsigned width = kp_wasm_opcode_info[opcode].argument;
    const kp_wasm_meminst_t *memory = kp_wasm_instance_memory(instance, insn->c);
    uint64_t slots[3] = {0}, at, size = kp_wasm_meminst_size(memory);
    memcpy(slots, fp + insn->a, operands * sizeof *slots);
    uint64_t bytes = (uint64_t)1 << width;
    bool beyond = __builtin_add_overflow(slots[ADDRESS], insn[1].imm, &at);
    if (at & (bytes - 1))
        return KP_WASM_TRAP_UNALIGNED_ATOMIC;
    if (beyond)
        return KP_WASM_TRAP_MEMORY_BOUNDS;
    kp_wasm_trap_code_t trap = KP_WASM_TRAP_NONE;
    if (opcode <= KP_WASM_OP_MEMORY_ATOMIC_WAIT64) {
        trap = wait_or_notify(instance, opcode, insn->c, at, slots);
    } else {
        if (at > size || bytes > size - at)
            return KP_WASM_TRAP_MEMORY_BOUNDS;
        void *pointer = memory->base + at;
        if (opcode <= KP_WASM_OP_I64_ATOMIC_LOAD32_U)
            slots[ADDRESS] = load(pointer, width);
        else if (opcode <= KP_WASM_OP_I64_ATOMIC_STORE32)
            store(pointer, width, slots[FIRST]);
        else /* seven instructions of each kind */
            slots[ADDRESS] = modify(pointer, width, (opcode - KP_WASM_OP_I32_ATOMIC_RMW_ADD) / 7,
                                    slots[FIRST], slots[SECOND]);
    }
    memcpy(fp + insn->a, slots, sizeof *slots);
    return trap;
}
