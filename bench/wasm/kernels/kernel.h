/* What every kernel exports: works `rounds` times, returns a checksum that all engines must agree on.
   Built without a C library, as WebAssembly and natively. */
#ifndef KP_BENCH_WASM_KERNEL_H
#define KP_BENCH_WASM_KERNEL_H

#include <stdint.h>

#ifdef __wasm__
#define KP_KERNEL __attribute__((export_name("run"), noinline))
#else
#define KP_KERNEL __attribute__((noinline))
#endif

KP_KERNEL uint32_t run(uint32_t rounds);

#endif
