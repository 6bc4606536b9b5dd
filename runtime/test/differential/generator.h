/* Generates valid WebAssembly modules from numbers, for comparing tiers with each other.

   A module exports its functions "f0", "f1", ...; "reset" (no parameters), to be called before each of
   them: it refills the fuel that every function entry and loop head burns, so that everything ends; and
   "checksum" (-> i64), over memories, globals and tables. It imports nothing. Results are the same in
   every correct engine: NaN results of arithmetic are made canonical, nothing grows without a maximum
   (an engine must grant it: at most 16 pages and 64 table elements). Calls nest at most KP_GENERATOR_FUEL
   deep. */
#ifndef KP_RUNTIME_TEST_DIFFERENTIAL_GENERATOR_H
#define KP_RUNTIME_TEST_DIFFERENTIAL_GENERATOR_H

#include "runtime/wasm/types.h"

#define KP_GENERATOR_FUEL 200

/* Kinds of modules, beside the features of which they are. */
#define KP_GENERATOR_LINKED (1u << 28) /* half of the functions, and all else, are of a library */
#define KP_GENERATOR_MORE (1u << 29)   /* many parameters, results, locals; addresses from locals */
#define KP_GENERATOR_SMALL (1u << 30)  /* three of four have short functions */
#define KP_GENERATOR_WASM2C_ATOMICS \
    (1u << 31) /* only on shared memories, no memory.atomic.notify */

/* Writes the module for `seed` and `features` (unused ones may be chosen away by the seed); the same
   bytes for the same arguments, on every machine. Returns its size, 0 when there is no memory. The
   bytes are the caller's, to free(). */
size_t kp_generate(uint64_t seed, kp_wasm_features_t features, uint8_t **bytes);

/* The same module; adds to opcodes[KP_WASM_OPCODE_COUNT] (runtime/wasm/opcode.h) how often each
   instruction is in the bodies of f0, f1, .... */
size_t kp_generate_counted(uint64_t seed, kp_wasm_features_t features, uint8_t **bytes,
                           uint32_t *opcodes);

/* What the module of kp_generate with KP_GENERATOR_LINKED imports under the name "lib". */
size_t kp_generate_library(uint64_t seed, kp_wasm_features_t features, uint8_t **bytes);

#endif
