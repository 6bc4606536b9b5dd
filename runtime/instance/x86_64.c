/* Calls between C and compiled x86-64 code: arguments placed and fetched, traps walked, exceptions
   unwound. */
#include "runtime/instance/x86_64.h"
#include "runtime/instance/internal.h"

#if defined(__x86_64__)

/* What x86_64_border.S loads registers from and stores them to; it knows the offsets. */
typedef struct kp_wasm_registers {
    uint64_t gpr[6]; /* rdi rsi rdx rcx r8 r9 */
    kp_wasm_funcinst_t *function;
    kp_wasm_value_t *results;
    kp_wasm_value_t xmm[8];
    kp_wasm_value_t *stack;
    uint64_t stack_count; /* on the way out of the thunk: bytes for the caller's stack to lose */
    uint64_t rax;
} kp_wasm_registers_t;
_Static_assert(offsetof(kp_wasm_registers_t, function) == 48, "x86_64_border.S");
_Static_assert(offsetof(kp_wasm_registers_t, xmm) == 64, "x86_64_border.S");
_Static_assert(offsetof(kp_wasm_registers_t, stack) == 192, "x86_64_border.S");
_Static_assert(offsetof(kp_wasm_registers_t, rax) == 208, "x86_64_border.S");
_Static_assert(KP_ERR_TRAP == -31 && KP_ERR_EXCEPTION == -32, "x86_64_border.S");
_Static_assert(KP_WASM_TRAP_FUEL == 15, "x86_64_border.S");

/* The frame pointer of kp_wasm_x86_enter, from the entry that it leaves in the store. */
enum { ENTRY_TO_FRAME = 64 };

kp_status_t kp_wasm_x86_enter(kp_wasm_registers_t *registers, kp_wasm_store_t *store);
void kp_wasm_x86_thunk(void);
void kp_wasm_x86_lazy(void);
void kp_wasm_x86_trap(void);
void kp_wasm_x86_check(void);
void kp_wasm_x86_fuel(void);
void kp_wasm_x86_throw(void);

/* Called by x86_64_border.S. */
kp_status_t kp_wasm_x86_thunk_call(kp_wasm_registers_t *registers, kp_wasm_instance_t *caller);
void kp_wasm_x86_trap_record(uint32_t code, const void *pc, void **frame,
                             kp_wasm_instance_t *instance);
void kp_wasm_x86_trap_walk(kp_wasm_store_t *store, const void *pc, void **frame);
uint32_t kp_wasm_x86_check_stack(kp_wasm_instance_t *instance);
kp_status_t kp_wasm_x86_resolve(kp_wasm_funcinst_t *function);
/* Where to go on after a throw. */
typedef struct kp_wasm_landing {
    const void *pc;
    void **frame;
    kp_wasm_exninst_t *exception;
    uint64_t unused;
} kp_wasm_landing_t;
kp_status_t kp_wasm_x86_unwind(kp_wasm_exninst_t *exception, const void *pc, void **frame,
                               kp_wasm_store_t *store, kp_wasm_landing_t *landing);

/* For x86_64_border.S, which must not count fields of the store by hand. */
extern const uint32_t kp_wasm_store_pending_offset;
const uint32_t kp_wasm_store_pending_offset = offsetof(kp_wasm_store_t, pending);

static bool in_xmm(kp_wasm_type_t type)
{
    return type == KP_WASM_TYPE_F32 || type == KP_WASM_TYPE_F64 || type == KP_WASM_TYPE_V128;
}

static bool is_32(kp_wasm_type_t type)
{
    return type == KP_WASM_TYPE_I32 || type == KP_WASM_TYPE_F32;
}

kp_status_t kp_wasm_x86_call(kp_wasm_funcinst_t *function, kp_wasm_instance_t *caller,
                             kp_wasm_value_t *values)
{
    (void)caller;
    const kp_wasm_functype_t *type = function->signature;
    uint32_t spill = type->parameter_count > KP_WASM_X86_GPR_ARGUMENTS ? type->parameter_count : 1;
    kp_wasm_value_t stack[spill];
    kp_wasm_registers_t registers;
    registers.function = function;
    registers.results = values;
    registers.stack = stack;
    registers.stack_count = 0;
    uint32_t gpr = 0, xmm = 0;
    for (uint32_t i = 0; i < type->parameter_count; i++) {
        kp_wasm_type_t kind = type->types[i];
        kp_wasm_value_t value = values[i];
        if (is_32(kind))
            value.u64 = value.u32;
        if (in_xmm(kind) && xmm < KP_WASM_X86_XMM_ARGUMENTS)
            registers.xmm[xmm++] = value;
        else if (!in_xmm(kind) && gpr < KP_WASM_X86_GPR_ARGUMENTS)
            registers.gpr[gpr++] = value.u64;
        else
            stack[registers.stack_count++] = value;
    }
    kp_status_t status = kp_wasm_x86_enter(&registers, function->instance->store);
    if (status == KP_OK && type->result_count == 1) {
        kp_wasm_type_t kind = type->types[type->parameter_count];
        if (in_xmm(kind))
            values[0] = registers.xmm[0];
        else
            values[0].u64 = registers.rax;
        if (is_32(kind))
            values[0].u64 = values[0].u32;
    } else if (status == KP_OK) {
        /* Code fills only what a value needs of its place in the row. */
        for (uint32_t i = 0; i < type->result_count; i++)
            if (is_32(kp_wasm_functype_results(type)[i]))
                values[i].u64 = values[i].u32;
    }
    return status;
}

kp_status_t kp_wasm_x86_thunk_call(kp_wasm_registers_t *registers, kp_wasm_instance_t *caller)
{
    kp_wasm_funcinst_t *function = registers->function;
    const kp_wasm_functype_t *type = function->signature;
    uint32_t count =
        type->parameter_count > type->result_count ? type->parameter_count : type->result_count;
    kp_wasm_value_t values[count ? count : 1];
    const kp_wasm_value_t *stack = registers->stack;
    uint32_t gpr = 0, xmm = 0;
    for (uint32_t i = 0; i < type->parameter_count; i++) {
        kp_wasm_type_t kind = type->types[i];
        if (in_xmm(kind))
            values[i] = xmm < KP_WASM_X86_XMM_ARGUMENTS ? registers->xmm[xmm++] : *stack++;
        else if (gpr < KP_WASM_X86_GPR_ARGUMENTS)
            values[i].u64 = registers->gpr[gpr++];
        else
            values[i] = *stack++;
        if (is_32(kind))
            values[i].u64 = values[i].u32;
    }
    kp_status_t status = function->call(function, caller, values);
    if (status != KP_OK)
        return status;
    registers->stack_count = (uint64_t)((const char *)stack - (const char *)registers->stack);
    if (type->result_count == 1) {
        kp_wasm_type_t kind = type->types[type->parameter_count];
        if (is_32(kind))
            values[0].u64 = values[0].u32;
        registers->rax = values[0].u64;
        registers->xmm[0] = values[0];
    } else if (type->result_count > 1) {
        memcpy(registers->results, values, type->result_count * sizeof *values);
        for (uint32_t i = 0; i < type->result_count; i++)
            if (is_32(type->types[type->parameter_count + i]))
                registers->results[i].u64 = values[i].u32;
    }
    return KP_OK;
}

/* ---- traps ---- */

bool kp_wasm_x86_is_trap(const void *pc, const kp_wasm_instance_t *r14, const void *address)
{
    if (!kp_wasm_code_find(pc))
        return false;
    for (uint32_t i = 0; i < r14->module->memory_count; i++) {
        const kp_wasm_meminst_t *memory = kp_wasm_instance_memory(r14, i);
        if (memory->kind == KP_WASM_MEMORY_GUARDED &&
            (uintptr_t)address - (uintptr_t)memory->base < memory->reserved)
            return true;
    }
    return false;
}

/* Whose function of `module` the frame is that goes on at pc: that of the call it made, if it made it
   directly; else another instance can have been called, and then it has saved its own. */
static kp_wasm_instance_t *frame_instance(const kp_wasm_store_t *store,
                                          const kp_wasm_module_t *module, const uint8_t *pc,
                                          void **frame, kp_wasm_instance_t *called)
{
    kp_wasm_instance_t *only = NULL, *saved = NULL;
    uint32_t count = 0;
    for (kp_wasm_instance_t *instance = store->instances; instance; instance = instance->next) {
        if (instance->module != module)
            continue;
        only = instance;
        count++;
        if (instance == frame[-1])
            saved = instance;
    }
    if (count == 1)
        return only;
    bool through = pc[-2] == 0xff && pc[-1] == 0x10; /* call [rax] */
    if (called && called->module == module && !(through && saved))
        return called;
    return saved;
}

/* Appends the frames from `pc` out to the innermost entry. instance: that of the innermost, NULL if it has
   saved it. */
static void trap_walk(kp_wasm_store_t *store, kp_wasm_instance_t *instance, const void *pc,
                      void **frame)
{
    void **entry = (void **)((char *)store->head.entry + ENTRY_TO_FRAME);
    while (frame != entry) {
        const char *at = (const char *)pc - 1;
        const kp_wasm_code_range_t *range = kp_wasm_code_find(at);
        if (range) {
            instance = frame_instance(store, range->module, pc, frame, instance);
            kp_wasm_store_trap_frame(store, instance, range->module,
                                     kp_wasm_code_function(range, at), KP_WASM_OFFSET_UNKNOWN);
        }
        pc = frame[1];
        frame = frame[0];
    }
}

void kp_wasm_x86_trap_walk(kp_wasm_store_t *store, const void *pc, void **frame)
{
    trap_walk(store, NULL, pc, frame);
}

void kp_wasm_x86_trap_record(uint32_t code, const void *pc, void **frame,
                             kp_wasm_instance_t *instance)
{
    kp_wasm_store_trap(instance->store, (kp_wasm_trap_code_t)code);
    trap_walk(instance->store, instance, pc, frame);
}

uint32_t kp_wasm_x86_check_stack(kp_wasm_instance_t *instance)
{
    kp_wasm_store_t *store = instance->store;
    if (!__atomic_load_n(&store->interrupt, __ATOMIC_SEQ_CST))
        return KP_WASM_TRAP_STACK_EXHAUSTED;
    return kp_wasm_store_interrupted(store) ? KP_WASM_TRAP_INTERRUPTED : KP_WASM_TRAP_NONE;
}

/* The function's tier gives it code; else a trap. */
kp_status_t kp_wasm_x86_resolve(kp_wasm_funcinst_t *function)
{
    kp_wasm_store_t *store = function->instance->store;
    kp_status_t status = function->instance->tier->resolve(function);
    if (status == KP_OK)
        return KP_OK;
    kp_wasm_store_trap(store,
                       status == KP_ERR_NO_MEMORY ? KP_WASM_TRAP_OUT_OF_MEMORY : KP_WASM_TRAP_HOST);
    if (status != KP_ERR_NO_MEMORY)
        store->trap.status = status;
    return KP_ERR_TRAP;
}

/* ---- exceptions ---- */

static const kp_wasm_code_clause_t *clause_find(const kp_wasm_code_range_t *range, const char *at,
                                                const kp_wasm_instance_t *instance,
                                                const kp_wasm_taginst_t *tag)
{
    uint32_t function = kp_wasm_code_function(range, at) - range->first_function -
                        range->module->imported_function_count;
    uint32_t offset = (uint32_t)((const uint8_t *)at - range->base);
    for (uint32_t i = range->clause_first[function]; i < range->clause_first[function + 1]; i++) {
        const kp_wasm_code_clause_t *clause = &range->clauses[i];
        if (clause->begin <= offset && offset < clause->end &&
            (clause->tag == KP_WASM_NO_INDEX || kp_wasm_instance_tag(instance, clause->tag) == tag))
            return clause;
    }
    return NULL;
}

kp_status_t kp_wasm_x86_unwind(kp_wasm_exninst_t *exception, const void *pc, void **frame,
                               kp_wasm_store_t *store, kp_wasm_landing_t *landing)
{
    void **entry = (void **)((char *)store->head.entry + ENTRY_TO_FRAME);
    while (frame != entry) {
        const char *at = (const char *)pc - 1;
        const kp_wasm_code_range_t *range = kp_wasm_code_find(at);
        if (range && range->clause_first) {
            /* Functions with handlers keep their instance at rbp - 8; in others it is not read. */
            const kp_wasm_code_clause_t *clause =
                clause_find(range, at, (const kp_wasm_instance_t *)frame[-1], exception->tag);
            if (clause) {
                landing->pc = range->base + clause->landing;
                landing->frame = frame;
                landing->exception = exception;
                return KP_OK;
            }
        }
        pc = frame[1];
        frame = frame[0];
    }
    return kp_wasm_store_throw(store, exception);
}

/* ---- what the rest of the store asks for ---- */

const void *kp_wasm_thunk_code(void)
{
    return (const void *)(uintptr_t)kp_wasm_x86_thunk;
}

const void *kp_wasm_lazy_code(void)
{
    return (const void *)(uintptr_t)kp_wasm_x86_lazy;
}

#define HELPER(function) (const void *)(uintptr_t)(function)
const void *const kp_wasm_helpers[KP_WASM_HELPER_COUNT] = {
    [KP_WASM_HELPER_TRAP] = HELPER(kp_wasm_x86_trap),
    [KP_WASM_HELPER_CHECK] = HELPER(kp_wasm_x86_check),
    [KP_WASM_HELPER_FUEL] = HELPER(kp_wasm_x86_fuel),
    [KP_WASM_HELPER_THROW] = HELPER(kp_wasm_x86_throw),
    [KP_WASM_HELPER_EXCEPTION_NEW] = HELPER(kp_wasm_exception_new),
    [KP_WASM_HELPER_EXCEPTION_FREE] = HELPER(kp_wasm_exception_free),
    [KP_WASM_HELPER_MEMORY_GROW] = HELPER(kp_wasm_memory_grow),
    [KP_WASM_HELPER_MEMORY_COPY] = HELPER(kp_wasm_memory_copy),
    [KP_WASM_HELPER_MEMORY_FILL] = HELPER(kp_wasm_memory_fill),
    [KP_WASM_HELPER_MEMORY_INIT] = HELPER(kp_wasm_memory_init),
    [KP_WASM_HELPER_DATA_DROP] = HELPER(kp_wasm_data_drop),
    [KP_WASM_HELPER_TABLE_GROW] = HELPER(kp_wasm_table_grow),
    [KP_WASM_HELPER_TABLE_COPY] = HELPER(kp_wasm_table_copy),
    [KP_WASM_HELPER_TABLE_FILL] = HELPER(kp_wasm_table_fill),
    [KP_WASM_HELPER_TABLE_INIT] = HELPER(kp_wasm_table_init),
    [KP_WASM_HELPER_ELEMENT_DROP] = HELPER(kp_wasm_element_drop),
    [KP_WASM_HELPER_ATOMIC_NOTIFY] = HELPER(kp_wasm_atomic_notify),
    [KP_WASM_HELPER_ATOMIC_WAIT32] = HELPER(kp_wasm_atomic_wait32),
    [KP_WASM_HELPER_ATOMIC_WAIT64] = HELPER(kp_wasm_atomic_wait64),
};

#else /* no compiled code on this machine */

const void *kp_wasm_thunk_code(void)
{
    return NULL;
}

const void *kp_wasm_lazy_code(void)
{
    return NULL;
}

const void *const kp_wasm_helpers[KP_WASM_HELPER_COUNT] = {0};

#endif
