/* What the machine must know of one native program; compiled once per program and machine, with
   KP_NATIVE_MACHINE, KP_NATIVE_STACK, KP_NATIVE_HEAP (MiB) and KP_NATIVE_MAXIMUM (MiB). */
#include "abi/image.h"
#include "runtime/native/native.h"

enum { PAGES_PER_MIB = (1 << 20) / KP_WASM_PAGE_SIZE };

#define STACK_END (KP_WASM_PAGE_SIZE + ((uint64_t)KP_NATIVE_STACK << 20))
#define HEAP_END (STACK_END + ((uint64_t)KP_NATIVE_HEAP << 20))

const uint64_t kp_native_stack_end = STACK_END;
const uint64_t kp_native_heap_end = HEAP_END;

__attribute__((section(".note.kpio"), used, aligned(4))) static const kp_image_note_t note =
    KP_IMAGE_NOTE(KP_NATIVE_MACHINE, (uint32_t)(HEAP_END / KP_WASM_PAGE_SIZE),
                  KP_NATIVE_MAXIMUM *PAGES_PER_MIB);
