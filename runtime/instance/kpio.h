/* The platform KPIO, for native programs: what their WebAssembly's memories need beside the store's options. */
#ifndef KP_RUNTIME_INSTANCE_KPIO_H
#define KP_RUNTIME_INSTANCE_KPIO_H

#include "abi/types.h"

/* A handle to code of the compiler service's making (MAP, EXECUTE), by which address space for guarded
   memories is asked for from now on (guest_create); borrowed. NONE, as at first: memories are CHECKED. */
void kp_wasm_kpio_authority(kp_handle_t code);

#endif
