/* Memory that was promised: linear and guest memories that grew, and whose pages come when they are
   touched. A growth is refused when all that was promised could not be kept; so what may fail is memory.grow,
   not the touch. What is not counted (a program's first memory, VMOs, the kernel's own) can still
   take the last page before. */
#ifndef KP_X86_PROMISE_H
#define KP_X86_PROMISE_H

#include "kernel/base/base.h"

/* False: there are not so many free pages beside those that are promised already. No space's lock is held. */
bool kp_x86_promise(uint64_t pages);
/* So many were taken, or will not be. Any context. */
void kp_x86_promise_end(uint64_t pages);

#endif
