/* WASI preview 1 (runtime/wasi) as imports of an instance, whatever tier runs it. */
#ifndef KP_RUNTIME_EMBED_WASI_LINK_H
#define KP_RUNTIME_EMBED_WASI_LINK_H

#include "runtime/instance/store.h"
#include "runtime/wasi/wasi.h"

/* Is this the module name of WASI preview 1? */
bool kp_wasm_wasi_is_module(const char *name, size_t length);

/* The host function of that name in the store, or *function = NULL when WASI has none. It acts on the
   calling instance's memory: its export "memory", else memory 0. proc_exit traps EXIT, and
   kp_wasi_has_exited then tells the code. `wasi` must outlive the store's calls. KP_ERR_NO_MEMORY,
   KP_ERR_QUOTA. */
kp_status_t kp_wasm_wasi_function(kp_wasm_store_t *store, kp_wasi_t *wasi, const char *name,
                                  size_t length, kp_wasm_funcinst_t **function);

#endif
