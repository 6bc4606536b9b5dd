/* A native program's first C: relocates the image, guards the stack, calls main. */
#include "runtime/native/native.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/image/internal.h"
#include "runtime/program/kp.h"
#include "runtime/program/startup.h"

uint8_t *kp_native_memory;
kp_image_call_fn kp_image_call_hosted;

int main(int argc, char **argv);
_Noreturn void kp_native_start(uint8_t *memory, uint64_t pages, kp_image_call_fn call);

/* Of ELF (System V ABI, "Dynamic Linking"), what relocate() reads. */
enum { DT_NULL = 0, DT_RELA = 7, DT_RELASZ = 8 };
typedef struct dynamic {
    int64_t tag;
    uint64_t value;
} dynamic_t;
typedef struct relocation {
    uint64_t offset, information;
    int64_t addend;
} relocation_t;
extern const dynamic_t _DYNAMIC[] __attribute__((visibility("hidden")));
extern const uint8_t __ehdr_start
    __attribute__((visibility("hidden"))); /* the image's first byte */

/* Before any pointer in data is used. The build checks that nothing but R_X86_64_RELATIVE is there. */
static void relocate(void)
{
    uint64_t base = (uint64_t)&__ehdr_start;
    const relocation_t *relocations = NULL;
    uint64_t size = 0;
    for (const dynamic_t *entry = _DYNAMIC; entry->tag != DT_NULL; entry++) {
        if (entry->tag == DT_RELA)
            relocations = (const relocation_t *)(base + entry->value);
        else if (entry->tag == DT_RELASZ)
            size = entry->value;
    }
    for (uint64_t i = 0; relocations && i < size / sizeof *relocations; i++)
        *(uint64_t *)(base + relocations[i].offset) = base + (uint64_t)relocations[i].addend;
}

/* The first 64 KiB of linear memory show a VMO that cannot be written. */
static void stack_guard(void)
{
    int64_t vmo = kp_vmo_create(KP_WASM_PAGE_SIZE);
    kp_status_t status =
        vmo < 0 ? (kp_status_t)vmo
                : kp_vmo_map((kp_handle_t)vmo, 0, kp_native_memory, KP_WASM_PAGE_SIZE, 0);
    if (vmo > 0)
        (void)kp_handle_close((kp_handle_t)vmo);
    if (status != KP_OK) {
        kp_log("no guard below the stack: %s", kp_status_name(status));
        kp_process_trap(KP_TRAP_ABORT, 0);
    }
}

_Noreturn void kp_native_start(uint8_t *memory, uint64_t pages, kp_image_call_fn call)
{
    relocate();
    kp_native_memory = memory;
    kp_image_call_hosted = call;
    stack_guard();
    kp_native_pages_start(pages * KP_WASM_PAGE_SIZE);
    size_t count = 0;
    while (kp_startup_argument(count))
        count++;
    char **arguments = malloc((count + 1) * sizeof *arguments);
    if (!arguments)
        kp_process_trap(KP_TRAP_ABORT, 0);
    for (size_t i = 0; i < count; i++)
        arguments[i] = (char *)kp_startup_argument(i);
    arguments[count] = NULL;
    exit(main((int)count, arguments));
}
