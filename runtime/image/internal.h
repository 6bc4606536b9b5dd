/* Between the files of runtime/image. */
#ifndef KP_RUNTIME_IMAGE_INTERNAL_H
#define KP_RUNTIME_IMAGE_INTERNAL_H

#include "abi/calls.h"
#include "runtime/image/image.h"

/* The machine's system-call stub: call_x86_64.S or call_hosted.S. */
int64_t kp_image_call(uint32_t number, const uint64_t arguments[6]);

/* hosted: what the entry got in rdx; unused on x86_64. */
extern kp_image_call_fn kp_image_call_hosted;

/* module.c: what one program brings. Runs the program to its end. */
void kp_image_module_run(void);
/* The same, programs with threads: a further thread's part, until its function returns. */
void kp_image_module_further(uint64_t entry, uint64_t argument);
/* Room for all its function tables, in elements. */
extern const uint32_t kp_image_table_capacity;
extern void *const kp_image_table_memory;

/* Ends the process with a trap of abi/types.h; address as process_trap takes it. */
_Noreturn void kp_image_trap(uint32_t trap, uint64_t address);

#endif
