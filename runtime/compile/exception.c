/* Exceptions cost nothing until one is thrown: a try_table leaves a range of return addresses and its
   landing pads, which the unwinder (instance/x86_64.c) looks up. A landing pad is entered with rbp = the
   frame and rax = the exninst; every other register is lost, so functions with a try_table keep no local
   in a callee-saved register, and save those all. */
#include "runtime/compile/internal.h"

static void clause_add(kp_compiler_t *c, kp_wasm_code_clause_t clause)
{
    if (c->clause_count == c->clause_capacity) {
        uint32_t capacity = c->clause_capacity ? c->clause_capacity * 2 : 64;
        kp_wasm_allocator_t *allocator = &c->options.allocator;
        kp_wasm_code_clause_t *clauses =
            allocator->resize(allocator->context, c->clauses, c->clause_capacity * sizeof *clauses,
                              capacity * sizeof *clauses);
        if (!clauses) {
            c->status = KP_ERR_NO_MEMORY;
            return;
        }
        c->clauses = clauses;
        c->clause_capacity = capacity;
    }
    c->clauses[c->clause_count++] = clause;
}

static void helper_call(kp_compiler_t *c, kp_wasm_helper_t helper)
{
    kp_asm_load(&c->code, W, REG_SCRATCH, kp_mem(REG_INSTANCE, 8));
    kp_asm_call_mem(&c->code, kp_mem(REG_SCRATCH, 8 * (int32_t)helper));
}

/* The tag's values go to a row on the machine stack, from which the exninst is made. */
static void op_throw(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    uint32_t count = instruction->signature->parameter_count;
    kp_call_prepare(c, count);
    if (!kp_room(c, 2048))
        return;
    if (count)
        kp_asm_alu_imm(&c->code, W, ALU_SUB, RSP, 16 * (int32_t)count);
    if (count > KP_ROW_UNROLLED) {
        kp_stack_to_slots(c, c->height - count); /* and R10 is free */
        if (!kp_room(c, 1024))
            return;
        kp_row_copy(c, true, RSP, 0, c->height - count, count);
    } else {
        for (uint32_t i = 0; i < count; i++) {
            const kp_value_t *value = &c->stack[c->height - count + i];
            if (!kp_type_wide(value->type)) { /* the upper half */
                kp_asm_rm(&c->code, 0xc7 | W, 0, kp_mem(RSP, 16 * (int32_t)i));
                kp_asm_u32(&c->code, 0);
            }
            kp_value_store(c, value, kp_mem(RSP, 16 * (int32_t)i));
        }
    }
    kp_stack_truncate(c, c->height - count);
    kp_asm_mov(&c->code, W, RDI, REG_INSTANCE);
    kp_asm_mov_imm(&c->code, RSI, instruction->index);
    kp_asm_mov(&c->code, W, RDX, RSP);
    helper_call(c, KP_WASM_HELPER_EXCEPTION_NEW);
    kp_asm_rr(&c->code, OP_TEST | W, RAX, RAX);
    kp_trap_if(c, CC_E, KP_WASM_TRAP_OUT_OF_MEMORY);
    kp_asm_mov(&c->code, W, RDI, RAX);
    helper_call(c, KP_WASM_HELPER_THROW);
}

static void op_throw_ref(kp_compiler_t *c)
{
    kp_call_prepare(c, 1);
    kp_value_t value = kp_stack_pop(c);
    kp_value_move_gpr(c, &value, RDI);
    kp_value_release(c, &value);
    kp_asm_rr(&c->code, OP_TEST | W, RDI, RDI);
    kp_trap_if(c, CC_E, KP_WASM_TRAP_NULL_EXCEPTION);
    helper_call(c, KP_WASM_HELPER_THROW);
}

static void op_try_table(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_stack_flush(c, instruction->frame->height);
    kp_control_t *control = kp_control_push(c, instruction->frame);
    if (!control)
        return;
    control->catches = instruction->targets;
    /* A call before must not seem to be inside: its return address is here. */
    kp_asm_u8(&c->code, 0x90);
    control->try_begin = kp_asm_here(&c->code);
}

/* One catch: the values to the stack, then a branch. */
static void landing_pad(kp_compiler_t *c, const kp_wasm_catch_t *clause, uint32_t begin,
                        uint32_t end, uint32_t outer)
{
    if (!kp_room(c, 4096))
        return;
    clause_add(c, (kp_wasm_code_clause_t){begin, end, kp_asm_here(&c->code),
                                          clause->kind < 2 ? clause->tag : KP_WASM_NO_INDEX});
    /* lea rsp, [rbp - frame] */
    kp_asm_rr(&c->code, OP_LEA | W, RSP, RBP);
    c->code.at[-1] = 0xa5;
    kp_asm_u32(&c->code, 0);
    kp_frame_site(c, kp_asm_here(&c->code) - 4);
    kp_asm_load(&c->code, W, REG_INSTANCE, kp_mem(RBP, -8));
    kp_asm_load(&c->code, W, REG_MEMORY, kp_mem(REG_INSTANCE, 16));
    kp_asm_load(&c->code, W, REG_MEMORY, kp_mem(REG_MEMORY, 0));
    c->valid = 0;
    c->dirty = 0;

    bool reference = clause->kind & 1;
    if (clause->kind < 2) {
        const kp_wasm_functype_t *type = &c->module->types[c->module->tags[clause->tag].type];
        uint32_t first = c->height, count = type->parameter_count;
        int32_t values = KP_WASM_EXNINST_VALUES;
        for (uint32_t i = 0; i < count; i++)
            kp_stack_push_slot(c, type->types[i]);
        if (count > KP_ROW_UNROLLED)
            kp_row_copy(c, false, RAX, values, first, count);
        else
            for (uint32_t i = 0; i < count; i++)
                kp_slot_move(c, type->types[i], kp_slot(c, first + i),
                             kp_mem(RAX, values + 16 * (int32_t)i));
    }
    if (reference) {
        kp_asm_rm(&c->code, 0xc6, 0, kp_mem(RAX, KP_WASM_EXNINST_ESCAPED));
        kp_asm_u8(&c->code, 1);
        kp_stack_push_slot(c, KP_WASM_TYPE_EXNREF);
        kp_asm_store(&c->code, W, kp_slot(c, c->height - 1), RAX);
    } else {
        kp_asm_mov(&c->code, W, RSI, RAX);
        kp_asm_mov(&c->code, W, RDI, REG_INSTANCE);
        helper_call(c, KP_WASM_HELPER_EXCEPTION_FREE);
    }
    kp_control_branch(c, &c->visitor->frames[outer - 1 - clause->depth]);
}

void kp_exception_end(kp_compiler_t *c, const kp_wasm_frame_t *frame, kp_control_t *control,
                      bool *reachable)
{
    if (control->catches.left == 0)
        return;
    uint32_t begin = control->try_begin, end = kp_asm_here(&c->code);
    kp_wasm_targets_t catches = control->catches;
    if (*reachable) {
        /* Past the landing pads, as a branch to the block's own label. */
        kp_control_branch(c, frame);
        *reachable = false;
    }
    kp_stack_truncate(c, frame->height);
    kp_wasm_catch_t clause;
    while (c->status == KP_OK && kp_wasm_catches_next(&catches, &clause)) {
        /* The frames around: `end` has popped this one. */
        landing_pad(c, &clause, begin, end, c->visitor->depth);
        kp_stack_truncate(c, frame->height);
    }
}

void kp_op_exception(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    switch (instruction->opcode) {
    case KP_WASM_OP_THROW:
        op_throw(c, instruction);
        break;
    case KP_WASM_OP_THROW_REF:
        op_throw_ref(c);
        break;
    default:
        op_try_table(c, instruction);
    }
}
