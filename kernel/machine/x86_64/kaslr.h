/* Where the kernel is, this time: chosen at boot before anything else runs. */
#ifndef KP_X86_KASLR_H
#define KP_X86_KASLR_H

#include <stdint.h>

/* How far the kernel's image runs above where it was linked; whole pages. */
extern uint64_t kp_x86_slide;
/* Value of the stack protector's canary; its lowest byte is 0, which ends strings. */
extern uint64_t kp_x86_canary;

#endif
