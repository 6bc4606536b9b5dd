/* memcpy, memmove and memset by WebAssembly's bulk instructions, which become the machine's own
   functions. libc's versions copy by words inside WebAssembly; these definitions win at link time.
 */
#include <string.h>

#ifndef __wasm_bulk_memory__
#error "compile with -mbulk-memory: otherwise the builtins call these functions again"
#endif

void *memcpy(void *restrict to, const void *restrict from, size_t count)
{
    return __builtin_memcpy(to, from, count);
}

void *memmove(void *to, const void *from, size_t count)
{
    return __builtin_memmove(to, from, count);
}

void *memset(void *to, int value, size_t count)
{
    return __builtin_memset(to, value, count);
}
