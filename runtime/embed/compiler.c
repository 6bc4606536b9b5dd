/* In programs that have the compiler. */
#include "runtime/embed/internal.h"

#if defined(__x86_64__)
const bool kp_embed_has_compiler = true;
#else
const bool kp_embed_has_compiler = false;
#endif
