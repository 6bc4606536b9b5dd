/* Guest memories from inside, on both machines: a native program in wasm-runner's place (kernel/init/program.h),
   with the compiler service. Without an argument everything that must work; with one (see `ends`) a way to end
   that the kernel promises. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/compile/code.h"
#include "runtime/instance/internal.h"
#include "runtime/instance/kpio.h"
#include "runtime/instance/x86_64.h"
#include "runtime/program/kp.h"
#include "runtime/program/startup.h"
#include "runtime/wasm/heap.h"
#include "services/compiler/client.h"
#include "tests/kp_expect.h"

#define PATIENCE (kp_now() + 600 * (kp_time_t)1000000000)
#define RESERVE KP_GUEST_RESERVE_MAX
enum { PAGE = 65536, SIZE = 2 * PAGE };

static void result(const char *name)
{
    kp_expect_result("guest", name);
}

static kp_compiler_client_t compiler;
static uint64_t memory_maximum = (uint64_t)4 << 30;

/* ---- modules ---- */

typedef struct access {
    uint8_t opcode[2]; /* 0xfd first: of two bytes */
    uint8_t width;
    uint8_t value; /* what is stored: the opcode of its constant; 0: a load */
} access_t;

static const access_t accesses[] = {
    {{0x28}, 4, 0},     {{0x29}, 8, 0},    {{0x2a}, 4, 0},         {{0x2b}, 8, 0},
    {{0x2c}, 1, 0},     {{0x2d}, 1, 0},    {{0x2e}, 2, 0},         {{0x2f}, 2, 0},
    {{0x30}, 1, 0},     {{0x31}, 1, 0},    {{0x32}, 2, 0},         {{0x33}, 2, 0},
    {{0x34}, 4, 0},     {{0x35}, 4, 0},    {{0xfd, 0}, 16, 0},     {{0xfd, 7}, 1, 0},
    {{0xfd, 10}, 8, 0}, {{0x36}, 4, 0x41}, {{0x37}, 8, 0x42},      {{0x38}, 4, 0x43},
    {{0x39}, 8, 0x44},  {{0x3a}, 1, 0x41}, {{0x3b}, 2, 0x41},      {{0x3c}, 1, 0x42},
    {{0x3d}, 2, 0x42},  {{0x3e}, 4, 0x42}, {{0xfd, 11}, 16, 0xfd},
};
enum {
    ACCESSES = sizeof accesses / sizeof accesses[0],
    GROW = 2 * ACCESSES, /* functions: by a local's index, by a constant's, memory.grow */
    FUNCTIONS = GROW + 1,
    MODULE_MAX = 8192,
};

typedef struct writer {
    uint8_t bytes[MODULE_MAX];
    size_t size;
} writer_t;

static void put(writer_t *w, unsigned byte)
{
    w->bytes[w->size++] = (uint8_t)byte;
}

static void put_leb(writer_t *w, uint32_t value)
{
    for (; value > 127; value >>= 7)
        put(w, value | 128);
    put(w, value);
}

/* A number of five bytes, to be filled in by put_length. */
static size_t put_place(writer_t *w)
{
    w->size += 5;
    return w->size;
}

static void put_length(writer_t *w, size_t start)
{
    uint32_t length = (uint32_t)(w->size - start);
    for (int i = 0; i < 5; i++)
        w->bytes[start - 5 + (size_t)i] = (uint8_t)((length >> (7 * i) & 127) | (i < 4 ? 128 : 0));
}

static void put_constant(writer_t *w, unsigned opcode)
{
    static const uint8_t bytes[256] = {[0x41] = 1, [0x42] = 1, [0x43] = 4, [0x44] = 8, [0xfd] = 16};
    put(w, opcode);
    if (opcode == 0xfd)
        put(w, 12);
    for (unsigned i = 0; i < bytes[opcode]; i++)
        put(w, 0x11);
}

static void put_access(writer_t *w, const access_t *access, bool constant, uint32_t offset)
{
    size_t start = put_place(w);
    put(w, 0); /* no locals */
    put(w, constant ? 0x41 : 0x20);
    put(w, constant ? 0x7f : 0); /* i32.const -1; local.get 0 */
    if (access->value)
        put_constant(w, access->value);
    put(w, access->opcode[0]);
    if (access->opcode[0] == 0xfd)
        put(w, access->opcode[1]);
    put(w, 0); /* alignment */
    put_leb(w, offset);
    if (!access->value)
        put(w, 0x1a);
    put(w, 0x0b);
    put_length(w, start);
}

static void put_bytes(writer_t *w, const char *bytes, size_t size)
{
    memcpy(w->bytes + w->size, bytes, size);
    w->size += size;
}

/* Functions that access one memory of 2 pages, with this offset; the last one grows it. */
static void make_module(writer_t *w, uint32_t offset, const char *memory, size_t memory_size)
{
    w->size = 0;
    put_bytes(w, "\0asm\1\0\0\0", 8);
    put_bytes(w, "\1\12\2\x60\1\x7f\0\x60\1\x7f\1\x7f", 12);
    put(w, 3);
    put(w, FUNCTIONS + 1);
    put(w, FUNCTIONS);
    for (unsigned i = 0; i < FUNCTIONS; i++)
        put(w, i == GROW);
    put_bytes(w, memory, memory_size);
    put(w, 10);
    size_t start = put_place(w);
    put(w, FUNCTIONS);
    for (unsigned i = 0; i < 2 * ACCESSES; i++)
        put_access(w, &accesses[i % ACCESSES], i >= ACCESSES, offset);
    put_bytes(w, "\6\0\x20\0\x40\0\x0b", 7);
    put_length(w, start);
}

typedef struct rig {
    writer_t module_bytes;
    kp_compiler_code_t artefact;
    kp_wasm_module_t *module;
    kp_wasm_code_t *code;
    kp_wasm_store_t *store;
    kp_wasm_instance_t *instance;
} rig_t;

#define MEMORY_PLAIN "\5\3\1\0\2", 5
#define MEMORY_SHARED "\5\4\1\3\2\4", 6

static kp_status_t rig_make(rig_t *rig, uint32_t offset, const char *memory, size_t memory_size)
{
    memset(rig, 0, sizeof *rig);
    make_module(&rig->module_bytes, offset, memory, memory_size);
    const kp_wasm_options_t decoding = kp_wasm_options_init(kp_wasm_heap);
    kp_wasm_error_t error;
    kp_compiler_reply_t reply;
    kp_status_t status = kp_wasm_module_decode(rig->module_bytes.bytes, rig->module_bytes.size,
                                               &decoding, &rig->module, &error);
    if (status == KP_OK)
        status = kp_compiler_compile(&compiler, rig->module_bytes.bytes,
                                     (uint32_t)rig->module_bytes.size, KP_WASM_COMPILE_GUARDED,
                                     kp_wasm_cpu_features(), PATIENCE, &rig->artefact, &reply);
    const uint8_t *artefact = (const uint8_t *)rig->artefact.address;
    if (status == KP_OK)
        status = kp_wasm_code_adopt(artefact, rig->artefact.size, artefact + KP_WASM_CODE_PAGE,
                                    rig->module, kp_wasm_heap, &rig->code);
    if (status != KP_OK)
        return status;
    kp_wasm_kpio_authority(rig->artefact.code);
    kp_wasm_store_options_t options = kp_wasm_store_options_init(kp_wasm_heap);
    options.memory_maximum = memory_maximum;
    status = kp_wasm_store_create(&options, &rig->store);
    if (status == KP_OK)
        status = kp_wasm_instance_create(rig->store, rig->module, &kp_wasm_compiled_tier, rig->code,
                                         NULL, 0, true, &rig->instance, NULL);
    return status;
}

static void rig_end(rig_t *rig)
{
    kp_wasm_store_destroy(rig->store);
    kp_wasm_code_unload(rig->code);
    kp_compiler_code_release(&rig->artefact);
    kp_wasm_module_destroy(rig->module);
}

static kp_wasm_meminst_t *memory_of(const rig_t *rig)
{
    return kp_wasm_instance_memory(rig->instance, 0);
}

/* The function's result, or UINT64_MAX when it trapped. */
static uint64_t call(const rig_t *rig, unsigned function, uint32_t argument)
{
    kp_wasm_value_t values[1] = {{.u64 = argument}};
    kp_status_t status =
        kp_wasm_call(rig->store, kp_wasm_instance_function(rig->instance, function), values);
    if (status == KP_OK)
        return values[0].u64;
    EXPECT(status == KP_ERR_TRAP && rig->store->trap.code == KP_WASM_TRAP_MEMORY_BOUNDS);
    EXPECT(rig->store->trap.frame_total == 1 && rig->store->trap.frames[0].function == function);
    return UINT64_MAX;
}

/* ---- what must work ---- */

static void test_bounds(void)
{
    static const uint32_t offsets[] = {0,          1,          PAGE - 8,   SIZE - 1,  SIZE,
                                       0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};
    static rig_t rig;
    unsigned traps = 0;
    for (size_t k = 0; k < sizeof offsets / sizeof offsets[0]; k++) {
        uint64_t offset = offsets[k];
        EXPECT(rig_make(&rig, offsets[k], MEMORY_PLAIN) == KP_OK);
        if (failures)
            return;
        EXPECT(memory_of(&rig)->kind == KP_WASM_MEMORY_GUARDED);
        EXPECT(!kp_native_is_memory(memory_of(&rig)->base));
        uint8_t *last = memory_of(&rig)->base + SIZE - 16;
        for (unsigned i = 0; i < 2 * ACCESSES; i++) {
            const access_t *access = &accesses[i % ACCESSES];
            uint64_t end = SIZE - offset; /* where accesses at index + offset are out */
            const uint64_t indices[] = {
                0,          1,          end - access->width, end - access->width + 1, end - 1, end,
                0x7fffffff, 0x80000000, 0xffffffff};
            for (size_t j = 0; j < sizeof indices / sizeof indices[0]; j++) {
                uint32_t index = i < ACCESSES ? (uint32_t)indices[j] : 0xffffffff;
                bool inside = index + offset + access->width <= SIZE;
                memset(last, 0xee, 16);
                EXPECT((call(&rig, i, index) != UINT64_MAX) == inside);
                traps += !inside;
                /* No half of a store; QEMU without KVM makes two of one of 16 bytes. */
                for (unsigned b = 0; !inside && access->width <= 8 && b < 16; b++)
                    EXPECT(last[b] == 0xee);
            }
        }
        rig_end(&rig);
    }
    EXPECT(traps > 1000);
    result("bounds");
}

static void test_grow(void)
{
    static rig_t rig;
    EXPECT(rig_make(&rig, 0, MEMORY_PLAIN) == KP_OK);
    uint8_t *base = memory_of(&rig)->base;
    memset(base, 7, SIZE);
    EXPECT(call(&rig, 0, SIZE) == UINT64_MAX);
    EXPECT(call(&rig, GROW, 0) == 2 && call(&rig, GROW, 3) == 2 && call(&rig, GROW, 0) == 5);
    EXPECT(memory_of(&rig)->base == base && base[0] == 7 && base[SIZE] == 0);
    EXPECT(call(&rig, 0, SIZE) != UINT64_MAX && call(&rig, 0, 5 * PAGE - 4) != UINT64_MAX);
    EXPECT(call(&rig, 0, 5 * PAGE - 3) == UINT64_MAX);
    EXPECT(call(&rig, GROW, 65536) == 0xffffffff && call(&rig, GROW, 0xffffffff) == 0xffffffff);
    /* The kernel does not take its addresses. */
    kp_handle_t vmo = (kp_handle_t)kp_vmo_create(PAGE);
    uint64_t address = (uintptr_t)base;
    EXPECT(kp_call(KP_CALL_vmo_write, vmo, 0, address, 16, 0, 0) == KP_ERR_BAD_ADDRESS);
    EXPECT(kp_call(KP_CALL_random_get, address, 16, 0, 0, 0, 0) == KP_ERR_BAD_ADDRESS);
    EXPECT(kp_call(KP_CALL_vmo_map, vmo, 0, address, PAGE, KP_VMO_MAP_WRITE, 0) < 0);
    /* But the stubs copy. */
    memset(base + 100, 0x55, 5000);
    EXPECT(kp_vmo_write(vmo, 0, base + 100, 5000) == KP_OK);
    EXPECT(kp_vmo_read(vmo, 1, base + 2 * PAGE - 100, 4000) == KP_OK &&
           base[2 * PAGE + 3000] == 0x55);
    (void)kp_handle_close(vmo);
    rig_end(&rig);
    result("grow");
}

/* As much as there is: what memory.grow gave can be touched. */
static void test_all_memory(void)
{
    enum { STEP = 256 }; /* 16 MiB */
    static rig_t rig;
    uint64_t sizes[2] = {0, 0};
    for (unsigned round = 0; round < 2; round++) {
        EXPECT(rig_make(&rig, 0, MEMORY_PLAIN) == KP_OK);
        while (call(&rig, GROW, STEP) != 0xffffffff)
            ;
        sizes[round] = kp_wasm_meminst_size(memory_of(&rig));
        /* Where it is much (hosted), a page of each step will do. */
        uint64_t apart = sizes[round] > (uint64_t)1 << 30 ? STEP * (uint64_t)PAGE : 4096;
        for (uint64_t at = 0; at < sizes[round]; at += apart)
            memory_of(&rig)->base[at] = 1;
        rig_end(&rig);
    }
    printf("# %" PRIu64 " MiB, then %" PRIu64 "\n", sizes[0] >> 20, sizes[1] >> 20);
    EXPECT(sizes[0] > 64 << 20 && sizes[1] + (8 << 20) >= sizes[0]);
    result("all-memory");
}

static void test_exhaustion(void)
{
    static int64_t addresses[KP_GUESTS_MAX + 1];
    static rig_t rig, other;
    memory_maximum = 64 << 20; /* what is checked has its place in this process's own */
    EXPECT(rig_make(&rig, 0, MEMORY_PLAIN) == KP_OK); /* one of them */
    for (int round = 0; round < 3; round++) {
        unsigned count = 0;
        while (count <= KP_GUESTS_MAX &&
               (addresses[count] = kp_guest_create(rig.artefact.code, RESERVE)) > 0) {
            EXPECT(kp_guest_grow((uint64_t)addresses[count], 1) == 0);
            *(volatile uint8_t *)addresses[count] = 1;
            count++;
        }
        EXPECT(count == KP_GUESTS_MAX - 1 && addresses[count] == KP_ERR_QUOTA);
        /* Then a memory is a checked one, and code for guarded ones does not run on it. */
        EXPECT(rig_make(&other, 0, MEMORY_PLAIN) == KP_ERR_BAD_STATE);
        rig_end(&other);
        while (count > 0) {
            EXPECT(kp_guest_destroy((uint64_t)addresses[--count]) == KP_OK);
            EXPECT(kp_guest_destroy((uint64_t)addresses[count]) == KP_ERR_NOT_FOUND);
        }
    }
    EXPECT(rig_make(&other, 0, MEMORY_PLAIN) == KP_OK);
    rig_end(&other);
    /* Threads wait on words of linear memory. */
    EXPECT(rig_make(&other, 0, MEMORY_SHARED) == KP_ERR_BAD_STATE);
    rig_end(&other);
    rig_end(&rig);
    memory_maximum = (uint64_t)4 << 30;
    result("exhaustion");
}

static void test_forged(void)
{
    static rig_t rig;
    EXPECT(rig_make(&rig, 0, MEMORY_PLAIN) == KP_OK);
    uint64_t base = (uintptr_t)memory_of(&rig)->base;
    kp_handle_t event = (kp_handle_t)kp_event_create();
    EXPECT(kp_guest_create(event, RESERVE) == KP_ERR_WRONG_TYPE);
    EXPECT(kp_guest_create(compiler.service, RESERVE) == KP_ERR_WRONG_TYPE);
    EXPECT(kp_guest_create(0, RESERVE) < 0 && kp_guest_create(0x7fffffff, RESERVE) < 0);
    int64_t no_map = kp_handle_duplicate(rig.artefact.code, KP_RIGHT_EXECUTE);
    EXPECT(no_map < 0 || kp_guest_create((kp_handle_t)no_map, RESERVE) == KP_ERR_ACCESS_DENIED);
    EXPECT(kp_guest_create(rig.artefact.code, RESERVE + PAGE) == KP_ERR_INVALID_ARGUMENT);
    EXPECT(kp_guest_create(rig.artefact.code, PAGE + 4096) == KP_ERR_INVALID_ARGUMENT);
    const uint64_t addresses[] = {0,
                                  base + PAGE,
                                  base - PAGE,
                                  base + 1,
                                  rig.artefact.address,
                                  ~0ull,
                                  (uintptr_t)kp_native_memory,
                                  0xffff800000000000ull};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        EXPECT(kp_guest_grow(addresses[i], 1) == KP_ERR_NOT_FOUND);
        EXPECT(kp_guest_destroy(addresses[i]) == KP_ERR_NOT_FOUND);
        EXPECT(addresses[i] == 0 || kp_guest_handler(addresses[i]) == KP_ERR_BAD_ADDRESS);
    }
    EXPECT(kp_guest_handler(base) == KP_ERR_BAD_ADDRESS);
    EXPECT(kp_guest_handler((uintptr_t)&failures) == KP_ERR_BAD_ADDRESS);
    EXPECT(kp_guest_handler((uintptr_t)&rig) == KP_ERR_BAD_ADDRESS);
    EXPECT(kp_guest_grow(base, UINT64_MAX) < 0 && kp_guest_grow(base, 262144) < 0);
    /* The handler that was there still is. */
    EXPECT(call(&rig, 0, SIZE) == UINT64_MAX);
    (void)kp_handle_close(event);
    rig_end(&rig);
    result("forged");
}

/* ---- ways to end ---- */

static rig_t ending;

/* Touches the memory beyond its size, from outside of compiled code. */
static void touch(void)
{
    *(volatile uint8_t *)(memory_of(&ending)->base + SIZE) = 1;
}

__asm__(".globl guest_test_handler\n"
        ".hidden guest_test_handler\n"
        "guest_test_handler:\n"
        "    movb $1, (%rdi)\n" /* once more, from here */
        "    ud2\n");
void guest_test_handler(void);

static void end_touch(void)
{
    touch();
}

static void end_handler_faults(void)
{
    EXPECT(kp_guest_handler((uintptr_t)guest_test_handler) == KP_OK);
    (void)call(&ending, 0, SIZE);
}

static void end_no_handler(void)
{
    EXPECT(kp_guest_handler(0) == KP_OK);
    (void)call(&ending, 0, SIZE);
}

static void end_destroyed(void)
{
    EXPECT(kp_guest_destroy((uintptr_t)memory_of(&ending)->base) == KP_OK);
    (void)call(&ending, 0, 0);
}

static void end_execute(void)
{
    uint8_t *base = memory_of(&ending)->base;
    base[0] = 0xc3;
    ((void (*)(void))(uintptr_t)base)();
}

/* Compiled code of an instance whose memory is another's: the runtime's own check. */
static void end_wrong_instance(void)
{
    memory_of(&ending)->reserved = PAGE;
    (void)call(&ending, 0, SIZE);
}

static const struct {
    const char *name;
    void (*function)(void);
} ends[] = {
    {"touch", end_touch},           {"handler-faults", end_handler_faults},
    {"no-handler", end_no_handler}, {"destroyed", end_destroyed},
    {"execute", end_execute},       {"wrong-instance", end_wrong_instance},
};

int main(int argc, char **argv)
{
    kp_native_output_set(kp_startup_take("stdout"));
    kp_handle_t service = kp_startup_take("svc:compiler");
    if (service == KP_HANDLE_NONE || kp_compiler_connect(&compiler, service) != KP_OK) {
        printf("not ok guest: no compiler\n");
        return 1;
    }
    for (int i = 1; i < argc; i++) {
        for (size_t k = 0; k < sizeof ends / sizeof ends[0]; k++) {
            if (strcmp(argv[i], ends[k].name) != 0)
                continue;
            EXPECT(rig_make(&ending, 0, MEMORY_PLAIN) == KP_OK);
            printf("# ends now\n");
            fflush(stdout);
            ends[k].function();
            printf("not ok guest-%s: it goes on\n", ends[k].name);
            return 1;
        }
    }
    EXPECT(kp_wasm_platform_guard());
    test_bounds();
    if (failures == 0) {
        test_grow();
        test_exhaustion();
        test_forged();
        test_all_memory();
    }
    return failures ? 1 : 0;
}
