/* Names of the kernel's functions, for backtraces. */
#ifndef KP_X86_SYMBOLS_H
#define KP_X86_SYMBOLS_H

#include <stdint.h>

typedef struct kp_x86_symbol {
    uint32_t address; /* from KP_X86_KERNEL_BASE */
    uint32_t name;    /* from the end of the entries */
} kp_x86_symbol_t;

/* Sorted by address; the names follow the entries. Empty in the first link. */
extern const struct kp_x86_symbols {
    uint32_t count, reserved;
    kp_x86_symbol_t entries[];
} kp_x86_symbols;

/* The function at an address of the kernel's text and the distance from its start; NULL: unknown.
 */
const char *kp_x86_symbol_find(uint64_t address, uint64_t *offset);

#endif
