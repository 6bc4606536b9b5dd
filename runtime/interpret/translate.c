/* Translation of one body: the sink of the validating visitor, and what surrounds it. */
#include "runtime/interpret/translator.h"

static kp_status_t begin(void *context, kp_wasm_visitor_t *visitor)
{
    kp_translator_t *t = context;
    uint32_t count = visitor->local_count;
    t->status = KP_OK;
    t->count = t->barrier = t->height = t->settled = 0;
    t->open_count = t->clause_count = 0;
    t->zero_used = false;
    t->offset = visitor->code_offset;
    if (!kp_translator_reserve(t, (void **)&t->slots, &t->slot_capacity, count + 1,
                               sizeof *t->slots) ||
        !kp_translator_reserve(t, (void **)&t->uses, &t->use_capacity, count + 1,
                               sizeof *t->uses) ||
        !kp_translator_reserve(t, (void **)&t->blocks, &t->block_capacity, 1, sizeof *t->blocks))
        return t->status;
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        t->slots[i] = at;
        t->uses[i] = 0;
        at += kp_interpret_type_bytes(visitor->locals[i]);
        if (i + 1 == visitor->signature->parameter_count)
            t->parameters_end = at;
    }
    if (visitor->signature->parameter_count == 0)
        t->parameters_end = 0;
    t->locals_end = t->zero = at;
    t->scratch = at + 8;
    t->next_home = t->most_home = at + 24;
    /* Results go to the begin of the frame. */
    uint32_t results = kp_translate_row_bytes(kp_wasm_functype_results(visitor->signature),
                                              visitor->signature->result_count);
    if (results > t->most_home)
        t->most_home = results;
    t->blocks[0] =
        (kp_block_t){.home = t->next_home, .fixups = KP_NO_INSN, .otherwise = KP_NO_INSN};
    kp_translate_emit(t, KP_OP_ENTER, 0, 0, 0, 0);
    t->barrier = t->count;
    return t->status;
}

static kp_status_t instruction(void *context, kp_wasm_visitor_t *visitor,
                               const kp_wasm_instruction_t *instruction)
{
    kp_translator_t *t = context;
    (void)visitor;
    t->offset = instruction->offset;
    if (kp_translate_is_control(instruction->opcode))
        kp_translate_control(t, instruction);
    else
        kp_translate_operator(t, instruction);
    return t->status;
}

static kp_status_t end(void *context, kp_wasm_visitor_t *visitor)
{
    kp_translator_t *t = context;
    (void)visitor;
    kp_interpret_insn_t *enter = &t->insns[0];
    enter->a = t->parameters_end;
    enter->b = t->locals_end + (t->zero_used ? 8 : 0) - t->parameters_end;
    enter->c = t->most_home;
    return t->status;
}

static const kp_wasm_sink_t sink = {.begin = begin, .instruction = instruction, .end = end};

/* Copies what was made to exactly sized memory of the function's. */
static kp_status_t publish(kp_translator_t *t, kp_interpret_function_t *function)
{
    kp_wasm_allocator_t allocator = t->allocator;
    size_t insns = t->count * sizeof *t->insns, offsets = t->count * sizeof *t->offsets;
    size_t clauses = t->clause_count * sizeof *t->clauses;
    function->insns = allocator.resize(allocator.context, NULL, 0, insns);
    function->offsets = allocator.resize(allocator.context, NULL, 0, offsets);
    function->clauses = clauses ? allocator.resize(allocator.context, NULL, 0, clauses) : NULL;
    if (!function->insns || !function->offsets || (clauses && !function->clauses)) {
        if (function->insns)
            allocator.resize(allocator.context, function->insns, insns, 0);
        if (function->offsets)
            allocator.resize(allocator.context, function->offsets, offsets, 0);
        if (function->clauses)
            allocator.resize(allocator.context, function->clauses, clauses, 0);
        function->insns = NULL;
        function->offsets = NULL;
        function->clauses = NULL;
        return KP_ERR_NO_MEMORY;
    }
    memcpy(function->insns, t->insns, insns);
    memcpy(function->offsets, t->offsets, offsets);
    if (clauses)
        memcpy(function->clauses, t->clauses, clauses);
    function->insn_count = t->count;
    function->clause_count = t->clause_count;
    const void *const *handlers = kp_interpret_handlers();
    for (uint32_t i = 0; i < t->count; i++) {
        kp_interpret_insn_t *insn = &function->insns[i];
        if (insn->op == KP_OP_CALL || insn->op == KP_OP_TAIL_CALL)
            insn->function = &function->owner->functions[insn->imm];
        if (handlers && insn->op < KP_OP_COUNT)
            insn->handler = handlers[insn->op];
    }
    function->owner->size += insns + offsets + clauses;
    __atomic_store_n(&function->code, function->insns, __ATOMIC_RELEASE);
    return KP_OK;
}

static kp_status_t translate_locked(kp_interpret_function_t *function)
{
    struct kp_wasm_interpreted *owner = function->owner;
    if (function->insns)
        return KP_OK;
    kp_translator_t *t = owner->translator;
    if (!t) {
        t = owner->allocator.resize(owner->allocator.context, NULL, 0, sizeof *t);
        if (!t)
            return KP_ERR_NO_MEMORY;
        memset(t, 0, sizeof *t);
        t->allocator = owner->allocator;
        kp_wasm_visitor_init(&t->visitor, owner->module, owner->allocator);
        owner->translator = t;
    }
    kp_status_t status = kp_wasm_body_visit(&t->visitor, function->index, &sink, t, NULL);
    return status == KP_OK ? publish(t, function) : status;
}

kp_status_t kp_interpret_translate(const kp_interpret_function_t *function)
{
    struct kp_wasm_interpreted *owner = function->owner;
    while (__atomic_exchange_n(&owner->lock, 1, __ATOMIC_ACQUIRE))
        ;
    kp_status_t status = translate_locked(&owner->functions[function - owner->functions]);
    __atomic_store_n(&owner->lock, 0, __ATOMIC_RELEASE);
    return status;
}

static void release(kp_wasm_allocator_t allocator, void *array, size_t size)
{
    if (array)
        allocator.resize(allocator.context, array, size, 0);
}

void kp_translator_destroy(kp_translator_t *t, kp_wasm_allocator_t allocator)
{
    if (!t)
        return;
    kp_wasm_visitor_clear(&t->visitor);
    release(allocator, t->insns, t->insn_capacity * sizeof *t->insns);
    release(allocator, t->offsets, t->offset_capacity * sizeof *t->offsets);
    release(allocator, t->operands, t->operand_capacity * sizeof *t->operands);
    release(allocator, t->slots, t->slot_capacity * sizeof *t->slots);
    release(allocator, t->uses, t->use_capacity * sizeof *t->uses);
    release(allocator, t->blocks, t->block_capacity * sizeof *t->blocks);
    release(allocator, t->open_clauses, t->open_capacity * sizeof *t->open_clauses);
    release(allocator, t->clauses, t->clause_capacity * sizeof *t->clauses);
    release(allocator, t, sizeof *t);
}
