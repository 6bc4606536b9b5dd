/* The loop that carries out register code: one dispatch an instruction, to labels as values where the
   compiler has them, else by a switch. */
#include "runtime/interpret/internal.h"
#include "runtime/interpret/numeric.h"

typedef uint32_t kp_slot_u32 __attribute__((may_alias));
typedef int32_t kp_slot_s32 __attribute__((may_alias));
typedef uint64_t kp_slot_u64 __attribute__((may_alias));
typedef int64_t kp_slot_s64 __attribute__((may_alias));
typedef float kp_slot_f32 __attribute__((may_alias));
typedef double kp_slot_f64 __attribute__((may_alias));

/* Checks between looks at store.interrupt. */
enum { BUDGET = 1024 };

#if defined(__GNUC__) && !defined(__wasm__)
#define DIRECT 1
#else
#define DIRECT 0
#endif

#if DIRECT
#define OP(name) op_##name:
#define DISPATCH() goto * pc->handler /* NOLINT: a statement */
#else
#define OP(name) case KP_OP_##name:
#define DISPATCH() goto dispatch
#endif
#define NEXT(n)     \
    do {            \
        pc += (n);  \
        DISPATCH(); \
    } while (0)
#define TRAP(code)                  \
    do {                            \
        trap = KP_WASM_TRAP_##code; \
        goto trapped;               \
    } while (0)
#define TRAP_IF(code)          \
    do {                       \
        trap = (code);         \
        if (KP_UNLIKELY(trap)) \
            goto trapped;      \
    } while (0)
#define TICK()                         \
    do {                               \
        if (KP_UNLIKELY(--budget < 0)) \
            goto tick;                 \
    } while (0)
/* Forward distances are above zero. */
#define BRANCH()                                                         \
    do {                                                                 \
        int32_t distance = (int32_t)pc->a;                               \
        pc = (const kp_interpret_insn_t *)((const char *)pc + distance); \
        if (distance <= 0)                                               \
            TICK();                                                      \
        DISPATCH();                                                      \
    } while (0)

#define SLOT(type, at) (*(kp_slot_##type *)(fp + (at)))
#define SET_u32(at, value) SLOT(u64, at) = (uint32_t)(value)
#define SET_s32(at, value) SLOT(u64, at) = (uint32_t)(value)
#define SET_u64(at, value) SLOT(u64, at) = (value)
#define SET_s64(at, value) SLOT(s64, at) = (value)
#define SET_f32(at, value) SLOT(u64, at) = kp_numeric_bits32(value)
#define SET_f64(at, value) SLOT(f64, at) = (value)
#define IMM_u32() ((uint32_t)pc->imm)
#define IMM_s32() ((int32_t)pc->imm)
#define IMM_u64() (pc->imm)
#define IMM_s64() ((int64_t)pc->imm)
#define IMM_f32() kp_numeric_float32((uint32_t)pc->imm)
#define IMM_f64() kp_numeric_float64(pc->imm)

#define LOAD_MEMORY()                                       \
    do {                                                    \
        mem = instance->memory0->base;                      \
        mem_size = kp_wasm_meminst_size(instance->memory0); \
    } while (0)
#define ADDRESS(slot, width)                              \
    uint64_t address = (uint64_t)SLOT(u32, slot) + pc->c; \
    if (KP_UNLIKELY(address + (width) > mem_size))        \
    goto bounds

/* Gives back what was taken of the store's fuel, before others look at it. */
#define RETURN_FUEL()               \
    do {                            \
        store->head.fuel += budget; \
        budget = 0;                 \
    } while (0)

static const void *const *handlers;

const void *const *kp_interpret_handlers(void)
{
    if (DIRECT && !__atomic_load_n(&handlers, __ATOMIC_RELAXED))
        (void)kp_interpret_run(NULL, NULL, NULL, NULL);
    return handlers;
}

kp_status_t kp_interpret_run(kp_wasm_store_t *store, kp_wasm_instance_t *instance,
                             const kp_interpret_function_t *function, uint8_t *fp)
{
#if DIRECT
    static const void *const labels[KP_OP_COUNT] = {
#define KP_OP(name, result) [KP_OP_##name] = &&op_##name,
#include "runtime/interpret/op.def"
#undef KP_OP
    };
    if (!store) {
        __atomic_store_n(&handlers, labels, __ATOMIC_RELAXED);
        return KP_OK;
    }
    const kp_interpret_insn_t leave = {.handler = labels[KP_OP_EXIT]};
#else
    const kp_interpret_insn_t leave = {.op = KP_OP_EXIT};
#endif
    kp_interpret_stack_t *const stack = store->interpreter;
    uint8_t *const slots_end = stack->slots_end, *const old_top = stack->top;
    kp_interpret_frame_t *const base = stack->frame, *frame = base;
    const kp_interpret_insn_t *pc = &leave;
    uint8_t *mem;
    uint64_t mem_size;
    int64_t budget = 0;
    kp_wasm_trap_code_t trap;
    kp_wasm_exninst_t *exception = NULL;
    kp_wasm_funcinst_t *callee;
    uint32_t arguments;
    kp_status_t status;

    LOAD_MEMORY();
    if (frame + 1 >= stack->frames_end)
        TRAP(STACK_EXHAUSTED);
    *++frame = (kp_interpret_frame_t){&leave, fp, instance, function};
    pc = __atomic_load_n(&function->code, __ATOMIC_ACQUIRE);
    DISPATCH();

#if !DIRECT
dispatch:
    switch (pc->op) {
#endif

        /* ---- calls ---- */

        OP(TRANSLATE)
        {
            function = frame->function;
            status = kp_interpret_translate(function);
            if (status != KP_OK) {
                if (status == KP_ERR_NO_MEMORY)
                    TRAP(OUT_OF_MEMORY);
                kp_wasm_store_trap(store, KP_WASM_TRAP_HOST);
                store->trap.status = status;
                goto failed;
            }
            pc = __atomic_load_n(&function->code, __ATOMIC_ACQUIRE);
            DISPATCH();
        }
        OP(ENTER)
        {
            if (KP_UNLIKELY((size_t)(slots_end - fp) < pc->c))
                TRAP(STACK_EXHAUSTED);
            uint8_t *at = fp + pc->a;
            for (uint32_t left = pc->b; left; left -= 8, at += 8)
                *(kp_slot_u64 *)at = 0;
            pc++;
            TICK();
            DISPATCH();
        }
        OP(LOOP)
        {
            pc++;
            TICK();
            DISPATCH();
        }
        OP(CALL)
        {
            if (KP_UNLIKELY(frame + 1 >= stack->frames_end))
                TRAP(STACK_EXHAUSTED);
            const kp_interpret_function_t *called = pc->function;
            *++frame = (kp_interpret_frame_t){pc + 1, fp, instance, called};
            fp += pc->a;
            pc = __atomic_load_n(&called->code, __ATOMIC_ACQUIRE);
            DISPATCH();
        }
        OP(CALL_IMPORT)
        {
            callee = kp_wasm_instance_function(instance, pc->b);
            arguments = pc->a;
            goto call;
        }
        OP(CALL_INDIRECT)
        {
            const kp_wasm_tableinst_t *table = kp_wasm_instance_table(instance, pc->d);
            uint64_t index = SLOT(u64, pc->b);
            if (KP_UNLIKELY(index >= table->size))
                TRAP(UNDEFINED_ELEMENT);
            callee = table->elements[index];
            if (KP_UNLIKELY(!callee))
                TRAP(UNINITIALIZED_ELEMENT);
            if (KP_UNLIKELY(callee->type != instance->type_numbers[pc->c]))
                TRAP(INDIRECT_CALL_TYPE);
            arguments = pc->a;
        }
    call:
        if (callee->call == kp_interpret_call) {
            if (KP_UNLIKELY(frame + 1 >= stack->frames_end))
                TRAP(STACK_EXHAUSTED);
            const kp_interpret_function_t *called = callee->context;
            *++frame = (kp_interpret_frame_t){pc + 1, fp, instance, called};
            fp += arguments;
            if (callee->instance != instance) {
                instance = callee->instance;
                LOAD_MEMORY();
            }
            pc = __atomic_load_n(&called->code, __ATOMIC_ACQUIRE);
            DISPATCH();
        }
        RETURN_FUEL();
        stack->frame = frame;
        stack->top = fp + frame->function->insns[0].c;
        status = kp_interpret_call_out(callee, instance, fp + arguments);
        if (KP_UNLIKELY(status != KP_OK))
            goto call_failed;
        LOAD_MEMORY();
        NEXT(1);

        OP(TAIL_CALL)
        {
            const kp_interpret_function_t *called = pc->function;
            memmove(fp, fp + pc->a, pc->b);
            frame->function = called;
            pc = __atomic_load_n(&called->code, __ATOMIC_ACQUIRE);
            DISPATCH();
        }
        OP(TAIL_CALL_IMPORT)
        {
            callee = kp_wasm_instance_function(instance, pc->b);
            goto tail_call;
        }
        OP(TAIL_CALL_INDIRECT)
        {
            const kp_wasm_tableinst_t *table = kp_wasm_instance_table(instance, pc[1].b);
            uint64_t index = SLOT(u64, pc->b);
            if (KP_UNLIKELY(index >= table->size))
                TRAP(UNDEFINED_ELEMENT);
            callee = table->elements[index];
            if (KP_UNLIKELY(!callee))
                TRAP(UNINITIALIZED_ELEMENT);
            if (KP_UNLIKELY(callee->type != instance->type_numbers[pc[1].a]))
                TRAP(INDIRECT_CALL_TYPE);
        }
    tail_call:
        if (callee->call == kp_interpret_call) {
            const kp_interpret_function_t *called = callee->context;
            memmove(fp, fp + pc->a, pc->c);
            frame->function = called;
            if (callee->instance != instance) {
                instance = callee->instance;
                LOAD_MEMORY();
            }
            pc = __atomic_load_n(&called->code, __ATOMIC_ACQUIRE);
            DISPATCH();
        }
        RETURN_FUEL();
        stack->frame = frame;
        stack->top = fp + frame->function->insns[0].c;
        status = kp_interpret_call_out(callee, instance, fp + pc->a);
        if (KP_UNLIKELY(status == KP_ERR_EXCEPTION)) {
            exception = store->pending;
            store->pending = NULL;
            goto left; /* this function's handlers do not see it: a tail call leaves them */
        }
        if (KP_UNLIKELY(status != KP_OK))
            goto failed;
        LOAD_MEMORY();
        memmove(fp, fp + pc->a, pc->d);
        goto returned;

        OP(RETURN_MOVE)
        {
            SLOT(u64, 0) = SLOT(u64, pc->b);
            goto returned;
        }
        OP(RETURN_CONST)
        {
            SLOT(u64, 0) = pc->imm;
            goto returned;
        }
        OP(RETURN_BLOCK)
        {
            memmove(fp, fp + pc->b, pc->c);
            goto returned;
        }
        OP(RETURN)
    returned:
        pc = frame->pc;
        fp = frame->fp;
        if (KP_UNLIKELY(frame->instance != instance)) {
            instance = frame->instance;
            LOAD_MEMORY();
        }
        frame--;
        DISPATCH();

        OP(EXIT)
        {
            RETURN_FUEL();
            stack->frame = base;
            stack->top = old_top;
            return KP_OK;
        }

        /* ---- branches and moves ---- */

        OP(JUMP)
        BRANCH();
        OP(JUMP_IF)
        if (SLOT(u32, pc->b))
            BRANCH();
        NEXT(1);
        OP(JUMP_UNLESS)
        if (!SLOT(u32, pc->b))
            BRANCH();
        NEXT(1);
        OP(JUMP_TABLE)
        {
            uint32_t index = SLOT(u32, pc->b);
            pc += 1 + (index < pc->c ? index : pc->c);
            BRANCH();
        }
        OP(UNREACHABLE)
        TRAP(UNREACHABLE);
        OP(MOVE)
        SLOT(u64, pc->a) = SLOT(u64, pc->b);
        NEXT(1);
        OP(MOVE2)
        SLOT(u64, pc->a) = SLOT(u64, pc->b);
        SLOT(u64, pc->c) = SLOT(u64, pc->d);
        NEXT(1);
        OP(MOVE128)
        memmove(fp + pc->a, fp + pc->b, 16);
        NEXT(1);
        OP(MOVE_BLOCK)
        memmove(fp + pc->a, fp + pc->b, pc->c);
        NEXT(1);
        OP(CONST)
        SLOT(u64, pc->a) = pc->imm;
        NEXT(1);
        OP(CONST128)
        memcpy(fp + pc->a, &pc[1].a, 16);
        NEXT(2);
        OP(SELECT)
        {
            uint64_t x = SLOT(u64, pc->b), y = SLOT(u64, pc->c);
            SLOT(u64, pc->a) = SLOT(u32, pc->d) ? x : y;
            NEXT(1);
        }
        OP(SELECT128)
        memmove(fp + pc->a, fp + (SLOT(u32, pc->d) ? pc->b : pc->c), 16);
        NEXT(1);

        /* ---- variables, tables, memories ---- */

        OP(GLOBAL_GET)
        SLOT(u64, pc->a) = *KP_WASM_INSTANCE_AT(instance, pc->b, kp_slot_u64);
        NEXT(1);
        OP(GLOBAL_GET128)
        memcpy(fp + pc->a, KP_WASM_INSTANCE_AT(instance, pc->b, char), 16);
        NEXT(1);
        OP(GLOBAL_GET_IMPORT)
        SLOT(u64, pc->a) = (*KP_WASM_INSTANCE_AT(instance, pc->b, kp_wasm_value_t *))->u64;
        NEXT(1);
        OP(GLOBAL_GET128_IMPORT)
        memcpy(fp + pc->a, *KP_WASM_INSTANCE_AT(instance, pc->b, kp_wasm_value_t *), 16);
        NEXT(1);
        OP(GLOBAL_SET)
        *KP_WASM_INSTANCE_AT(instance, pc->b, kp_slot_u64) = SLOT(u64, pc->a);
        NEXT(1);
        OP(GLOBAL_SET128)
        memcpy(KP_WASM_INSTANCE_AT(instance, pc->b, char), fp + pc->a, 16);
        NEXT(1);
        OP(GLOBAL_SET_IMPORT)
        (*KP_WASM_INSTANCE_AT(instance, pc->b, kp_wasm_value_t *))->u64 = SLOT(u64, pc->a);
        NEXT(1);
        OP(GLOBAL_SET128_IMPORT)
        memcpy(*KP_WASM_INSTANCE_AT(instance, pc->b, kp_wasm_value_t *), fp + pc->a, 16);
        NEXT(1);
        OP(TABLE_GET)
        {
            const kp_wasm_tableinst_t *table = kp_wasm_instance_table(instance, pc->c);
            uint64_t index = SLOT(u64, pc->b);
            if (KP_UNLIKELY(index >= table->size))
                TRAP(TABLE_BOUNDS);
            SLOT(u64, pc->a) = (uintptr_t)table->elements[index];
            NEXT(1);
        }
        OP(TABLE_SET)
        {
            const kp_wasm_tableinst_t *table = kp_wasm_instance_table(instance, pc->a);
            uint64_t index = SLOT(u64, pc->b);
            if (KP_UNLIKELY(index >= table->size))
                TRAP(TABLE_BOUNDS);
            table->elements[index] = (void *)(uintptr_t)SLOT(u64, pc->c);
            NEXT(1);
        }
        OP(TABLE_SIZE)
        SLOT(u64, pc->a) = kp_wasm_instance_table(instance, pc->b)->size;
        NEXT(1);
        OP(TABLE_GROW)
        {
            uint64_t old = kp_wasm_table_grow(instance, pc->b, (void *)(uintptr_t)SLOT(u64, pc->a),
                                              SLOT(u64, pc->a + 8));
            SLOT(u64, pc->a) = pc->c ? old : (uint32_t)old;
            NEXT(1);
        }
        OP(TABLE_FILL)
        TRAP_IF(kp_wasm_table_fill(instance, pc->b, SLOT(u64, pc->a),
                                   (void *)(uintptr_t)SLOT(u64, pc->a + 8), SLOT(u64, pc->a + 16)));
        NEXT(1);
        OP(TABLE_COPY)
        TRAP_IF(kp_wasm_table_copy(instance, pc->b, pc->c, SLOT(u64, pc->a), SLOT(u64, pc->a + 8),
                                   SLOT(u64, pc->a + 16)));
        NEXT(1);
        OP(TABLE_INIT)
        TRAP_IF(kp_wasm_table_init(instance, pc->c, pc->b, SLOT(u64, pc->a), SLOT(u64, pc->a + 8),
                                   SLOT(u64, pc->a + 16)));
        NEXT(1);
        OP(ELEM_DROP)
        kp_wasm_element_drop(instance, pc->a);
        NEXT(1);
        OP(REF_FUNC)
        SLOT(u64, pc->a) = (uintptr_t)kp_wasm_instance_function(instance, pc->b);
        NEXT(1);
        OP(MEMORY_SIZE)
        SLOT(u64, pc->a) = kp_wasm_meminst_size(kp_wasm_instance_memory(instance, pc->b)) / 65536;
        NEXT(1);
        OP(MEMORY_GROW)
        {
            uint64_t old = kp_wasm_memory_grow(instance, pc->c, SLOT(u64, pc->b));
            SLOT(u64, pc->a) = pc->d ? old : (uint32_t)old;
            LOAD_MEMORY();
            NEXT(1);
        }
        OP(MEMORY_COPY)
        TRAP_IF(kp_wasm_memory_copy(instance, pc->b, pc->c, SLOT(u64, pc->a), SLOT(u64, pc->a + 8),
                                    SLOT(u64, pc->a + 16)));
        NEXT(1);
        OP(MEMORY_FILL)
        TRAP_IF(kp_wasm_memory_fill(instance, pc->b, SLOT(u64, pc->a), SLOT(u32, pc->a + 8),
                                    SLOT(u64, pc->a + 16)));
        NEXT(1);
        OP(MEMORY_INIT)
        TRAP_IF(kp_wasm_memory_init(instance, pc->c, pc->b, SLOT(u64, pc->a), SLOT(u64, pc->a + 8),
                                    SLOT(u64, pc->a + 16)));
        NEXT(1);
        OP(DATA_DROP)
        kp_wasm_data_drop(instance, pc->a);
        NEXT(1);

        /* A memory other than a 32-bit one with number 0: the next access sees just its own bytes. */
        OP(WINDOW)
        {
            const kp_wasm_meminst_t *memory = kp_wasm_instance_memory(instance, pc->c);
            uint64_t at = SLOT(u64, pc->b), size = kp_wasm_meminst_size(memory);
            uint64_t width = (uint64_t)1 << pc->a;
            if (KP_UNLIKELY(__builtin_add_overflow(at, pc[1].imm, &at) || at > size ||
                            width > size - at))
                TRAP(MEMORY_BOUNDS);
            mem = memory->base + at;
            mem_size = width;
            NEXT(2);
        }
        OP(WINDOW_END)
        LOAD_MEMORY();
        NEXT(1);

#define KP_LOAD(name, in, out)                       \
    OP(name)                                         \
    {                                                \
        in value;                                    \
        ADDRESS(pc->b, sizeof value);                \
        memcpy(&value, mem + address, sizeof value); \
        SET_##out(pc->a, (out)value);                \
        NEXT(1);                                     \
    }
#define KP_STORE(name, in)                           \
    OP(name##_RR)                                    \
    {                                                \
        in value = (in)SLOT(u64, pc->b);             \
        ADDRESS(pc->a, sizeof value);                \
        memcpy(mem + address, &value, sizeof value); \
        NEXT(1);                                     \
    }                                                \
    OP(name##_RI)                                    \
    {                                                \
        in value = (in)(int64_t)(int32_t)pc->b;      \
        ADDRESS(pc->a, sizeof value);                \
        memcpy(mem + address, &value, sizeof value); \
        NEXT(1);                                     \
    }
#include "runtime/interpret/memory.def"
#undef KP_LOAD
#undef KP_STORE
        OP(LOAD128)
        {
            ADDRESS(pc->b, 16);
            memcpy(fp + pc->a, mem + address, 16);
            NEXT(1);
        }
        OP(STORE128)
        {
            ADDRESS(pc->a, 16);
            memcpy(mem + address, fp + pc->b, 16);
            NEXT(1);
        }

        /* ---- vectors, atomics ---- */

        OP(VECTOR)
        kp_interpret_vectors[pc->d & 0xffff](fp + pc->a, fp + pc->b, fp + pc->c, pc->d >> 16);
        NEXT(1);
        OP(BITSELECT)
        for (unsigned i = 0; i < 16; i += 8) {
            uint64_t x = SLOT(u64, pc->b + i), y = SLOT(u64, pc->c + i),
                     mask = SLOT(u64, pc->d + i);
            SLOT(u64, pc->a + i) = (x & mask) | (y & ~mask);
        }
        NEXT(1);
        OP(SHUFFLE)
        kp_interpret_shuffle(fp + pc->a, fp + pc->b, fp + pc->c, &pc[1].a);
        NEXT(2);
        OP(ATOMIC)
        TRAP_IF(kp_interpret_atomic(instance, fp, pc));
        NEXT(2);
        OP(FENCE)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        NEXT(1);

        /* ---- numbers ---- */

#define KP_BINARY(name, in, out, commutative, expression) \
    OP(name##_RR)                                         \
    {                                                     \
        in x = SLOT(in, pc->b), y = SLOT(in, pc->c);      \
        SET_##out(pc->a, expression);                     \
        NEXT(1);                                          \
    }                                                     \
    OP(name##_RI)                                         \
    {                                                     \
        in x = SLOT(in, pc->b), y = IMM_##in();           \
        SET_##out(pc->a, expression);                     \
        NEXT(1);                                          \
    }
#define KP_COMPARE(name, swapped, inverted, in, expression) \
    KP_BINARY(name, in, u32, 0, expression)                 \
    OP(IF_##name##_RR)                                      \
    {                                                       \
        in x = SLOT(in, pc->b), y = SLOT(in, pc->c);        \
        if (expression)                                     \
            BRANCH();                                       \
        NEXT(1);                                            \
    }                                                       \
    OP(IF_##name##_RI)                                      \
    {                                                       \
        in x = SLOT(in, pc->b), y = IMM_##in();             \
        if (expression)                                     \
            BRANCH();                                       \
        NEXT(1);                                            \
    }                                                       \
    OP(UNLESS_##name##_RR)                                  \
    {                                                       \
        in x = SLOT(in, pc->b), y = SLOT(in, pc->c);        \
        if (!(expression))                                  \
            BRANCH();                                       \
        NEXT(1);                                            \
    }                                                       \
    OP(UNLESS_##name##_RI)                                  \
    {                                                       \
        in x = SLOT(in, pc->b), y = IMM_##in();             \
        if (!(expression))                                  \
            BRANCH();                                       \
        NEXT(1);                                            \
    }
#define KP_UNARY(name, in, out, expression) \
    OP(name)                                \
    {                                       \
        in x = SLOT(in, pc->b);             \
        SET_##out(pc->a, expression);       \
        NEXT(1);                            \
    }
#define KP_TRAPPING2(name, in, out)                  \
    OP(name##_RR)                                    \
    {                                                \
        out value;                                   \
        in x = SLOT(in, pc->b), y = SLOT(in, pc->c); \
        TRAP_IF(kp_numeric_##name(x, y, &value));    \
        SET_##out(pc->a, value);                     \
        NEXT(1);                                     \
    }                                                \
    OP(name##_RI)                                    \
    {                                                \
        out value;                                   \
        in x = SLOT(in, pc->b), y = IMM_##in();      \
        TRAP_IF(kp_numeric_##name(x, y, &value));    \
        SET_##out(pc->a, value);                     \
        NEXT(1);                                     \
    }
#define KP_TRAPPING1(name, in, out)                          \
    OP(name)                                                 \
    {                                                        \
        out value;                                           \
        TRAP_IF(kp_numeric_##name(SLOT(in, pc->b), &value)); \
        SET_##out(pc->a, value);                             \
        NEXT(1);                                             \
    }
#include "runtime/interpret/numeric.def"

        /* ---- exceptions ---- */

        OP(THROW)
        {
            exception = kp_interpret_exception_new(instance, pc->b, fp + pc->a);
            if (!exception)
                TRAP(OUT_OF_MEMORY);
            goto thrown;
        }
        OP(THROW_REF)
        {
            exception = (kp_wasm_exninst_t *)(uintptr_t)SLOT(u64, pc->a);
            if (!exception)
                TRAP(NULL_EXCEPTION);
            goto thrown;
        }
        OP(LAND)
        {
            kp_interpret_exception_land(instance, exception, fp + pc->b, pc->c);
            BRANCH();
        }

#if !DIRECT
    default:
        TRAP(UNREACHABLE);
    }
#endif

tick:
    if (kp_wasm_store_interrupted(store))
        TRAP(INTERRUPTED);
    if (store->head.fuel <= 0) {
        store->head.fuel = -1;
        budget = 0;
        TRAP(FUEL);
    }
    {
        int64_t taken = store->head.fuel < BUDGET ? store->head.fuel : BUDGET;
        store->head.fuel -= taken;
        budget += taken;
    }
    DISPATCH();

bounds: {
    /* Another thread may have grown the memory: then once more. A window is never left. */
    uint64_t size = kp_wasm_meminst_size(instance->memory0);
    if (size <= mem_size)
        TRAP(MEMORY_BOUNDS);
    mem_size = size;
    DISPATCH();
}

call_failed:
    if (status == KP_ERR_EXCEPTION) {
        exception = store->pending;
        store->pending = NULL;
        goto thrown;
    }
    goto failed;

thrown:
    for (;;) {
        uint32_t at = (uint32_t)(pc - frame->function->insns);
        const kp_interpret_clause_t *clause =
            kp_interpret_clause_find(frame->function, at, instance, exception);
        if (clause) {
            pc = &frame->function->insns[clause->landing];
            LOAD_MEMORY();
            DISPATCH();
        }
    left:
        if (frame - 1 == base) {
            RETURN_FUEL();
            stack->frame = base;
            stack->top = old_top;
            return kp_wasm_store_throw(store, exception);
        }
        pc = frame->pc - 1;
        fp = frame->fp;
        instance = frame->instance;
        frame--;
    }

trapped:
    kp_wasm_store_trap(store, trap);
failed:
    RETURN_FUEL();
    kp_interpret_backtrace(store, instance, frame, base, pc);
    stack->frame = base;
    stack->top = old_top;
    return KP_ERR_TRAP;
}
