/* The symbolic operand stack and the emission of instructions. */
#include "runtime/interpret/translator.h"

const uint8_t kp_interpret_op_has_result[KP_OP_COUNT] = {
#define KP_OP(name, result) [KP_OP_##name] = (result),
#include "runtime/interpret/op.def"
#undef KP_OP
};

bool kp_translator_reserve(kp_translator_t *t, void **array, uint32_t *capacity, uint32_t count,
                           size_t size)
{
    if (KP_LIKELY(count <= *capacity))
        return true;
    uint32_t wanted = *capacity < 64 ? 64 : *capacity * 2;
    if (wanted < count)
        wanted = count;
    void *grown = count > UINT32_MAX / 64 ? NULL
                                          : t->allocator.resize(t->allocator.context, *array,
                                                                *capacity * size, wanted * size);
    if (!grown) {
        if (t->status == KP_OK)
            t->status = KP_ERR_NO_MEMORY;
        return false;
    }
    *array = grown;
    *capacity = wanted;
    return true;
}

kp_interpret_insn_t *kp_translate_emit(kp_translator_t *t, kp_interpret_op_t op, uint32_t a,
                                       uint32_t b, uint32_t c, uint32_t d)
{
    /* Where instructions go when there is no memory for them; nobody reads it. */
    static _Thread_local kp_interpret_insn_t nowhere;
    if (!kp_translator_reserve(t, (void **)&t->insns, &t->insn_capacity, t->count + 1,
                               sizeof *t->insns) ||
        !kp_translator_reserve(t, (void **)&t->offsets, &t->offset_capacity, t->count + 1,
                               sizeof *t->offsets))
        return &nowhere;
    t->offsets[t->count] = t->offset;
    kp_interpret_insn_t *insn = &t->insns[t->count++];
    insn->op = op; /* NOLINT: reserved above */
    insn->a = a;
    insn->b = b;
    insn->c = c;
    insn->d = d;
    return insn;
}

kp_interpret_insn_t *kp_translate_emit_imm(kp_translator_t *t, kp_interpret_op_t op, uint32_t a,
                                           uint32_t b, uint64_t imm)
{
    kp_interpret_insn_t *insn = kp_translate_emit(t, op, a, b, 0, 0);
    insn->imm = imm;
    return insn;
}

kp_interpret_insn_t *kp_translate_emit_last(kp_translator_t *t)
{
    return t->count > t->barrier ? &t->insns[t->count - 1] : NULL;
}

uint32_t kp_translate_row_bytes(const kp_wasm_type_t *types, uint32_t count)
{
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += kp_interpret_type_bytes(types[i]);
    return bytes;
}

static kp_operand_t *push(kp_translator_t *t, kp_wasm_type_t type)
{
    static _Thread_local kp_operand_t nowhere;
    if (!kp_translator_reserve(t, (void **)&t->operands, &t->operand_capacity, t->height + 1,
                               sizeof *t->operands))
        return &nowhere;
    kp_operand_t *operand = &t->operands[t->height++];
    *operand = (kp_operand_t){.home = t->next_home, .type = type};
    t->next_home += kp_interpret_type_bytes(type);
    if (t->next_home > t->most_home)
        t->most_home = t->next_home;
    return operand;
}

uint32_t kp_translate_push(kp_translator_t *t, kp_wasm_type_t type)
{
    return push(t, type)->home;
}

void kp_translate_push_const(kp_translator_t *t, kp_wasm_type_t type, uint64_t bits)
{
    kp_operand_t *operand = push(t, type);
    operand->kind = KP_OPERAND_CONST;
    operand->bits = bits;
}

void kp_translate_push_local(kp_translator_t *t, uint32_t local, kp_wasm_type_t type)
{
    kp_operand_t *operand = push(t, type);
    operand->kind = KP_OPERAND_LOCAL;
    operand->local = local;
    operand->link = t->uses[local];
    if (t->status == KP_OK)
        t->uses[local] = t->height;
}

kp_operand_t kp_translate_pop(kp_translator_t *t)
{
    if (t->height == 0) /* only after a failure */
        return (kp_operand_t){0};
    kp_operand_t operand = t->operands[--t->height];
    if (operand.kind == KP_OPERAND_LOCAL)
        t->uses[operand.local] = operand.link;
    t->next_home = operand.home;
    if (t->settled > t->height)
        t->settled = t->height;
    return operand;
}

void kp_translate_copy_to(kp_translator_t *t, uint32_t slot, const kp_operand_t *operand)
{
    if (operand->kind == KP_OPERAND_CONST) {
        kp_translate_emit_imm(t, KP_OP_CONST, slot, 0, operand->bits);
        return;
    }
    uint32_t from = operand->kind == KP_OPERAND_LOCAL ? t->slots[operand->local] : operand->home;
    if (from == slot)
        return;
    if (operand->type == KP_WASM_TYPE_V128) {
        kp_translate_emit(t, KP_OP_MOVE128, slot, from, 0, 0);
        return;
    }
    kp_interpret_insn_t *last = kp_translate_emit_last(t);
    if (last && last->op == KP_OP_MOVE) {
        /* In order, so that the second may read what the first wrote. */
        last->op = KP_OP_MOVE2;
        last->c = slot;
        last->d = from;
        return;
    }
    kp_translate_emit(t, KP_OP_MOVE, slot, from, 0, 0);
}

uint32_t kp_translate_slot(kp_translator_t *t, const kp_operand_t *operand)
{
    if (operand->kind == KP_OPERAND_LOCAL)
        return t->slots[operand->local];
    if (operand->kind == KP_OPERAND_CONST)
        kp_translate_copy_to(t, operand->home, operand);
    return operand->home;
}

uint32_t kp_translate_pop_slot(kp_translator_t *t)
{
    kp_operand_t operand = kp_translate_pop(t);
    return kp_translate_slot(t, &operand);
}

static void settle_one(kp_translator_t *t, kp_operand_t *operand)
{
    kp_translate_copy_to(t, operand->home, operand);
    operand->kind = KP_OPERAND_HOME;
}

uint32_t kp_translate_settle(kp_translator_t *t, uint32_t count)
{
    if (count == 0)
        return t->next_home;
    if (t->height < count) /* only after a failure */
        return 0;
    for (uint32_t i = t->height - count; i < t->height; i++) {
        kp_operand_t *operand = &t->operands[i];
        if (operand->kind == KP_OPERAND_LOCAL)
            kp_translate_settle_local(t, operand->local);
        else if (operand->kind == KP_OPERAND_CONST)
            settle_one(t, operand);
    }
    return t->operands[t->height - count].home;
}

void kp_translate_settle_locals(kp_translator_t *t)
{
    for (uint32_t i = t->settled; i < t->height; i++)
        if (t->operands[i].kind == KP_OPERAND_LOCAL)
            kp_translate_settle_local(t, t->operands[i].local);
    t->settled = t->height;
}

void kp_translate_settle_local(kp_translator_t *t, uint32_t local)
{
    for (uint32_t at = t->uses[local]; at != 0;) {
        kp_operand_t *operand = &t->operands[at - 1];
        at = operand->link;
        settle_one(t, operand);
    }
    t->uses[local] = 0;
}

void kp_translate_drop_to(kp_translator_t *t, uint32_t height)
{
    while (t->height > height)
        kp_translate_pop(t);
}

void kp_translate_store_to(kp_translator_t *t, uint32_t slot, const kp_operand_t *operand)
{
    kp_interpret_insn_t *last = kp_translate_emit_last(t);
    if (operand->kind == KP_OPERAND_HOME && last && kp_interpret_op_has_result[last->op] &&
        last->a == operand->home)
        last->a = slot;
    else
        kp_translate_copy_to(t, slot, operand);
}

void kp_translate_emit_data(kp_translator_t *t, uint64_t first, uint64_t second)
{
    kp_interpret_insn_t *insn =
        kp_translate_emit_imm(t, KP_OP_COUNT, (uint32_t)first, (uint32_t)(first >> 32), second);
    insn->op = UINT64_MAX;
    t->barrier = t->count;
}

const uint16_t kp_interpret_op_inverted[KP_OP_COUNT] = {
#define KP_BINARY(name, in, out, commutative, expression)
#define KP_COMPARE(name, swapped, inverted, in, expression) \
    [KP_OP_##name##_RR] = KP_OP_##inverted##_RR, [KP_OP_##name##_RI] = KP_OP_##inverted##_RI,
#define KP_UNARY(name, in, out, expression)
#define KP_TRAPPING2(name, in, out)
#define KP_TRAPPING1(name, in, out)
#include "runtime/interpret/numeric.def"
#undef KP_BINARY
#undef KP_COMPARE
#undef KP_UNARY
#undef KP_TRAPPING2
#undef KP_TRAPPING1
};
