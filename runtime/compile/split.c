/* Modules cut into ranges of functions: also for programs that compile nothing themselves. */
#include "runtime/compile/compile.h"

uint32_t kp_wasm_compile_split(const kp_wasm_module_t *module, uint32_t first, uint32_t bytes)
{
    uint32_t own = module->function_count - module->imported_function_count;
    uint64_t sum = 0;
    uint32_t count = 0;
    while (first + count < own && sum < bytes) {
        uint32_t index = first + count++ + module->imported_function_count;
        sum += module->functions[index].body.size;
    }
    return count;
}
