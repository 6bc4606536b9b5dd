/* Each input is what a hostile program does: it writes into its memory and calls functions with any arguments, over the
   host KPIO and a kernel that this plays. Memory is exactly as large as it says, so that AddressSanitizer sees a byte
   too far. Records:
     0xxxxxxx: function x modulo their number, then as many arguments as it has: a byte of kind (low 3 bits: 0 one
               byte follows, 1 two bytes, 2 the memory's size less one byte, 3 four bytes, 4 eight bytes)
     1xxxxxxx: x bytes (x < 126) of two bytes' address into memory; 126, 127: kernel memory is short, or not */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "abi/reader.h"
#include "runtime/program/kp.h"
#include "runtime/wasi/internal.h"
#include "runtime/wasi/kpio.h"
#include "runtime/wasi/test/fake_kernel.h"
#include "runtime/wasi/tree.h"

enum { MEMORY = 8192, DESCRIPTORS = 16, TREE_BYTES = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t argument(kp_reader_t *reader)
{
    switch (kp_reader_u8(reader) & 7) {
    case 0:
        return kp_reader_u8(reader);
    case 1:
        return kp_reader_u16(reader);
    case 2:
        return MEMORY - (uint64_t)kp_reader_u8(reader);
    case 3:
        return kp_reader_u32(reader);
    default:
        return kp_reader_u64(reader);
    }
}

static void memory_write(kp_reader_t *reader, uint8_t *memory, size_t count)
{
    size_t at = kp_reader_u16(reader) % MEMORY;
    const uint8_t *bytes = kp_reader_borrow(reader, count);
    if (bytes)
        memcpy(memory + at, bytes, count < MEMORY - at ? count : MEMORY - at);
}

static void call(kp_reader_t *reader, kp_wasi_t *wasi, uint8_t *memory, unsigned function)
{
    const char *types = kp_wasi_signatures[function].parameters;
    uint64_t arguments[9] = {0};
    for (size_t i = 0; types[i]; i++) {
        arguments[i] = argument(reader);
        if (types[i] == 'i')
            arguments[i] = (uint32_t)arguments[i];
    }
    kp_wasi_errno_t error = kp_wasi_call(wasi, (kp_wasi_memory_t){memory, MEMORY},
                                         (kp_wasi_function_t)function, arguments);
    assert(error <= KP_WASI_NOTCAPABLE);
    assert(wasi->descriptor_count <= DESCRIPTORS);
}

static kp_wasi_t *create(kp_wasi_tree_t *tree, kp_handle_t ends[2])
{
    static const char *const arguments[] = {"program", "two words"};
    const kp_wasi_options_t options = {.host = &kp_wasi_kpio_host,
                                       .arguments = arguments,
                                       .argument_count = 2,
                                       .descriptors_max = DESCRIPTORS};
    kp_wasi_t *wasi;
    kp_handle_t made[2];
    if (kp_channel_create(made) != KP_OK || kp_wasi_create(&options, &wasi) != KP_OK)
        abort();
    ends[0] = made[0];
    (void)kp_channel_write(ends[0], "input of the program", 20, NULL, 0);
    ends[1] = fake_device();
    const kp_handle_t streams[3] = {made[1], ends[1], KP_HANDLE_NONE};
    if (kp_wasi_kpio_streams(wasi, streams) != KP_OK ||
        kp_wasi_give_directory(wasi, kp_wasi_tree_root(tree), "/tmp", false) != KP_OK ||
        kp_wasi_kpio_files(wasi, "/") != KP_OK)
        abort();
    return wasi;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const kp_wasi_tree_options_t options = {
        .host = &kp_wasi_kpio_host, .bytes_max = TREE_BYTES, .device = 1};
    kp_reader_t reader = kp_reader_init(data, size);
    kp_wasi_tree_t *tree;
    kp_handle_t ends[2];
    uint8_t *memory = calloc(1, MEMORY);
    if (!memory || kp_wasi_tree_create(&options, &tree) != KP_OK)
        abort();
    fake_endless_waits_end(true);
    kp_wasi_t *wasi = create(tree, ends);
    for (unsigned count = 0; kp_reader_left(&reader) > 0 && !reader.failed && count < 500;
         count++) {
        uint8_t what = kp_reader_u8(&reader);
        if (what < 0x80)
            call(&reader, wasi, memory, what % KP_WASI_FUNCTIONS);
        else if (what >= 0xfe)
            fake_memory_is_short(what & 1);
        else
            memory_write(&reader, memory, what & 0x7f);
    }
    fake_memory_is_short(false);
    kp_wasi_destroy(wasi);
    kp_wasi_tree_release(tree);
    (void)kp_handle_close(ends[0]); /* the test's own end */
    assert(fake_open_handles() == 0);
    free(memory);
    return 0;
}
