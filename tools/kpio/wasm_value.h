/* WebAssembly values on the command line of kpio wasm run --invoke. */
#ifndef KP_TOOLS_KPIO_WASM_VALUE_H
#define KP_TOOLS_KPIO_WASM_VALUE_H

#include "runtime/instance/store.h"

/* False: the text is no number of that type, or the type has no numbers. */
bool kp_wasm_value_parse(kp_wasm_type_t type, const char *text, kp_wasm_value_t *value);
/* One line on standard output. */
void kp_wasm_value_print(kp_wasm_type_t type, const kp_wasm_value_t *value);

#endif
