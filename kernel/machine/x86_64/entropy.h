/* Start of the random number generator. */
#ifndef KP_X86_ENTROPY_H
#define KP_X86_ENTROPY_H

/* After the CPU's features are known, before anything asks for random numbers. */
void kp_x86_entropy_init(void);

#endif
