/* Exceptions made references: what can still be reached is kept, the rest is collected, in both tiers. */
#include <stdlib.h>

#include "runtime/compile/test/compiled_tier.h"
#include "runtime/interpret/test/interpreted_tier.h"
#include "tests/kp_test.h"

/* wat2wasm --enable-all of

(module
  (tag $number (param i64))
  (tag $next (param exnref))
  (table $kept 64 exnref)
  (global $head (mut exnref) (ref.null exn))
  (func $make (param $value i64) (result exnref)
    (block $caught (result exnref)
      (try_table (catch_all_ref $caught) (throw $number (local.get $value)))
      (unreachable)))
  (func $value (param $from exnref) (result i64)
    (block $caught (result i64)
      (try_table (catch $number $caught) (throw_ref (local.get $from)))
      (unreachable)))
  (func $churn (export "churn") (param $count i32)
    (loop $again
      (drop (call $make (i64.const 1)))
      (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))
  (func (export "keep") (param $at i32)
    (table.set $kept (local.get $at) (call $make (i64.extend_i32_u (local.get $at)))))
  (func (export "kept") (param $at i32) (result i64)
    (call $value (table.get $kept (local.get $at))))
  (func (export "chain") (param $count i32)
    (loop $again
      (global.set $head
        (block $caught (result exnref)
          (try_table (catch_all_ref $caught) (throw $next (global.get $head)))
          (unreachable)))
      (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))
  (func (export "unchain") (result i32) (local $count i32)
    (block $end
      (loop $again
        (br_if $end (ref.is_null (global.get $head)))
        (global.set $head
          (block $caught (result exnref)
            (try_table (catch $next $caught) (throw_ref (global.get $head)))
            (unreachable)))
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (br $again)))
    (local.get $count))
  (func (export "local") (param $count i32) (result i64) (local $mine exnref)
    (local.set $mine (call $make (i64.const 42)))
    (call $churn (local.get $count))
    (call $value (local.get $mine)))
  (func $deep (export "deep") (param $depth i32) (param $count i32) (result i64) (local $mine exnref)
    (local.set $mine (call $make (i64.extend_i32_u (local.get $depth))))
    (if (result i64) (local.get $depth)
      (then (i64.add (call $deep (i32.sub (local.get $depth) (i32.const 1)) (local.get $count))
                     (call $value (local.get $mine))))
      (else (call $churn (local.get $count)) (call $value (local.get $mine)))))
  (func (export "give") (result exnref) (call $make (i64.const 7)))
  (func (export "take") (param exnref) (result i64) (call $value (local.get 0)))
)
*/
static const uint8_t module_bytes[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x2a, 0x09, 0x60, 0x01, 0x7e, 0x00, 0x60,
    0x01, 0x69, 0x00, 0x60, 0x01, 0x7e, 0x01, 0x69, 0x60, 0x01, 0x69, 0x01, 0x7e, 0x60, 0x01, 0x7f,
    0x00, 0x60, 0x01, 0x7f, 0x01, 0x7e, 0x60, 0x00, 0x01, 0x7f, 0x60, 0x02, 0x7f, 0x7f, 0x01, 0x7e,
    0x60, 0x00, 0x01, 0x69, 0x03, 0x0c, 0x0b, 0x02, 0x03, 0x04, 0x04, 0x05, 0x04, 0x06, 0x05, 0x07,
    0x08, 0x03, 0x04, 0x04, 0x01, 0x69, 0x00, 0x40, 0x0d, 0x05, 0x02, 0x00, 0x00, 0x00, 0x01, 0x06,
    0x06, 0x01, 0x69, 0x01, 0xd0, 0x69, 0x0b, 0x07, 0x46, 0x09, 0x05, 0x63, 0x68, 0x75, 0x72, 0x6e,
    0x00, 0x02, 0x04, 0x6b, 0x65, 0x65, 0x70, 0x00, 0x03, 0x04, 0x6b, 0x65, 0x70, 0x74, 0x00, 0x04,
    0x05, 0x63, 0x68, 0x61, 0x69, 0x6e, 0x00, 0x05, 0x07, 0x75, 0x6e, 0x63, 0x68, 0x61, 0x69, 0x6e,
    0x00, 0x06, 0x05, 0x6c, 0x6f, 0x63, 0x61, 0x6c, 0x00, 0x07, 0x04, 0x64, 0x65, 0x65, 0x70, 0x00,
    0x08, 0x04, 0x67, 0x69, 0x76, 0x65, 0x00, 0x09, 0x04, 0x74, 0x61, 0x6b, 0x65, 0x00, 0x0a, 0x0a,
    0xdf, 0x01, 0x0b, 0x10, 0x00, 0x02, 0x69, 0x1f, 0x40, 0x01, 0x03, 0x00, 0x20, 0x00, 0x08, 0x00,
    0x0b, 0x00, 0x0b, 0x0b, 0x10, 0x00, 0x02, 0x7e, 0x1f, 0x40, 0x01, 0x00, 0x00, 0x00, 0x20, 0x00,
    0x0a, 0x0b, 0x00, 0x0b, 0x0b, 0x13, 0x00, 0x03, 0x40, 0x42, 0x01, 0x10, 0x00, 0x1a, 0x20, 0x00,
    0x41, 0x01, 0x6b, 0x22, 0x00, 0x0d, 0x00, 0x0b, 0x0b, 0x0b, 0x00, 0x20, 0x00, 0x20, 0x00, 0xad,
    0x10, 0x00, 0x26, 0x00, 0x0b, 0x08, 0x00, 0x20, 0x00, 0x25, 0x00, 0x10, 0x01, 0x0b, 0x1e, 0x00,
    0x03, 0x40, 0x02, 0x69, 0x1f, 0x40, 0x01, 0x03, 0x00, 0x23, 0x00, 0x08, 0x01, 0x0b, 0x00, 0x0b,
    0x24, 0x00, 0x20, 0x00, 0x41, 0x01, 0x6b, 0x22, 0x00, 0x0d, 0x00, 0x0b, 0x0b, 0x2a, 0x01, 0x01,
    0x7f, 0x02, 0x40, 0x03, 0x40, 0x23, 0x00, 0xd1, 0x0d, 0x01, 0x02, 0x69, 0x1f, 0x40, 0x01, 0x00,
    0x01, 0x00, 0x23, 0x00, 0x0a, 0x0b, 0x00, 0x0b, 0x24, 0x00, 0x20, 0x00, 0x41, 0x01, 0x6a, 0x21,
    0x00, 0x0c, 0x00, 0x0b, 0x0b, 0x20, 0x00, 0x0b, 0x12, 0x01, 0x01, 0x69, 0x42, 0x2a, 0x10, 0x00,
    0x21, 0x01, 0x20, 0x00, 0x10, 0x02, 0x20, 0x01, 0x10, 0x01, 0x0b, 0x27, 0x01, 0x01, 0x69, 0x20,
    0x00, 0xad, 0x10, 0x00, 0x21, 0x02, 0x20, 0x00, 0x04, 0x7e, 0x20, 0x00, 0x41, 0x01, 0x6b, 0x20,
    0x01, 0x10, 0x08, 0x20, 0x02, 0x10, 0x01, 0x7c, 0x05, 0x20, 0x01, 0x10, 0x02, 0x20, 0x02, 0x10,
    0x01, 0x0b, 0x0b, 0x06, 0x00, 0x42, 0x07, 0x10, 0x00, 0x0b, 0x06, 0x00, 0x20, 0x00, 0x10, 0x01,
    0x0b,
};

typedef struct world {
    size_t used;
    uint64_t left; /* allocations until one fails; UINT64_MAX: none will */
    kp_wasm_module_t *module;
    void *tier_module;
    kp_wasm_store_t *store;
    kp_wasm_instance_t *instance;
} world_t;

static void *resize(void *context, void *old, size_t old_size, size_t size)
{
    world_t *world = context;
    if (size > old_size && world->left != UINT64_MAX && world->left-- == 0) {
        world->left = 0;
        return NULL;
    }
    world->used += size - old_size;
    if (size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, size);
}

static const kp_spec_tier_t *const tiers[] = {&kp_spec_interpreted, &kp_spec_compiled,
                                              &kp_spec_compiled_checked};
enum { TIERS = sizeof tiers / sizeof *tiers };

/* More than `budget` bytes of objects are refused. */
static void world_open(world_t *world, const kp_spec_tier_t *tier, uint64_t budget)
{
    *world = (world_t){.left = UINT64_MAX};
    kp_wasm_allocator_t allocator = {resize, world};
    kp_wasm_options_t options = kp_wasm_options_init(allocator);
    kp_wasm_store_options_t limits = kp_wasm_store_options_init(allocator);
    limits.object_maximum = budget;
    limits.stack_bytes = 64 << 10;
    limits.depth_maximum = 200;
    limits.guard_pages = tier->guard_pages;
    KP_EXPECT(kp_wasm_module_decode(module_bytes, sizeof module_bytes, &options, &world->module,
                                    NULL) == KP_OK);
    KP_EXPECT(tier->prepare(world->module, allocator, &world->tier_module, NULL) == KP_OK);
    KP_EXPECT(kp_wasm_store_create(&limits, &world->store) == KP_OK);
    KP_EXPECT(kp_wasm_instance_create(world->store, world->module, tier->tier, world->tier_module,
                                      NULL, 0, true, &world->instance, NULL) == KP_OK);
}

static void world_close(world_t *world, const kp_spec_tier_t *tier)
{
    kp_wasm_store_destroy(world->store);
    tier->discard(world->tier_module);
    kp_wasm_module_destroy(world->module);
    KP_EXPECT_INT(world->used, 0);
}

static kp_status_t call(world_t *world, const char *name, kp_wasm_value_t values[2])
{
    kp_wasm_extern_t found;
    if (!kp_wasm_instance_find(world->instance, name, strlen(name), &found))
        return KP_ERR_NOT_FOUND;
    return kp_wasm_call(world->store, found.function, values);
}

static uint64_t call_i32(world_t *world, const char *name, uint32_t argument, uint32_t other)
{
    kp_wasm_value_t values[2] = {{.v128 = {argument}}, {.v128 = {other}}};
    if (call(world, name, values) != KP_OK)
        KP_FAIL("%s of %s: %s", name, world->instance->tier->name,
                kp_wasm_trap_text(world->store->trap.code));
    return values[0].u64;
}

enum { BUDGET = 1 << 20 };

KP_TEST(a_million_references_fit_a_small_budget)
{
    for (int i = 0; i < TIERS; i++) {
        world_t world;
        world_open(&world, tiers[i], BUDGET);
        call_i32(&world, "churn", 1000000, 0);
        KP_EXPECT(world.store->exception_bytes < BUDGET);
        world_close(&world, tiers[i]);
    }
}

KP_TEST(tables_keep)
{
    for (int i = 0; i < TIERS; i++) {
        world_t world;
        world_open(&world, tiers[i], BUDGET);
        for (uint32_t at = 0; at < 64; at++)
            call_i32(&world, "keep", at, 0);
        call_i32(&world, "churn", 50000, 0);
        for (uint32_t at = 0; at < 64; at++)
            KP_EXPECT_INT(call_i32(&world, "kept", at, 0), at);
        world_close(&world, tiers[i]);
    }
}

KP_TEST(values_of_exceptions_keep)
{
    for (int i = 0; i < TIERS; i++) {
        world_t world;
        world_open(&world, tiers[i], BUDGET);
        call_i32(&world, "chain", 10000, 0);
        call_i32(&world, "churn", 50000, 0);
        KP_EXPECT_INT((uint32_t)call_i32(&world, "unchain", 0, 0), 10000);
        world_close(&world, tiers[i]);
    }
}

KP_TEST(frames_keep)
{
    for (int i = 0; i < TIERS; i++) {
        world_t world;
        world_open(&world, tiers[i], BUDGET);
        KP_EXPECT_INT(call_i32(&world, "local", 50000, 0), 42);
        KP_EXPECT_INT(call_i32(&world, "deep", 100, 50000), 100 * 101 / 2);
        world_close(&world, tiers[i]);
    }
}

/* What can be reached is not collected: then the budget is used up, as an ordinary trap. */
KP_TEST(a_budget_ends)
{
    for (int i = 0; i < TIERS; i++) {
        world_t world;
        world_open(&world, tiers[i], BUDGET);
        kp_wasm_value_t values[2] = {{.v128 = {1000000}}, {.v128 = {0}}};
        KP_EXPECT_INT(call(&world, "chain", values), KP_ERR_TRAP);
        KP_EXPECT_INT(world.store->trap.code, KP_WASM_TRAP_OUT_OF_MEMORY);
        KP_EXPECT((uint32_t)call_i32(&world, "unchain", 0, 0) > 1000);
        /* All of it can go now. */
        call_i32(&world, "churn", 50000, 0);
        world_close(&world, tiers[i]);
    }
}

KP_TEST(what_the_host_holds_stays)
{
    for (int i = 0; i < TIERS; i++) {
        world_t world;
        world_open(&world, tiers[i], BUDGET);
        kp_wasm_value_t values[2] = {{.v128 = {0}}, {.v128 = {0}}};
        KP_EXPECT_INT(call(&world, "give", values), KP_OK);
        kp_wasm_exninst_t *exception = values[0].reference;
        kp_wasm_exception_hold(exception);
        call_i32(&world, "churn", 50000, 0);
        values[0] = (kp_wasm_value_t){.v128 = {(uintptr_t)exception}};
        KP_EXPECT_INT(call(&world, "take", values), KP_OK);
        KP_EXPECT_INT(values[0].u64, 7);
        uint64_t before = world.store->exception_count;
        kp_wasm_exception_release(exception);
        call_i32(&world, "churn", 50000, 0);
        KP_EXPECT(before > 0 && world.store->exception_bytes < BUDGET);
        world_close(&world, tiers[i]);
    }
}

/* Without memory for an exception or for a collection: a trap, nothing lost. */
KP_TEST(no_memory)
{
    for (int i = 0; i < TIERS; i++) {
        world_t world;
        world_open(&world, tiers[i], BUDGET);
        for (uint32_t at = 0; at < 64; at++)
            call_i32(&world, "keep", at, 0);
        for (uint64_t left = 0; left < 20000; left += left < 10 ? 1 : 997) {
            kp_wasm_value_t values[2] = {{.v128 = {50000}}, {.v128 = {0}}};
            world.left = left;
            KP_EXPECT_INT(call(&world, "churn", values), KP_ERR_TRAP);
            KP_EXPECT_INT(world.store->trap.code, KP_WASM_TRAP_OUT_OF_MEMORY);
        }
        world.left = UINT64_MAX;
        for (uint32_t at = 0; at < 64; at++)
            KP_EXPECT_INT(call_i32(&world, "kept", at, 0), at);
        world_close(&world, tiers[i]);
    }
}

KP_TEST_MAIN()
