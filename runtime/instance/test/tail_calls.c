/* Tail calls: within an instance they use no stack; between instances they do unless both are interpreted, and
   end in a trap. */
#include <stdlib.h>

#include "runtime/compile/test/compiled_tier.h"
#include "runtime/interpret/test/interpreted_tier.h"
#include "tests/kp_test.h"
#include "runtime/wasm/heap.h"

/* wat2wasm --enable-all of

(module
  (type $count (func (param i32) (result i32)))
  (import "e" "t" (table $both 2 funcref))
  (func $g (export "g") (param $left i32) (result i32)
    (if (i32.eqz (local.get $left)) (then (return (i32.const 42))))
    (return_call_indirect $both (type $count)
      (i32.sub (local.get $left) (i32.const 1))
      (i32.and (local.get $left) (i32.const 1))))
)
*/
static const uint8_t module_bytes[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x06, 0x01, 0x60, 0x01, 0x7f,
    0x01, 0x7f, 0x02, 0x09, 0x01, 0x01, 0x65, 0x01, 0x74, 0x01, 0x70, 0x00, 0x02, 0x03,
    0x02, 0x01, 0x00, 0x07, 0x05, 0x01, 0x01, 0x67, 0x00, 0x00, 0x0a, 0x1a, 0x01, 0x18,
    0x00, 0x20, 0x00, 0x45, 0x04, 0x40, 0x41, 0x2a, 0x0f, 0x0b, 0x20, 0x00, 0x41, 0x01,
    0x6b, 0x20, 0x00, 0x41, 0x01, 0x71, 0x13, 0x00, 0x00, 0x0b,
};

/* The same, and the end is an exception; each call leaves a try_table that would catch it:

(module
  (type $count (func (param i32) (result i32)))
  (import "e" "t" (table $both 2 funcref))
  (tag $thrown)
  (func $g (export "g") (param $left i32) (result i32)
    (if (i32.eqz (local.get $left)) (then (throw $thrown)))
    (block $caught
      (try_table (catch_all $caught)
        (return_call_indirect $both (type $count)
          (i32.sub (local.get $left) (i32.const 1))
          (i32.and (local.get $left) (i32.const 1)))))
    (i32.const 7))
)
*/
static const uint8_t leaving_bytes[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x09, 0x02, 0x60, 0x01, 0x7f,
    0x01, 0x7f, 0x60, 0x00, 0x00, 0x02, 0x09, 0x01, 0x01, 0x65, 0x01, 0x74, 0x01, 0x70,
    0x00, 0x02, 0x03, 0x02, 0x01, 0x00, 0x0d, 0x03, 0x01, 0x00, 0x01, 0x07, 0x05, 0x01,
    0x01, 0x67, 0x00, 0x00, 0x0a, 0x24, 0x01, 0x22, 0x00, 0x20, 0x00, 0x45, 0x04, 0x40,
    0x08, 0x00, 0x0b, 0x02, 0x40, 0x1f, 0x40, 0x01, 0x02, 0x00, 0x20, 0x00, 0x41, 0x01,
    0x6b, 0x20, 0x00, 0x41, 0x01, 0x71, 0x13, 0x00, 0x00, 0x0b, 0x0b, 0x41, 0x07, 0x0b,
};

static const kp_spec_tier_t *const tiers[] = {&kp_spec_interpreted, &kp_spec_compiled};

/* Two instances of these tiers share a table, in which slot 0 is the first's g and slot 1 the g of
   instance number `second`; calls g of the first. */
static kp_status_t count_down_in(const uint8_t *bytes, size_t size, int first_tier, int second_tier,
                                 int second, uint32_t turns, kp_wasm_value_t *result,
                                 kp_wasm_trap_code_t *trap)
{
    kp_wasm_options_t options = kp_wasm_options_init(kp_wasm_heap);
    kp_wasm_store_options_t limits = kp_wasm_store_options_init(kp_wasm_heap);
    kp_wasm_module_t *module;
    kp_wasm_store_t *store;
    kp_wasm_instance_t *instances[2];
    const kp_spec_tier_t *own[2] = {tiers[first_tier], tiers[second_tier]};
    void *code[2];
    kp_wasm_extern_t table = {.kind = KP_WASM_EXTERNAL_TABLE}, g;
    kp_wasm_size_range_t range = {.minimum = 2};
    KP_EXPECT_INT(kp_wasm_module_decode(bytes, size, &options, &module, NULL), KP_OK);
    KP_EXPECT_INT(kp_wasm_store_create(&limits, &store), KP_OK);
    KP_EXPECT_INT(kp_wasm_tableinst_create(store, KP_WASM_TYPE_FUNCREF, &range, NULL, &table.table),
                  KP_OK);
    for (int i = 0; i < 2; i++) {
        KP_EXPECT_INT(own[i]->prepare(module, kp_wasm_heap, &code[i], NULL), KP_OK);
        KP_EXPECT_INT(kp_wasm_instance_create(store, module, own[i]->tier, code[i], &table, 1, true,
                                              &instances[i], NULL),
                      KP_OK);
    }
    KP_EXPECT(kp_wasm_instance_find(instances[second], "g", 1, &g));
    table.table->elements[1] = g.function;
    KP_EXPECT(kp_wasm_instance_find(instances[0], "g", 1, &g));
    table.table->elements[0] = g.function;
    *result = (kp_wasm_value_t){.v128 = {turns}};
    kp_status_t status = kp_wasm_call(store, g.function, result);
    *trap = store->trap.code;
    kp_wasm_store_destroy(store);
    for (int i = 0; i < 2; i++)
        own[i]->discard(code[i]);
    kp_wasm_module_destroy(module);
    return status;
}

static kp_status_t count_down(int first_tier, int second_tier, int second, uint32_t turns,
                              kp_wasm_value_t *result, kp_wasm_trap_code_t *trap)
{
    return count_down_in(module_bytes, sizeof module_bytes, first_tier, second_tier, second, turns,
                         result, trap);
}

KP_TEST(within_an_instance_without_end)
{
    for (int tier = 0; tier < 2; tier++) {
        kp_wasm_value_t result;
        kp_wasm_trap_code_t trap;
        KP_EXPECT_INT(count_down(tier, tier, 0, 1000000, &result, &trap), KP_OK);
        KP_EXPECT_INT(result.u64, 42);
    }
}

KP_TEST(between_instances_until_the_stack_ends)
{
    for (int first = 0; first < 2; first++) {
        for (int second = 0; second < 2; second++) {
            kp_wasm_value_t result;
            kp_wasm_trap_code_t trap;
            KP_EXPECT_INT(count_down(first, second, 1, 200, &result, &trap), KP_OK);
            KP_EXPECT_INT(result.u64, 42);
            bool interpreted = first == 0 && second == 0;
            kp_status_t expected = interpreted ? KP_OK : KP_ERR_TRAP;
            KP_EXPECT_INT(count_down(first, second, 1, 1000000, &result, &trap), expected);
            KP_EXPECT_INT(trap, interpreted ? KP_WASM_TRAP_NONE : KP_WASM_TRAP_STACK_EXHAUSTED);
        }
    }
}

/* A tail call leaves its function, and with it the handlers there. */
KP_TEST(no_handler_of_the_caller_is_left)
{
    for (int first = 0; first < 2; first++) {
        for (int second = 0; second < 2; second++) {
            for (uint32_t turns = 1; turns < 20; turns++) {
                kp_wasm_value_t result;
                kp_wasm_trap_code_t trap;
                KP_EXPECT_INT(count_down_in(leaving_bytes, sizeof leaving_bytes, first, second, 1,
                                            turns, &result, &trap),
                              KP_ERR_EXCEPTION);
            }
        }
    }
}

KP_TEST_MAIN()
