/* Of programs with threads only (NAME_THREADS in module.mk): included before wasm2c's output, whose
   functions all have `instance`. Every thread has an instance of its own: globals such as the stack
   pointer, a table whose functions run in it, and what exceptions need, which lies right before it. Memory
   is one object that all instances name (an import of the module). */
#ifndef KP_RUNTIME_IMAGE_THREADS_H
#define KP_RUNTIME_IMAGE_THREADS_H

#include "wasm-rt-exceptions.h"
#include "wasm-rt.h"

typedef struct kp_image_state {
    WASM_RT_UNWIND_TARGET *unwind_target; /* innermost try; NULL outside */
    wasm_rt_tag_t exception_tag;
    uint32_t exception_size;
    _Alignas(16) uint8_t exception[WASM_EXN_MAX_SIZE];
} kp_image_state_t;

void kp_image_exception_load(kp_image_state_t *state, wasm_rt_tag_t tag, uint32_t size,
                             const void *values);
_Noreturn void kp_image_exception_throw(kp_image_state_t *state);
/* memory.grow: several threads at once; the kernel makes the order. */
uint64_t kp_image_memory_grow(wasm_rt_memory_t *memory, uint64_t delta);

#define KP_IMAGE_STATE ((kp_image_state_t *)(void *)instance - 1)
#define wasm_rt_load_exception(tag, size, values) \
    kp_image_exception_load(KP_IMAGE_STATE, (tag), (size), (values))
#define wasm_rt_throw() kp_image_exception_throw(KP_IMAGE_STATE)
#define wasm_rt_get_unwind_target() (KP_IMAGE_STATE->unwind_target)
#define wasm_rt_set_unwind_target(target) ((void)(KP_IMAGE_STATE->unwind_target = (target)))
#define wasm_rt_exception_tag() (KP_IMAGE_STATE->exception_tag)
#define wasm_rt_exception_size() (KP_IMAGE_STATE->exception_size)
#define wasm_rt_exception() ((void *)KP_IMAGE_STATE->exception)
#define wasm_rt_grow_memory(memory, delta) kp_image_memory_grow((memory), (delta))

#endif
