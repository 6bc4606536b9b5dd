/* What one program brings to its image: compiled once per program and machine, after the module's
   own header (-include) and with what tool/wasm_info.c found in the module:
   KP_MODULE_INITIAL_PAGES, KP_MODULE_MAXIMUM_PAGES, KP_MODULE_TABLE_ELEMENTS, KP_MODULE_THREADS (1: the
   program has threads); and KP_MODULE_MACHINE. */
#include "abi/image.h"
#include "runtime/image/internal.h"

__attribute__((section(".note.kpio"), used, aligned(4))) static const kp_image_note_t note =
    KP_IMAGE_NOTE_FLAGS(KP_MODULE_MACHINE, KP_MODULE_THREADS ? KP_IMAGE_THREADS : 0,
                        KP_MODULE_INITIAL_PAGES, KP_MODULE_MAXIMUM_PAGES);

static wasm_rt_funcref_t table[KP_MODULE_TABLE_ELEMENTS];

void *const kp_image_table_memory = table;
const uint32_t kp_image_table_capacity = KP_MODULE_TABLE_ELEMENTS;

/* The module's only import. */
u64 w2c_kpio_call(struct w2c_kpio *unused, u32 number, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4,
                  u64 a5)
{
    (void)unused;
    /* A program grows its memory by the instruction: done here it would not know its own size. */
    if (number == KP_CALL_memory_grow)
        return (u64)(int64_t)KP_ERR_NOT_SUPPORTED;
#if KP_MODULE_MACHINE == 1
    /* What call_x86_64.S does, without the way through memory: small calls cost little more than this.
       No vector register survives a call, as none does this function. */
    register u64 r10 __asm__("r10") = a3, r8 __asm__("r8") = a4, r9 __asm__("r9") = a5;
    u64 result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a0), "S"(a1), "d"(a2), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                       "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15");
    return result;
#else
    uint64_t arguments[6] = {a0, a1, a2, a3, a4, a5};
    return (u64)kp_image_call(number, arguments);
#endif
}

#if KP_MODULE_THREADS
#include "runtime/image/threads.h"

/* What one thread has; threads.h says where `state` must be. */
typedef struct thread {
    kp_image_state_t state;
    w2c_program instance;
} thread_t;
_Static_assert(offsetof(thread_t, instance) == sizeof(kp_image_state_t), "threads.h");
/* A further thread's lies on its stack, and goes with it. */
_Static_assert(sizeof(table) + sizeof(thread_t) <= KP_IMAGE_STACK_SIZE / 4, "room on the stack");

static thread_t first;
static w2c_program fresh; /* as it was when the program began */
static wasm_rt_memory_t memory;

/* The module's other import. */
wasm_rt_memory_t *w2c_env_memory(struct w2c_env *unused)
{
    (void)unused;
    return &memory;
}

void kp_image_module_run(void)
{
    wasm_rt_allocate_memory(&memory, KP_MODULE_INITIAL_PAGES, KP_MODULE_MAXIMUM_PAGES, false,
                            KP_WASM_PAGE_SIZE);
    wasm2c_program_instantiate(&first.instance, 0, 0);
    fresh = first.instance;
    w2c_program_0x5Fstart(&first.instance);
}

void kp_image_module_further(uint64_t entry, uint64_t argument)
{
    thread_t own = {.instance = fresh};
    wasm_rt_funcref_t functions[KP_MODULE_TABLE_ELEMENTS];
    memcpy(functions, table, sizeof(functions));
    for (uint32_t i = 0; i < KP_MODULE_TABLE_ELEMENTS; i++)
        if (functions[i].module_instance == &first.instance)
            functions[i].module_instance = &own.instance;
    own.instance.w2c_T0.data = functions;
    w2c_program_kp_thread_entry(&own.instance, (u32)entry, (u32)argument);
}
#else
static w2c_program instance;

void kp_image_module_run(void)
{
    wasm2c_program_instantiate(&instance, 0);
    w2c_program_0x5Fstart(&instance);
}
#endif
