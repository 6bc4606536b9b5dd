/* The tier: attaching to instances, the stack, calls from outside and to the outside, exceptions. */
#include "runtime/interpret/internal.h"

kp_status_t kp_wasm_interpreted_create(const kp_wasm_module_t *module,
                                       kp_wasm_allocator_t allocator,
                                       kp_wasm_interpreted_t **result)
{
    uint32_t count = module->function_count - module->imported_function_count;
    size_t size = sizeof(kp_wasm_interpreted_t) + count * sizeof(kp_interpret_function_t);
    kp_wasm_interpreted_t *interpreted = allocator.resize(allocator.context, NULL, 0, size);
    *result = interpreted;
    if (!interpreted)
        return KP_ERR_NO_MEMORY;
    memset(interpreted, 0, size);
    interpreted->module = module;
    interpreted->allocator = allocator;
    interpreted->size = size;
    const void *const *handlers = kp_interpret_handlers();
    for (uint32_t i = 0; i < count; i++) {
        kp_interpret_function_t *function = &interpreted->functions[i];
        if (handlers)
            function->stub.handler = handlers[KP_OP_TRANSLATE];
        else
            function->stub.op = KP_OP_TRANSLATE;
        function->code = &function->stub;
        function->index = i + module->imported_function_count;
        function->owner = interpreted;
    }
    return KP_OK;
}

void kp_wasm_interpreted_destroy(kp_wasm_interpreted_t *interpreted)
{
    if (!interpreted)
        return;
    const kp_wasm_module_t *module = interpreted->module;
    kp_wasm_allocator_t allocator = interpreted->allocator;
    uint32_t count = module->function_count - module->imported_function_count;
    for (uint32_t i = 0; i < count; i++) {
        kp_interpret_function_t *function = &interpreted->functions[i];
        if (!function->insns)
            continue;
        allocator.resize(allocator.context, function->insns,
                         function->insn_count * sizeof *function->insns, 0);
        allocator.resize(allocator.context, function->offsets,
                         function->insn_count * sizeof *function->offsets, 0);
        if (function->clauses)
            allocator.resize(allocator.context, function->clauses,
                             function->clause_count * sizeof *function->clauses, 0);
    }
    kp_translator_destroy(interpreted->translator, allocator);
    allocator.resize(allocator.context, interpreted,
                     sizeof *interpreted + count * sizeof(kp_interpret_function_t), 0);
}

size_t kp_wasm_interpreted_size(const kp_wasm_interpreted_t *interpreted)
{
    return interpreted->size;
}

/* ---- the stack ---- */

static kp_status_t stack_create(kp_wasm_store_t *store)
{
    const kp_wasm_store_options_t *options = &store->options;
    size_t frames = ((size_t)options->depth_maximum + 2) * sizeof(kp_interpret_frame_t);
    size_t slots =
        (size_t)(options->stack_bytes > SIZE_MAX / 16 ? SIZE_MAX / 4 : options->stack_bytes * 4);
    if (slots > SIZE_MAX / 2 - frames)
        return KP_ERR_QUOTA;
    size_t size = sizeof(kp_interpret_stack_t) + frames + slots;
    if (size > options->object_maximum - store->object_used)
        return KP_ERR_QUOTA;
    kp_interpret_stack_t *stack =
        options->allocator.resize(options->allocator.context, NULL, 0, size);
    if (!stack)
        return KP_ERR_NO_MEMORY;
    store->object_used += size;
    memset(stack, 0, sizeof *stack);
    stack->size = size;
    stack->frame = stack->frames = stack->frame_memory;
    stack->frames_end = stack->frames + options->depth_maximum + 2;
    stack->top = stack->slots = (uint8_t *)stack->frames_end;
    stack->slots_end = (uint8_t *)stack + size;
    store->interpreter = stack;
    store->slots = stack->slots;
    store->slots_top = &stack->top;
    return KP_OK;
}

static kp_status_t attach(kp_wasm_instance_t *instance, void *tier_module)
{
    kp_wasm_interpreted_t *interpreted = tier_module;
    kp_wasm_store_t *store = instance->store;
    if (!store->interpreter) {
        kp_status_t status = stack_create(store);
        if (status != KP_OK)
            return status;
    }
    ((kp_interpret_stack_t *)store->interpreter)->instances++;
    const kp_wasm_module_t *module = instance->module;
    for (uint32_t i = 0; i < module->function_count - module->imported_function_count; i++) {
        instance->functions[i].call = kp_interpret_call;
        instance->functions[i].context = &interpreted->functions[i];
    }
    return KP_OK;
}

static void detach(kp_wasm_instance_t *instance)
{
    kp_wasm_store_t *store = instance->store;
    kp_interpret_stack_t *stack = store->interpreter;
    if (--stack->instances != 0)
        return;
    store->object_used -= stack->size;
    store->interpreter = NULL;
    store->slots_top = NULL;
    store->options.allocator.resize(store->options.allocator.context, stack, stack->size, 0);
}

const kp_wasm_tier_t kp_wasm_interpreted_tier = {
    .name = "interpret",
    .attach = attach,
    .detach = detach,
};

/* ---- values in slots ---- */

static uint8_t *slot_write(uint8_t *slot, kp_wasm_type_t type, const kp_wasm_value_t *value)
{
    uint64_t bits = type == KP_WASM_TYPE_I32 || type == KP_WASM_TYPE_F32 ? value->u32
                    : kp_wasm_type_is_reference(type) ? (uintptr_t)value->reference
                                                      : value->u64;
    if (type == KP_WASM_TYPE_V128)
        memcpy(slot, value->v128, 16);
    else
        memcpy(slot, &bits, 8);
    return slot + kp_interpret_type_bytes(type);
}

static const uint8_t *slot_read(const uint8_t *slot, kp_wasm_type_t type, kp_wasm_value_t *value)
{
    value->v128[1] = 0;
    memcpy(value->v128, slot, kp_interpret_type_bytes(type));
    return slot + kp_interpret_type_bytes(type);
}

/* ---- calls in and out ---- */

kp_status_t kp_interpret_call(kp_wasm_funcinst_t *function, kp_wasm_instance_t *caller,
                              kp_wasm_value_t *values)
{
    const kp_wasm_functype_t *type = function->signature;
    kp_wasm_store_t *store = function->instance->store;
    kp_interpret_stack_t *stack = store->interpreter;
    (void)caller;
    uint8_t *fp = stack->top, *slot = fp;
    uint64_t count = (uint64_t)type->parameter_count + type->result_count;
    if ((size_t)(stack->slots_end - fp) < count * 16 ||
        (uint64_t)(uintptr_t)__builtin_frame_address(0) < store->stack_limit)
        return kp_wasm_store_trap(store, KP_WASM_TRAP_STACK_EXHAUSTED);
    for (uint32_t i = 0; i < type->parameter_count; i++)
        slot = slot_write(slot, type->types[i], &values[i]);
    kp_status_t status = kp_interpret_run(store, function->instance, function->context, fp);
    if (status != KP_OK)
        return status;
    const uint8_t *result = fp;
    for (uint32_t i = 0; i < type->result_count; i++)
        result = slot_read(result, kp_wasm_functype_results(type)[i], &values[i]);
    return KP_OK;
}

kp_status_t kp_interpret_call_out(kp_wasm_funcinst_t *function, kp_wasm_instance_t *caller,
                                  uint8_t *arguments)
{
    const kp_wasm_functype_t *type = function->signature;
    uint32_t count =
        type->parameter_count > type->result_count ? type->parameter_count : type->result_count;
    kp_wasm_value_t values[count ? count : 1];
    const uint8_t *argument = arguments;
    for (uint32_t i = 0; i < type->parameter_count; i++)
        argument = slot_read(argument, type->types[i], &values[i]);
    kp_status_t status = function->call(function, caller, values);
    if (status != KP_OK)
        return status;
    uint8_t *result = arguments;
    for (uint32_t i = 0; i < type->result_count; i++)
        result = slot_write(result, kp_wasm_functype_results(type)[i], &values[i]);
    return KP_OK;
}

/* ---- exceptions and traps ---- */

kp_wasm_exninst_t *kp_interpret_exception_new(kp_wasm_instance_t *instance, uint32_t tag,
                                              const uint8_t *slots)
{
    const kp_wasm_functype_t *type = kp_wasm_instance_tag(instance, tag)->signature;
    kp_wasm_value_t values[type->parameter_count ? type->parameter_count : 1];
    for (uint32_t i = 0; i < type->parameter_count; i++)
        slots = slot_read(slots, type->types[i], &values[i]);
    /* A collection looks at the slots below the top. */
    kp_interpret_stack_t *stack = instance->store->interpreter;
    uint8_t *top = stack->top;
    stack->top += slots - top;
    kp_wasm_exninst_t *exception = kp_wasm_exception_new(instance, tag, values);
    stack->top = top;
    return exception;
}

void kp_interpret_exception_land(kp_wasm_instance_t *instance, kp_wasm_exninst_t *exception,
                                 uint8_t *slots, uint32_t kind)
{
    const kp_wasm_functype_t *type = exception->tag->signature;
    bool values = kind < 2, reference = kind & 1;
    for (uint32_t i = 0; values && i < type->parameter_count; i++)
        slots = slot_write(slots, type->types[i], &exception->values[i]);
    if (reference) {
        uint64_t bits = (uintptr_t)exception;
        memcpy(slots, &bits, 8);
        exception->escaped = true;
    } else {
        kp_wasm_exception_free(instance, exception);
    }
}

const kp_interpret_clause_t *kp_interpret_clause_find(const kp_interpret_function_t *function,
                                                      uint32_t at,
                                                      const kp_wasm_instance_t *instance,
                                                      const kp_wasm_exninst_t *exception)
{
    for (uint32_t i = 0; i < function->clause_count; i++) {
        const kp_interpret_clause_t *clause = &function->clauses[i];
        if (at >= clause->begin && at < clause->end &&
            (clause->tag == KP_WASM_NO_INDEX ||
             kp_wasm_instance_tag(instance, clause->tag) == exception->tag))
            return clause;
    }
    return NULL;
}

void kp_interpret_backtrace(kp_wasm_store_t *store, kp_wasm_instance_t *instance,
                            const kp_interpret_frame_t *frame, const kp_interpret_frame_t *base,
                            const kp_interpret_insn_t *pc)
{
    for (; frame != base; frame--) {
        const kp_interpret_function_t *function = frame->function;
        uint32_t offset = KP_WASM_OFFSET_UNKNOWN;
        if (function->insns && (size_t)(pc - function->insns) < function->insn_count)
            offset = function->offsets[pc - function->insns];
        kp_wasm_store_trap_frame(store, instance, function->owner->module, function->index, offset);
        instance = frame->instance;
        pc = frame->pc - 1;
    }
}
