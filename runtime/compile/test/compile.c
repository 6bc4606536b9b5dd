/* The store and the compiled tier together: traps and their backtraces, metering, interruption, windows,
   host functions, shared memories, budgets, exhausted memory, forged artefacts, hostile modules. */
#include <pthread.h>
#include <stdlib.h>

#include "runtime/compile/compile.h"
#include "runtime/compile/test/modules.h"
#include "tests/kp_test.h"

/* An allocator that counts, and fails from a given allocation on. */
typedef struct meter {
    size_t allocated;
    long until_failure; /* negative: never */
} meter_t;

static void *resize(void *context, void *old, size_t old_size, size_t size)
{
    meter_t *meter = context;
    if (size == 0) {
        meter->allocated -= old_size;
        free(old);
        return NULL;
    }
    if (meter && size > old_size && meter->until_failure >= 0 && meter->until_failure-- == 0) {
        meter->until_failure = 0; /* and all that follow */
        return NULL;
    }
    void *memory = realloc(old, size);
    if (memory)
        meter->allocated += size - old_size;
    return memory;
}

/* A module, compiled and instantiated. */
typedef struct rig {
    meter_t meter;
    kp_wasm_allocator_t allocator;
    kp_wasm_module_t *module;
    kp_wasm_code_t *code;
    kp_wasm_store_t *store;
    kp_wasm_instance_t *instance;
    uint32_t flags;
    kp_wasm_store_options_t options;
    kp_wasm_extern_t imports[4];
    uint32_t import_count;
} rig_t;

static void rig_begin(rig_t *rig)
{
    *rig = (rig_t){.meter.until_failure = -1, .flags = KP_WASM_COMPILE_GUARDED};
    rig->allocator = (kp_wasm_allocator_t){resize, &rig->meter};
    rig->options = kp_wasm_store_options_init(rig->allocator);
}

static kp_status_t rig_compile(rig_t *rig, const uint8_t *bytes, size_t size)
{
    kp_wasm_options_t options = kp_wasm_options_init(rig->allocator);
    kp_status_t status = kp_wasm_module_decode(bytes, size, &options, &rig->module, NULL);
    if (status != KP_OK)
        return status;
    kp_wasm_compile_options_t compile = kp_wasm_compile_options_init(rig->allocator);
    compile.flags = rig->flags;
    kp_wasm_artefact_t artefact;
    status = kp_wasm_compile(rig->module, &compile, &artefact, NULL);
    if (status != KP_OK)
        return status;
    status =
        kp_wasm_code_load(artefact.bytes, artefact.size, rig->module, rig->allocator, &rig->code);
    kp_wasm_artefact_free(&artefact);
    return status;
}

static kp_status_t rig_instantiate(rig_t *rig)
{
    return kp_wasm_instance_create(rig->store, rig->module, &kp_wasm_compiled_tier, rig->code,
                                   rig->imports, rig->import_count, true, &rig->instance, NULL);
}

static kp_status_t rig_all(rig_t *rig, const uint8_t *bytes, size_t size)
{
    kp_status_t status = rig_compile(rig, bytes, size);
    if (status == KP_OK)
        status = kp_wasm_store_create(&rig->options, &rig->store);
    return status == KP_OK ? rig_instantiate(rig) : status;
}

static void rig_end(rig_t *rig)
{
    kp_wasm_store_destroy(rig->store);
    kp_wasm_code_unload(rig->code);
    kp_wasm_module_destroy(rig->module);
    KP_EXPECT_INT(rig->meter.allocated, 0);
}

static kp_status_t rig_call(rig_t *rig, const char *name, kp_wasm_value_t *values)
{
    kp_wasm_extern_t found;
    if (!kp_wasm_instance_find(rig->instance, name, strlen(name), &found))
        return KP_ERR_NOT_FOUND;
    return kp_wasm_call(rig->store, found.function, values);
}

KP_TEST(backtrace_names_functions)
{
    rig_t rig;
    rig_begin(&rig);
    KP_REQUIRE(rig_all(&rig, module_backtrace, sizeof module_backtrace) == KP_OK);
    kp_wasm_value_t values[1] = {{.v128 = {2, 0}}};
    KP_EXPECT_INT(rig_call(&rig, "outer", values), KP_OK);
    KP_EXPECT_INT(values[0].u32, 5);
    values[0].u64 = 0;
    KP_EXPECT_INT(rig_call(&rig, "outer", values), KP_ERR_TRAP);
    char text[256];
    kp_wasm_trap_print(&rig.store->trap, text, sizeof text);
    KP_EXPECT_STRING(text, "integer divide by zero\n  at inner (function 0)\n"
                           "  at middle (function 1)\n  at outer (function 2)");
    KP_EXPECT_INT(kp_wasm_trap_print(&rig.store->trap, text, 10), 9);
    KP_EXPECT_STRING(text, "integer d");
    rig_end(&rig);
}

KP_TEST(stack_overflow_is_a_trap)
{
    rig_t rig;
    rig_begin(&rig);
    KP_REQUIRE(rig_all(&rig, module_forever, sizeof module_forever) == KP_OK);
    kp_wasm_value_t values[1] = {{0}};
    KP_EXPECT_INT(rig_call(&rig, "deep", values), KP_ERR_TRAP);
    KP_EXPECT_INT(rig.store->trap.code, KP_WASM_TRAP_STACK_EXHAUSTED);
    KP_EXPECT_INT(rig.store->trap.frame_count, KP_WASM_BACKTRACE_FRAMES);
    KP_EXPECT(rig.store->trap.frame_total > 1000);
    /* And the store is usable. */
    values[0].u64 = 10;
    KP_EXPECT_INT(rig_call(&rig, "count", values), KP_OK);
    KP_EXPECT_INT(values[0].u32, 20);
    rig_end(&rig);
}

KP_TEST(fuel_counts_entries_and_loop_heads)
{
    rig_t rig;
    rig_begin(&rig);
    rig.flags |= KP_WASM_COMPILE_FUEL;
    KP_REQUIRE(rig_all(&rig, module_forever, sizeof module_forever) == KP_OK);
    rig.store->head.fuel = 1000;
    kp_wasm_value_t values[1] = {{.v128 = {100, 0}}};
    KP_EXPECT_INT(rig_call(&rig, "count", values), KP_OK);
    KP_EXPECT_INT(rig.store->head.fuel, 1000 - 1 - 100);
    KP_EXPECT_INT(rig_call(&rig, "spin", values), KP_ERR_TRAP);
    KP_EXPECT_INT(rig.store->trap.code, KP_WASM_TRAP_FUEL);
    rig_end(&rig);
}

static int asked;

static kp_status_t ask_three_times(void *context, kp_wasm_store_t *store)
{
    (void)context;
    if (++asked == 3)
        return KP_ERR_CANCELLED;
    kp_wasm_store_interrupt(store);
    return KP_OK;
}

KP_TEST(interruption_goes_on_or_traps)
{
    rig_t rig;
    rig_begin(&rig);
    rig.flags |= KP_WASM_COMPILE_INTERRUPT;
    rig.options.interrupted = ask_three_times;
    asked = 0;
    KP_REQUIRE(rig_all(&rig, module_forever, sizeof module_forever) == KP_OK);
    kp_wasm_value_t values[1] = {{0}};
    kp_wasm_store_interrupt(rig.store);
    KP_EXPECT_INT(rig_call(&rig, "spin", values), KP_ERR_TRAP);
    KP_EXPECT_INT(rig.store->trap.code, KP_WASM_TRAP_INTERRUPTED);
    KP_EXPECT_INT(asked, 3);
    values[0].u64 = 5;
    KP_EXPECT_INT(rig_call(&rig, "count", values), KP_OK);
    rig_end(&rig);
}

static void *interrupt_soon(void *store)
{
    struct timespec pause = {0, 2000000};
    nanosleep(&pause, NULL);
    kp_wasm_store_interrupt(store);
    return NULL;
}

KP_TEST(another_thread_interrupts)
{
    rig_t rig;
    rig_begin(&rig);
    rig.flags |= KP_WASM_COMPILE_INTERRUPT;
    KP_REQUIRE(rig_all(&rig, module_forever, sizeof module_forever) == KP_OK);
    kp_wasm_value_t values[1] = {{0}};
    pthread_t thread;
    KP_REQUIRE(pthread_create(&thread, NULL, interrupt_soon, rig.store) == 0);
    KP_EXPECT_INT(rig_call(&rig, "spin", values), KP_ERR_TRAP);
    KP_EXPECT_INT(rig.store->trap.code, KP_WASM_TRAP_INTERRUPTED);
    pthread_join(thread, NULL);
    rig_end(&rig);
}

/* A window that moves each time it grows. */
static uint8_t *window;

static kp_status_t window_move(void *context, uint8_t **base, uint64_t old_size, uint64_t size)
{
    (void)context;
    uint8_t *moved = calloc(1, size + 64);
    if (!moved)
        return KP_ERR_NO_MEMORY;
    memcpy(moved, *base, old_size);
    memset(*base, 0xee, old_size);
    free(window);
    *base = window = moved;
    return KP_OK;
}

KP_TEST(window_is_bounded_and_moves)
{
    rig_t rig;
    rig_begin(&rig);
    rig.flags = 0;
    rig.import_count = 1;
    rig.imports[0].kind = KP_WASM_EXTERNAL_MEMORY;
    KP_REQUIRE(rig_compile(&rig, module_window, sizeof module_window) == KP_OK);
    KP_REQUIRE(kp_wasm_store_create(&rig.options, &rig.store) == KP_OK);
    window = calloc(1, 65536 + 64);
    kp_wasm_size_range_t type = {.minimum = 1, .maximum = 3, .has_maximum = true};
    KP_REQUIRE(kp_wasm_meminst_create_window(rig.store, &type, window, window_move, NULL,
                                             &rig.imports[0].memory) == KP_OK);
    KP_REQUIRE(rig_instantiate(&rig) == KP_OK);
    kp_wasm_value_t values[2] = {{.v128 = {65532, 0}}};
    KP_EXPECT_INT(rig_call(&rig, "load", values), KP_OK);
    for (uint64_t at = 65533; at < 65540; at++) {
        values[0].u64 = at;
        KP_EXPECT_INT(rig_call(&rig, "load", values), KP_ERR_TRAP);
        KP_EXPECT_INT(rig.store->trap.code, KP_WASM_TRAP_MEMORY_BOUNDS);
    }
    values[0].u64 = 0xffffffff;
    values[1].u64 = 1;
    KP_EXPECT_INT(rig_call(&rig, "store", values), KP_ERR_TRAP);
    values[0].u64 = 1;
    KP_EXPECT_INT(rig_call(&rig, "grow", values), KP_OK);
    KP_EXPECT_INT(values[0].u32, 1);
    KP_EXPECT_INT(window[0], 77);
    KP_EXPECT_INT(window[4], 77);
    values[0].u64 = 2; /* above its maximum */
    KP_EXPECT_INT(rig_call(&rig, "grow", values), KP_OK);
    KP_EXPECT_INT(values[0].u32, UINT32_MAX);
    rig_end(&rig);
    free(window);
}

KP_TEST(guarded_code_wants_guarded_memories)
{
    rig_t rig;
    rig_begin(&rig);
    rig.options.guard_pages = false;
    KP_EXPECT_INT(rig_all(&rig, module_big, sizeof module_big), KP_ERR_BAD_STATE);
    rig_end(&rig);
}

static kp_status_t many(void *context, kp_wasm_instance_t *caller, kp_wasm_value_t *values)
{
    *(kp_wasm_instance_t **)context = caller;
    KP_EXPECT_INT(values[0].u32, 1);
    KP_EXPECT_INT(values[1].u64, 2);
    KP_EXPECT_INT(values[2].u32, 0x40400000);
    KP_EXPECT_INT(values[7].u32, 8);
    KP_EXPECT_INT(values[8].u64, (uint32_t)-9);
    KP_EXPECT_INT(values[9].u64, -10);
    double last;
    memcpy(&last, &values[17].u64, 8);
    KP_EXPECT(last == 18);
    double result = 2.5;
    values[0].u64 = 0x123456789; /* the upper half must not be seen */
    memcpy(&values[1].u64, &result, 8);
    values[2].u64 = 99;
    return KP_OK;
}

static kp_status_t fail(void *context, kp_wasm_instance_t *caller, kp_wasm_value_t *values)
{
    (void)context;
    (void)caller;
    (void)values;
    return KP_ERR_IO;
}

KP_TEST(host_functions_take_and_give_many_values)
{
    rig_t rig;
    rig_begin(&rig);
    KP_REQUIRE(rig_compile(&rig, module_host, sizeof module_host) == KP_OK);
    KP_REQUIRE(kp_wasm_store_create(&rig.options, &rig.store) == KP_OK);
    kp_wasm_instance_t *seen = NULL;
    rig.import_count = 2;
    rig.imports[0].kind = rig.imports[1].kind = KP_WASM_EXTERNAL_FUNCTION;
    KP_REQUIRE(kp_wasm_funcinst_create(rig.store, kp_wasm_module_function_type(rig.module, 0), many,
                                       &seen, &rig.imports[0].function) == KP_OK);
    KP_REQUIRE(kp_wasm_funcinst_create(rig.store, kp_wasm_module_function_type(rig.module, 1), fail,
                                       NULL, &rig.imports[1].function) == KP_OK);
    KP_REQUIRE(rig_instantiate(&rig) == KP_OK);
    for (int tail = 0; tail < 2; tail++) {
        kp_wasm_value_t values[3] = {{0}};
        KP_EXPECT_INT(rig_call(&rig, tail ? "tail" : "call", values), KP_OK);
        KP_EXPECT_INT(values[0].u64, 0x23456789);
        KP_EXPECT_INT(values[2].u64, 99);
        KP_EXPECT(seen == rig.instance);
    }
    kp_wasm_value_t none[1] = {{0}};
    KP_EXPECT_INT(rig_call(&rig, "fail", none), KP_ERR_TRAP);
    KP_EXPECT_INT(rig.store->trap.code, KP_WASM_TRAP_HOST);
    KP_EXPECT_INT(rig.store->trap.status, KP_ERR_IO);
    char text[128];
    kp_wasm_trap_print(&rig.store->trap, text, sizeof text);
    KP_EXPECT_STRING(text, "host function failed: a device or the network failed\n"
                           "  at caller (function 4)");
    /* The wrong order of imports does not link. */
    kp_wasm_extern_t swap = rig.imports[0];
    rig.imports[0] = rig.imports[1];
    rig.imports[1] = swap;
    uint32_t bad = 7;
    KP_EXPECT_INT(kp_wasm_instance_create(rig.store, rig.module, &kp_wasm_compiled_tier, rig.code,
                                          rig.imports, 2, true, &rig.instance, &bad),
                  KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(bad, 0);
    rig_end(&rig);
}

static void *second_thread(void *opaque)
{
    rig_t *rig = opaque;
    kp_wasm_value_t values[1] = {{0}};
    do {
        values[0].u64 = 0;
        if (rig_call(rig, "wake", values) != KP_OK)
            break;
        sched_yield();
    } while (values[0].u32 == 0);
    values[0].u64 = 10000;
    rig_call(rig, "add", values);
    return NULL;
}

KP_TEST(threads_share_a_memory)
{
    rig_t one, two;
    rig_begin(&one);
    rig_begin(&two);
    kp_wasm_size_range_t type = {.minimum = 1, .maximum = 1, .has_maximum = true, .shared = true};
    KP_REQUIRE(rig_compile(&one, module_shared, sizeof module_shared) == KP_OK);
    KP_REQUIRE(rig_compile(&two, module_shared, sizeof module_shared) == KP_OK);
    KP_REQUIRE(kp_wasm_store_create(&one.options, &one.store) == KP_OK);
    KP_REQUIRE(kp_wasm_store_create(&two.options, &two.store) == KP_OK);
    one.import_count = two.import_count = 1;
    one.imports[0].kind = KP_WASM_EXTERNAL_MEMORY;
    KP_REQUIRE(kp_wasm_meminst_create(one.store, &type, &one.imports[0].memory) == KP_OK);
    KP_REQUIRE(kp_wasm_store_share(two.store, one.imports[0].memory) == KP_OK);
    two.imports[0] = one.imports[0];
    KP_REQUIRE(rig_instantiate(&one) == KP_OK && rig_instantiate(&two) == KP_OK);
    /* Wakes until somebody was woken: this thread, or nobody if it came too late ("not equal"). */
    pthread_t thread;
    KP_REQUIRE(pthread_create(&thread, NULL, second_thread, &two) == 0);
    kp_wasm_value_t values[1] = {{0}};
    uint8_t *base = one.imports[0].memory->base;
    do {
        __atomic_store_n((uint32_t *)(base + 8), 0, __ATOMIC_SEQ_CST);
        KP_EXPECT_INT(rig_call(&one, "wait", values), KP_OK);
    } while (values[0].u32 == 1);
    KP_EXPECT_INT(values[0].u32, 0);
    values[0].u64 = 10000;
    KP_EXPECT_INT(rig_call(&one, "add", values), KP_OK);
    pthread_join(thread, NULL);
    KP_EXPECT_INT(__atomic_load_n((uint32_t *)(base + 16), __ATOMIC_SEQ_CST), 20000);
    rig_end(&two);
    rig_end(&one);
}

KP_TEST(budgets_hold)
{
    rig_t rig;
    rig_begin(&rig);
    rig.options.memory_maximum = 3 * 65536;
    rig.options.table_maximum = 6;
    KP_REQUIRE(rig_all(&rig, module_big, sizeof module_big) == KP_OK);
    kp_wasm_value_t values[1] = {{.v128 = {3, 0}}};
    KP_EXPECT_INT(rig_call(&rig, "grow", values), KP_OK);
    KP_EXPECT_INT(values[0].u32, UINT32_MAX);
    values[0].u64 = 2;
    KP_EXPECT_INT(rig_call(&rig, "grow", values), KP_OK);
    KP_EXPECT_INT(values[0].u32, 1);
    values[0].u64 = 3;
    KP_EXPECT_INT(rig_call(&rig, "table", values), KP_OK);
    KP_EXPECT_INT(values[0].u32, UINT32_MAX);
    values[0].u64 = 2;
    KP_EXPECT_INT(rig_call(&rig, "table", values), KP_OK);
    KP_EXPECT_INT(values[0].u32, 4);
    rig_end(&rig);
    rig_begin(&rig);
    rig.options.table_maximum = 3;
    KP_EXPECT_INT(rig_all(&rig, module_big, sizeof module_big), KP_ERR_QUOTA);
    rig_end(&rig);
}

KP_TEST(exhausted_memory_is_an_ordinary_error)
{
    long failures = 0;
    for (;; failures++) {
        rig_t rig;
        rig_begin(&rig);
        rig.meter.until_failure = failures;
        kp_status_t status = rig_all(&rig, module_forever, sizeof module_forever);
        rig_end(&rig);
        if (status == KP_OK)
            break;
        KP_EXPECT_INT(status, KP_ERR_NO_MEMORY);
        KP_REQUIRE(failures < 1000);
    }
    KP_EXPECT(failures > 10);
}

KP_TEST(forged_artefacts_are_refused)
{
    rig_t rig;
    rig_begin(&rig);
    KP_REQUIRE(rig_compile(&rig, module_forever, sizeof module_forever) == KP_OK);
    kp_wasm_compile_options_t options = kp_wasm_compile_options_init(rig.allocator);
    kp_wasm_artefact_t artefact;
    KP_REQUIRE(kp_wasm_compile(rig.module, &options, &artefact, NULL) == KP_OK);
    kp_wasm_code_t *code;
    for (size_t size = 0; size < artefact.size; size += size < 80 ? 1 : 97)
        KP_EXPECT(kp_wasm_code_load(artefact.bytes, size, rig.module, rig.allocator, &code) !=
                  KP_OK);
    uint8_t *bytes = artefact.bytes;
    kp_wasm_code_header_t header;
    memcpy(&header, bytes, sizeof header);
    /* Every bit of the header and of the tables: refused, or still inside what was given. */
    for (size_t at = 0; at < artefact.size * 8; at++) {
        if (at == sizeof header * 8)
            at = header.tables * (size_t)8;
        bytes[at / 8] ^= (uint8_t)(1 << at % 8);
        if (kp_wasm_code_load(bytes, artefact.size, rig.module, rig.allocator, &code) == KP_OK)
            kp_wasm_code_unload(code);
        bytes[at / 8] ^= (uint8_t)(1 << at % 8);
    }
    header.cpu = UINT32_MAX;
    memcpy(bytes, &header, sizeof header);
    KP_EXPECT_INT(kp_wasm_code_load(bytes, artefact.size, rig.module, rig.allocator, &code),
                  KP_ERR_NOT_SUPPORTED);
    kp_wasm_artefact_free(&artefact);
    rig_end(&rig);
}

/* ---- hostile modules ---- */

typedef struct builder {
    uint8_t *bytes;
    size_t size, capacity;
} builder_t;

static void put(builder_t *b, const void *bytes, size_t size)
{
    if (b->capacity - b->size < size) {
        b->capacity = b->capacity * 2 + size;
        b->bytes = realloc(b->bytes, b->capacity);
    }
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

static void put_byte(builder_t *b, unsigned byte)
{
    uint8_t value = (uint8_t)byte;
    put(b, &value, 1);
}

/* Five bytes always, so that sizes can be filled in. */
static void put_u32(builder_t *b, uint32_t value)
{
    for (int i = 0; i < 5; i++)
        put_byte(b, (value >> (7 * i) & 0x7f) | (i < 4 ? 0x80 : 0));
}

/* One function [i32] -> [] with that code (its `end` included). */
static builder_t module_of(const builder_t *code)
{
    static const uint8_t head[] = {0, 'a',  's', 'm',  1, 0, 0, 0, 1, 5,
                                   1, 0x60, 1,   0x7f, 0, 3, 2, 1, 0};
    builder_t b = {0};
    put(&b, head, sizeof head);
    put_byte(&b, 10);
    put_u32(&b, (uint32_t)code->size + 1 + 5 + 1);
    put_byte(&b, 1);
    put_u32(&b, (uint32_t)code->size + 1);
    put_byte(&b, 0);
    put(&b, code->bytes, code->size);
    return b;
}

/* Compiles, both forms, within `factor` bytes of memory for each of the module. */
static void expect_bounded(builder_t *code, size_t factor)
{
    builder_t module = module_of(code);
    for (unsigned flags = 0; flags < 8; flags += 7) {
        rig_t rig;
        rig_begin(&rig);
        rig.flags = flags;
        kp_wasm_options_t options = kp_wasm_options_init(rig.allocator);
        kp_wasm_error_t error = {0};
        kp_status_t status =
            kp_wasm_module_decode(module.bytes, module.size, &options, &rig.module, &error);
        KP_EXPECT_INT(status, KP_OK);
        kp_wasm_compile_options_t compile = kp_wasm_compile_options_init(rig.allocator);
        compile.flags = flags;
        kp_wasm_artefact_t artefact = {0};
        if (status == KP_OK)
            status = kp_wasm_compile(rig.module, &compile, &artefact, &error);
        if (status != KP_OK)
            KP_FAIL("%s at %u", error.reason ? error.reason : "?", error.offset);
        if (artefact.size > module.size * factor + 65536)
            KP_FAIL("%zu bytes of code from %zu", artefact.size, module.size);
        kp_wasm_artefact_free(&artefact);
        rig_end(&rig);
    }
    free(module.bytes);
    free(code->bytes);
}

KP_TEST(deep_blocks)
{
    builder_t code = {0};
    for (int i = 0; i < 50000; i++) {
        put_byte(&code, i % 3 == 0 ? 0x02 : 0x03);
        put_byte(&code, 0x40);
    }
    for (int i = 0; i <= 50000; i++)
        put_byte(&code, 0x0b);
    expect_bounded(&code, 24);
}

KP_TEST(br_table_bombs)
{
    /* 1000 blocks that give 16 values each (through slots), and br_tables over all their labels. */
    builder_t code = {0};
    for (int i = 0; i < 1000; i++) {
        put_byte(&code, 0x02);
        put_byte(&code, 0x40);
    }
    for (int table = 0; table < 20; table++) {
        put_byte(&code, 0x02);
        put_byte(&code, 0x40);
        put_byte(&code, 0x20);
        put_byte(&code, 0);
        put_byte(&code, 0x0e);
        put_u32(&code, 1000);
        for (uint32_t label = 0; label <= 1000; label++)
            put_u32(&code, label);
        put_byte(&code, 0x0b);
    }
    for (int i = 0; i <= 1000; i++)
        put_byte(&code, 0x0b);
    expect_bounded(&code, 8);
}

KP_TEST(tall_stacks)
{
    /* Many values alive over many blocks, and local.set under many copies of the local. */
    builder_t code = {0};
    for (int i = 0; i < 30000; i++) {
        put_byte(&code, 0x20);
        put_byte(&code, 0);
    }
    for (int i = 0; i < 10000; i++) {
        static const uint8_t block[] = {0x02, 0x40, 0x41, 1, 0x21, 0, 0x0b};
        put(&code, block, sizeof block);
    }
    for (int i = 0; i < 30000; i++)
        put_byte(&code, 0x1a);
    put_byte(&code, 0x0b);
    expect_bounded(&code, 24);
}

KP_TEST(calls_with_a_thousand_values)
{
    /* One type of 1000 parameters and results, one function that calls itself over and over. */
    static const uint8_t head[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 1};
    builder_t b = {0};
    put(&b, head, sizeof head);
    put_u32(&b, 1 + 1 + 2 + 1000 + 2 + 1000);
    put_byte(&b, 1);
    put_byte(&b, 0x60);
    for (int side = 0; side < 2; side++) {
        put_byte(&b, 0xe8);
        put_byte(&b, 0x07);
        for (int i = 0; i < 1000; i++)
            put_byte(&b, i % 3 ? 0x7f : 0x7c);
    }
    static const uint8_t function[] = {3, 2, 1, 0, 10};
    put(&b, function, sizeof function);
    builder_t code = {0};
    put_byte(&code, 0);
    for (uint32_t i = 0; i < 1000; i++) {
        put_byte(&code, 0x20);
        put_byte(&code, i < 128 ? i : (i & 127) | 128);
        if (i >= 128)
            put_byte(&code, i >> 7);
    }
    for (int i = 0; i < 10000; i++) {
        put_byte(&code, 0x10);
        put_byte(&code, 0);
    }
    put_byte(&code, 0x0b);
    put_u32(&b, (uint32_t)code.size + 6);
    put_byte(&b, 1);
    put_u32(&b, (uint32_t)code.size);
    put(&b, code.bytes, code.size);
    rig_t rig;
    rig_begin(&rig);
    kp_wasm_options_t options = kp_wasm_options_init(rig.allocator);
    KP_REQUIRE(kp_wasm_module_decode(b.bytes, b.size, &options, &rig.module, NULL) == KP_OK);
    kp_wasm_compile_options_t compile = kp_wasm_compile_options_init(rig.allocator);
    kp_wasm_artefact_t artefact;
    KP_EXPECT_INT(kp_wasm_compile(rig.module, &compile, &artefact, NULL), KP_OK);
    KP_EXPECT(artefact.size < b.size * 300);
    kp_wasm_artefact_free(&artefact);
    rig_end(&rig);
    free(b.bytes);
    free(code.bytes);
}

KP_TEST_MAIN()
