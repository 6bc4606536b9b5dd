/* Calls: of the module's functions, through funcinsts (imports, tables), of helpers, in tail position.
   The convention is instance/x86_64.h's. */
#include "runtime/compile/internal.h"

static const uint8_t gpr_order[KP_WASM_X86_GPR_ARGUMENTS] = {RDI, RSI, RDX, RCX, R8, R9};

/* ---- moves ---- */

/* The register that a move reads, as a bit; 0 for constants and memory. */
static uint32_t source_bit(const kp_compiler_t *c, const kp_value_t *value)
{
    if (value->place == PLACE_REGISTER)
        return kp_reg_bit(value->type, value->reg);
    if (value->place == PLACE_LOCAL && c->locals[value->local].reg != NO_REG)
        return kp_reg_bit(value->type, c->locals[value->local].reg);
    return 0;
}

static void move_emit(kp_compiler_t *c, const kp_value_t *value, unsigned to)
{
    if (kp_type_is_xmm(value->type))
        kp_value_move_xmm(c, value, to);
    else
        kp_value_move_gpr(c, value, to);
}

void kp_moves_emit(kp_compiler_t *c, const kp_move_t *given, uint32_t count)
{
    kp_move_t moves[16];
    uint32_t pending = 0, sources = 0;
    /* Locals that calls destroyed are loaded to where they are wanted, below. */
    for (uint32_t i = 0; i < count; i++) {
        moves[i] = given[i];
        kp_value_t *value = &moves[i].value;
        if (value->place == PLACE_LOCAL && c->locals[value->local].reg != NO_REG) {
            const kp_local_t *local = &c->locals[value->local];
            if (c->valid & kp_reg_bit(local->type, local->reg)) {
                value->place = PLACE_REGISTER;
                value->reg = local->reg;
            }
        }
        if (source_bit(c, value) && value->place == PLACE_REGISTER)
            pending |= 1u << i;
    }
    uint32_t registers = pending;
    while (pending) {
        sources = 0;
        for (uint32_t left = pending; left; left &= left - 1)
            sources |= source_bit(c, &moves[__builtin_ctz(left)].value);
        bool progress = false;
        for (uint32_t left = pending; left; left &= left - 1) {
            unsigned i = (unsigned)__builtin_ctz(left);
            uint32_t to = kp_reg_bit(moves[i].value.type, moves[i].to);
            uint32_t from = source_bit(c, &moves[i].value);
            if (to != from && (sources & to))
                continue;
            move_emit(c, &moves[i].value, moves[i].to);
            pending &= ~(1u << i);
            progress = true;
            break;
        }
        if (progress)
            continue;
        /* A ring: one of it steps aside. */
        kp_value_t *value = &moves[__builtin_ctz(pending)].value;
        unsigned aside = kp_type_is_xmm(value->type) ? X_SCRATCH : REG_SCRATCH;
        uint32_t bit = source_bit(c, value);
        move_emit(c, value, aside);
        for (uint32_t left = pending; left; left &= left - 1) {
            kp_value_t *other = &moves[__builtin_ctz(left)].value;
            if (source_bit(c, other) == bit)
                other->reg = (uint8_t)aside;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (registers >> i & 1)
            continue;
        const kp_value_t *value = &moves[i].value;
        if (value->place == PLACE_LOCAL && c->locals[value->local].reg != NO_REG) {
            /* Its register is stale and may be a target: from its home. */
            kp_value_t home = *value;
            home.place = PLACE_SLOT;
            kp_mem_t mem = kp_mem(RBP, c->locals[value->local].home);
            uint32_t wide = kp_type_wide(home.type);
            if (!kp_type_is_xmm(home.type))
                kp_asm_load(&c->code, wide, moves[i].to, mem);
            else
                kp_sse_rm(c,
                          home.type == KP_WASM_TYPE_F32   ? OP_MOVSS_LOAD
                          : home.type == KP_WASM_TYPE_F64 ? OP_MOVSD_LOAD
                                                          : OP_MOVUPS_LOAD,
                          moves[i].to, mem);
        } else {
            move_emit(c, value, moves[i].to);
        }
    }
}

/* ---- before and after ---- */

void kp_call_prepare(kp_compiler_t *c, uint32_t arguments)
{
    uint32_t below = c->height - arguments;
    for (uint32_t left = c->temporaries & ~c->free; left; left &= left - 1) {
        unsigned bit = (unsigned)__builtin_ctz(left);
        if (c->owner[bit] >= below) /* an argument, or popped */
            continue;
        kp_value_t *value = &c->stack[c->owner[bit]];
        kp_value_store(c, value, kp_slot(c, value->slot));
        value->place = PLACE_SLOT;
        c->free |= 1u << bit;
    }
    kp_locals_save(c, c->pinned_volatile);
}

void kp_call_finish(kp_compiler_t *c)
{
    c->valid &= ~c->pinned_volatile;
    if (!(c->options.flags & KP_WASM_COMPILE_GUARDED) && c->module->memory_count) {
        /* Memory 0 may have moved. */
        kp_asm_load(&c->code, W, REG_MEMORY, kp_mem(REG_INSTANCE, 16));
        kp_asm_load(&c->code, W, REG_MEMORY, kp_mem(REG_MEMORY, 0));
    }
}

/* ---- rows of values ---- */

void kp_slot_move(kp_compiler_t *c, kp_wasm_type_t type, kp_mem_t to, kp_mem_t from)
{
    if (type == KP_WASM_TYPE_V128) {
        kp_sse_rm(c, OP_MOVUPS_LOAD, X_SCRATCH, from);
        kp_sse_rm(c, OP_MOVUPS_STORE, X_SCRATCH, to);
    } else {
        kp_asm_load(&c->code, W, REG_SCRATCH, from);
        kp_asm_store(&c->code, W, to, REG_SCRATCH);
    }
}

void kp_row_copy(kp_compiler_t *c, bool to_row, unsigned base, int32_t disp, uint32_t first,
                 uint32_t count)
{
    bool wide = c->slot_size == 16;
    uint32_t load = wide ? OP_MOVUPS_LOAD : OP_MOVSD_LOAD;
    uint32_t store = wide ? OP_MOVUPS_STORE : OP_MOVSD_STORE;
    kp_slot(c, first + count - 1);
    kp_asm_rm(&c->code, OP_LEA | W, REG_SCRATCH, kp_slot(c, first));
    kp_asm_mov_imm(&c->code, R10, 0);
    uint32_t again = kp_asm_here(&c->code);
    kp_mem_t slot = kp_mem(REG_SCRATCH, 0), row = kp_mem_index(base, R10, 0, disp);
    kp_sse_rm(c, load, X_SCRATCH, to_row ? slot : row);
    kp_sse_rm(c, store, X_SCRATCH, to_row ? row : slot);
    kp_asm_alu_imm(&c->code, W, ALU_SUB, REG_SCRATCH, (int32_t)c->slot_size);
    kp_asm_alu_imm(&c->code, 0, ALU_ADD, R10, 16);
    kp_asm_alu_imm(&c->code, 0, ALU_CMP, R10, 16 * (int32_t)count);
    kp_asm_jcc_to(&c->code, CC_NE, again);
}

/* ---- arguments ---- */

/* Where each of the top values goes. */
typedef struct kp_arguments {
    kp_move_t moves[KP_WASM_X86_GPR_ARGUMENTS + KP_WASM_X86_XMM_ARGUMENTS];
    uint32_t move_count;
    uint32_t stack_count;
} kp_arguments_t;

static void arguments_place(kp_compiler_t *c, const kp_wasm_functype_t *type,
                            kp_arguments_t *arguments)
{
    uint32_t gpr = 0, xmm = 0, base = c->height - type->parameter_count;
    arguments->move_count = arguments->stack_count = 0;
    for (uint32_t i = 0; i < type->parameter_count; i++) {
        bool is_xmm = kp_type_is_xmm(type->types[i]);
        if (is_xmm && xmm < KP_WASM_X86_XMM_ARGUMENTS)
            arguments->moves[arguments->move_count++] =
                (kp_move_t){c->stack[base + i], (uint8_t)xmm++};
        else if (!is_xmm && gpr < KP_WASM_X86_GPR_ARGUMENTS)
            arguments->moves[arguments->move_count++] =
                (kp_move_t){c->stack[base + i], gpr_order[gpr++]};
        else
            arguments->stack_count++;
    }
}

/* Stores a run of neighbours from stack index `first` on to the row at [rsp + disp]. */
static void run_store(kp_compiler_t *c, uint32_t first, uint32_t count, int32_t disp)
{
    if (count > KP_ROW_UNROLLED) {
        kp_stack_slot_run(c, first, count);
        if (c->status == KP_OK)
            kp_row_copy(c, true, RSP, disp, first, count);
        return;
    }
    for (uint32_t i = 0; kp_room(c, 1024) && i < count; i++)
        kp_value_store(c, &c->stack[first + i], kp_mem(RSP, disp + 16 * (int32_t)i));
}

/* Stores those that go on the stack at rsp. There are at most 15 runs: between two of them stand
   arguments in registers. R10 is free when there are many. */
static void arguments_store(kp_compiler_t *c, const kp_wasm_functype_t *type)
{
    uint32_t gpr = 0, xmm = 0, first = c->height - type->parameter_count, run = 0;
    int32_t disp = 0;
    for (uint32_t i = 0; i <= type->parameter_count && c->status == KP_OK; i++) {
        if (i < type->parameter_count) {
            bool is_xmm = kp_type_is_xmm(type->types[i]);
            if ((is_xmm ? xmm++ : gpr++) >=
                (unsigned)(is_xmm ? KP_WASM_X86_XMM_ARGUMENTS : KP_WASM_X86_GPR_ARGUMENTS)) {
                run++;
                continue;
            }
        }
        if (run) {
            run_store(c, first + i - run, run, disp);
            disp += 16 * (int32_t)run;
            run = 0;
        }
    }
}

/* A row on the machine stack for several results, below it the arguments. */
static void results_reserve(kp_compiler_t *c, uint32_t bytes)
{
    if (bytes)
        kp_asm_alu_imm(&c->code, W, ALU_SUB, RSP, (int32_t)bytes);
}

static void results_fetch(kp_compiler_t *c, const kp_wasm_functype_t *type, uint32_t row)
{
    const kp_wasm_type_t *results = kp_wasm_functype_results(type);
    if (type->result_count == 1) {
        if (kp_type_is_xmm(results[0])) {
            kp_xmm_claim(c, 0);
        } else {
            kp_gpr_claim(c, RAX, NULL, NULL);
        }
        kp_stack_push_reg(c, results[0], 0);
        return;
    }
    uint32_t first = c->height;
    for (uint32_t i = 0; i < type->result_count; i++)
        kp_stack_push_slot(c, results[i]);
    if (type->result_count > KP_ROW_UNROLLED) {
        kp_row_copy(c, false, RSP, 0, first, type->result_count);
    } else {
        if (!kp_room(c, 1024))
            return;
        for (uint32_t i = 0; i < type->result_count; i++)
            kp_slot_move(c, results[i], kp_slot(c, first + i), kp_mem(RSP, 16 * (int32_t)i));
    }
    if (row)
        kp_asm_alu_imm(&c->code, W, ALU_ADD, RSP, (int32_t)row);
}

/* ---- funcinsts ---- */

/* rax = the imported function. */
static void load_import(kp_compiler_t *c, uint32_t index)
{
    kp_asm_load(&c->code, W, RAX,
                kp_mem(REG_INSTANCE, (int32_t)(c->layout.imported_functions + 8 * index)));
}

/* rax = the function at table[index], of the right type. */
static void load_indirect(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_value_t index = kp_stack_pop(c);
    kp_value_gpr(c, &index);
    kp_gpr_claim(c, RAX, &index, NULL);
    unsigned reg = kp_value_gpr(c, &index);
    kp_asm_load(&c->code, W, REG_SCRATCH,
                kp_mem(REG_INSTANCE, (int32_t)(c->layout.tables + 8 * instruction->index2)));
    kp_asm_alu_mem(&c->code, W, ALU_CMP, reg, kp_mem(REG_SCRATCH, 8));
    kp_trap_if(c, CC_AE, KP_WASM_TRAP_UNDEFINED_ELEMENT);
    kp_asm_load(&c->code, W, REG_SCRATCH, kp_mem(REG_SCRATCH, 0));
    kp_asm_load(&c->code, W, RAX, kp_mem_index(REG_SCRATCH, reg, 3, 0));
    kp_value_release(c, &index);
    kp_asm_rr(&c->code, OP_TEST | W, RAX, RAX);
    kp_trap_if(c, CC_E, KP_WASM_TRAP_UNINITIALIZED_ELEMENT);
    kp_asm_load(&c->code, W, REG_SCRATCH, kp_mem(REG_INSTANCE, 24));
    kp_asm_load(&c->code, 0, REG_SCRATCH,
                kp_mem(REG_SCRATCH, (int32_t)(4 * instruction->signature->canonical)));
    kp_asm_alu_mem(&c->code, 0, ALU_CMP, REG_SCRATCH, kp_mem(RAX, 16));
    kp_trap_if(c, CC_NE, KP_WASM_TRAP_INDIRECT_CALL_TYPE);
}

void kp_call_other(kp_compiler_t *c)
{
    kp_asm_mov(&c->code, W, REG_INSTANCE, REG_SCRATCH);
    kp_asm_load(&c->code, W, REG_MEMORY, kp_mem(REG_INSTANCE, 16));
    kp_asm_load(&c->code, W, REG_MEMORY, kp_mem(REG_MEMORY, 0));
    kp_asm_call_mem(&c->code, kp_mem(RAX, 0));
    kp_asm_load(&c->code, W, REG_INSTANCE, kp_mem(RBP, -8));
    kp_asm_load(&c->code, W, REG_MEMORY, kp_mem(REG_INSTANCE, 16));
    kp_asm_load(&c->code, W, REG_MEMORY, kp_mem(REG_MEMORY, 0));
}

/* Calls through rax; another instance's functions with its registers. */
static void call_through(kp_compiler_t *c)
{
    kp_asm_load(&c->code, W, REG_SCRATCH, kp_mem(RAX, 8));
    kp_asm_alu(&c->code, W, ALU_CMP, REG_SCRATCH, REG_INSTANCE);
    if (!c->has_try) {
        uint32_t site = kp_asm_jcc(&c->code, CC_NE);
        kp_asm_call_mem(&c->code, kp_mem(RAX, 0));
        kp_slow_add(c, SLOW_CALL, site, kp_asm_here(&c->code));
        return;
    }
    /* The return address must lie in the try_table's range: all in line. */
    kp_call_other(c);
}

/* The rel32 at `site` leads to a function of the module, now or when that is compiled. */
static void direct_bind(kp_compiler_t *c, uint32_t site, uint32_t own)
{
    if (own >= c->first && own <= c->current) {
        kp_asm_patch(&c->code, site, c->offsets[own - c->first]);
        return;
    }
    uint32_t *chain =
        own >= c->first && own < c->end ? &c->offsets[own - c->first] : &c->foreign[own];
    kp_asm_write(&c->code, site, *chain);
    *chain = site;
}

/* Is the module's function called through its funcinst, because its code may not be there yet? */
static bool own_is_far(const kp_compiler_t *c, uint32_t index)
{
    uint32_t own = index - c->module->imported_function_count;
    return (c->options.flags & KP_WASM_COMPILE_LAZY) && (own < c->first || own >= c->end);
}

/* rax = the function of this instance. */
static void load_own(kp_compiler_t *c, uint32_t own)
{
    kp_asm_load(&c->code, W, RAX, kp_mem(REG_INSTANCE, 32));
    kp_asm_alu_imm(&c->code, W, ALU_ADD, RAX, (int32_t)(own * KP_WASM_FUNCINST_SIZE));
}

static void call_own(kp_compiler_t *c, uint32_t own)
{
    if (own_is_far(c, own + c->module->imported_function_count)) {
        load_own(c, own);
        kp_asm_call_mem(&c->code, kp_mem(RAX, 0));
    } else {
        direct_bind(c, kp_asm_call(&c->code), own);
    }
}

/* How the function of a call is reached. */
typedef struct callee {
    bool indirect, import;
    bool far; /* the module's, through its funcinst */
} callee_t;

/* Takes the callee and says where its arguments go. */
static callee_t callee_prepare(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                               kp_arguments_t *arguments)
{
    const kp_wasm_functype_t *type = instruction->signature;
    callee_t callee = {.indirect = instruction->opcode == KP_WASM_OP_CALL_INDIRECT ||
                                   instruction->opcode == KP_WASM_OP_RETURN_CALL_INDIRECT};
    callee.import = !callee.indirect && instruction->index < c->module->imported_function_count;
    callee.far = !callee.indirect && !callee.import && own_is_far(c, instruction->index);
    kp_call_prepare(c, type->parameter_count + callee.indirect);
    if (callee.indirect)
        load_indirect(c, instruction);
    else if (callee.import || callee.far)
        kp_gpr_claim(c, RAX, NULL, NULL);
    if (type->parameter_count > KP_ROW_UNROLLED)
        kp_gpr_claim(c, R10, NULL, NULL);
    arguments_place(c, type, arguments);
    return callee;
}

static void op_call(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    const kp_wasm_functype_t *type = instruction->signature;
    kp_arguments_t arguments;
    const callee_t callee = callee_prepare(c, instruction, &arguments);
    uint32_t row = type->result_count > 1 ? 16 * type->result_count : 0;
    results_reserve(c, row);
    if (arguments.stack_count) {
        kp_asm_alu_imm(&c->code, W, ALU_SUB, RSP, 16 * (int32_t)arguments.stack_count);
        arguments_store(c, type);
        if (!kp_room(c, KP_ROOM))
            return;
    }
    if (type->parameter_count > KP_ROW_UNROLLED)
        kp_gpr_drop(c, R10);
    kp_moves_emit(c, arguments.moves, arguments.move_count);
    kp_stack_truncate(c, c->height - type->parameter_count);
    if (row)
        kp_asm_rm(&c->code, OP_LEA | W, R10, kp_mem(RSP, 16 * (int32_t)arguments.stack_count));
    if (callee.indirect || callee.import) {
        if (callee.import)
            load_import(c, instruction->index);
        call_through(c);
        kp_gpr_drop(c, RAX);
    } else {
        call_own(c, instruction->index - c->module->imported_function_count);
        if (callee.far)
            kp_gpr_drop(c, RAX);
    }
    kp_call_finish(c);
    results_fetch(c, type, row);
}

/* ---- tail calls ---- */

/* Leaves the frame for rsp -> {arguments of `size` bytes}, with them where the callee wants them: it
   removes them, and the caller of this function then finds its stack as it expects. */
static void frame_replace(kp_compiler_t *c, uint32_t size)
{
    int32_t at = -8;
    if (size == 0 && c->parameter_bytes == 0) {
        kp_control_epilogue(c);
        return;
    }
    for (uint32_t left = c->saved; left; left &= left - 1)
        kp_asm_load(&c->code, W, (unsigned)__builtin_ctz(left), kp_mem(RBP, at -= 8));
    /* The return address and the caller's frame go with the arguments; the new place may cover the
       old one, so all is copied from the top down. */
    kp_asm_rm(&c->code, 0xff, 6, kp_mem(RBP, 8));
    kp_asm_rm(&c->code, 0xff, 6, kp_mem(RBP, 0));
    int32_t to = (int32_t)c->parameter_bytes - (int32_t)size;
    if (size > 8 * KP_ROW_UNROLLED) {
        kp_asm_mov_imm(&c->code, REG_SCRATCH, size + 8);
        uint32_t again = kp_asm_here(&c->code);
        kp_sse_rm(c, OP_MOVSD_LOAD, X_SCRATCH, kp_mem_index(RSP, REG_SCRATCH, 0, 0));
        kp_sse_rm(c, OP_MOVSD_STORE, X_SCRATCH, kp_mem_index(RBP, REG_SCRATCH, 0, to));
        kp_asm_alu_imm(&c->code, W, ALU_SUB, REG_SCRATCH, 8);
        kp_asm_jcc_to(&c->code, CC_NS, again);
    } else {
        for (int32_t word = (int32_t)size + 8; word >= 0; word -= 8) {
            kp_asm_load(&c->code, W, REG_SCRATCH, kp_mem(RSP, word));
            kp_asm_store(&c->code, W, kp_mem(RBP, to + word), REG_SCRATCH);
        }
    }
    kp_asm_rm(&c->code, OP_LEA | W, RSP, kp_mem(RBP, to));
    kp_asm_pop(&c->code, RBP);
}

static void op_return_call(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    const kp_wasm_functype_t *type = instruction->signature;
    kp_arguments_t arguments;
    const callee_t callee = callee_prepare(c, instruction, &arguments);
    uint32_t size = 16 * arguments.stack_count;
    if (size) {
        kp_asm_alu_imm(&c->code, W, ALU_SUB, RSP, (int32_t)size);
        arguments_store(c, type);
        if (!kp_room(c, KP_ROOM))
            return;
    }
    if (type->parameter_count > KP_ROW_UNROLLED)
        kp_gpr_drop(c, R10);
    kp_moves_emit(c, arguments.moves, arguments.move_count);
    if (c->many_results)
        kp_asm_load(&c->code, W, R10, kp_mem(RBP, c->results_home));
    if (callee.indirect || callee.import) {
        if (callee.import)
            load_import(c, instruction->index);
        /* Another instance's registers have to be taken back after it: an ordinary call, behind the function, for
           its return address must not lie in the range of a try_table that is left. */
        kp_asm_load(&c->code, W, REG_SCRATCH, kp_mem(RAX, 8));
        kp_asm_alu(&c->code, W, ALU_CMP, REG_SCRATCH, REG_INSTANCE);
        kp_slow_add(c, SLOW_TAIL_CALL, kp_asm_jcc(&c->code, CC_NE), 0);
        frame_replace(c, size);
        if (c->status == KP_OK)
            kp_asm_rm(&c->code, 0xff, 4, kp_mem(RAX, 0));
        kp_gpr_drop(c, RAX);
        return;
    }
    frame_replace(c, size);
    if (c->status != KP_OK)
        return;
    uint32_t own = instruction->index - c->module->imported_function_count;
    if (callee.far) {
        load_own(c, own);
        kp_asm_rm(&c->code, 0xff, 4, kp_mem(RAX, 0));
        kp_gpr_drop(c, RAX);
    } else {
        direct_bind(c, kp_asm_jmp(&c->code), own);
    }
}

void kp_op_call(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    if (instruction->opcode == KP_WASM_OP_CALL || instruction->opcode == KP_WASM_OP_CALL_INDIRECT)
        op_call(c, instruction);
    else
        op_return_call(c, instruction);
}

/* ---- helpers ---- */

void kp_call_helper(kp_compiler_t *c, kp_wasm_helper_t helper, const uint64_t *extra,
                    unsigned extra_count, unsigned argument_count)
{
    kp_call_prepare(c, argument_count);
    kp_move_t moves[KP_WASM_X86_GPR_ARGUMENTS];
    for (unsigned i = 0; i < argument_count; i++)
        moves[i] =
            (kp_move_t){c->stack[c->height - argument_count + i], gpr_order[1 + extra_count + i]};
    kp_moves_emit(c, moves, argument_count);
    kp_stack_truncate(c, c->height - argument_count);
    for (unsigned i = 0; i < extra_count; i++)
        kp_asm_mov_imm(&c->code, gpr_order[1 + i], extra[i]);
    kp_asm_mov(&c->code, W, RDI, REG_INSTANCE);
    kp_asm_load(&c->code, W, REG_SCRATCH, kp_mem(REG_INSTANCE, 8));
    kp_asm_call_mem(&c->code, kp_mem(REG_SCRATCH, 8 * (int32_t)helper));
    kp_call_finish(c);
}

void kp_call_trap_if_eax(kp_compiler_t *c)
{
    kp_asm_rr(&c->code, OP_TEST, RAX, RAX);
    kp_trap_if(c, CC_NE, KP_WASM_TRAP_NONE);
}
