#include "runtime/compile/internal.h"
void kp_op_simd(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    (void)instruction;
    c->status = KP_ERR_NOT_SUPPORTED;
}
