/* The cache's directory, hostile in two ways; the first byte chooses. 0: a good entry whose file was changed by the
   input's patches (two bytes of offset, one of count, bytes): what is loaded is what was stored, or nothing. 1: a server
   that answers anything that kpio_ask.c lets through; nothing is loaded that it did not have the secret for, which it
   has: then only memory is at stake, and that it ends. */
#include "services/compiler/test/disk_files.h"

#define MUST(condition) ((condition) ? (void)0 : abort())

enum { CODE = 9000 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const uint8_t *input;
static size_t input_left;
static kp_compiler_disk_t disk;
static const kp_compiler_key_t key = {.version = 1, .count = UINT32_MAX};

static uint64_t take(unsigned width)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < width && input_left > 0; i++, input++, input_left--)
        value |= (uint64_t)*input << (8 * i);
    return value;
}

static uint8_t code_at(uint64_t at)
{
    return (uint8_t)(at * 5 + (at >> 8));
}

static void store(void)
{
    kp_handle_t vmo = host_vmo(CODE);
    MUST(vmo != KP_HANDLE_NONE);
    for (uint64_t i = 0; i < CODE; i++)
        host_vmo_bytes(vmo)[i] = code_at(i);
    kp_compiler_disk_store(&disk, &key, vmo, CODE, NULL);
    unsigned steps = 0;
    while (kp_compiler_disk_step(&disk))
        MUST(++steps < 200000);
}

static void load(bool is_compared)
{
    kp_compiler_load_t loaded;
    kp_status_t status = kp_compiler_load_begin(&disk, &key, &loaded);
    unsigned steps = 0;
    if (status == KP_OK) {
        do
            status = kp_compiler_load_step(&disk, &loaded);
        while (status == KP_ERR_SHOULD_WAIT && ++steps < 100000 && input_left > 0);
    }
    MUST(status == KP_OK || status == KP_ERR_NOT_FOUND || status == KP_ERR_SHOULD_WAIT);
    if (status == KP_OK && is_compared) {
        MUST(loaded.header.size == CODE);
        for (uint64_t i = 0; i < CODE; i++)
            MUST(host_vmo_bytes(loaded.vmo)[i] == code_at(i));
    }
    kp_compiler_load_end(&disk, &loaded);
}

/* Anything that has the form which kpio_ask.c sees to. */
static bool lie(kp_wasi_kpio_ask_t *ask, uint8_t *data, size_t room)
{
    if (input_left == 0) {
        ask->reply.status = KP_ERR_PEER_CLOSED;
        return true;
    }
    uint8_t what = (uint8_t)take(1);
    if (what & 0x80) /* an honest answer */
        return false;
    ask->reply.status = what & 0x40 ? -(kp_status_t)(what & 0x3f) : KP_OK;
    if (ask->reply.status != KP_OK)
        return true;
    ask->reply.id = (uint32_t)take(1);
    ask->reply.type = what & 7;
    if (ask->request.operation == KP_FILE_WRITE) {
        ask->reply.count = (uint32_t)take(2);
        if (ask->reply.count > ask->request.first_size)
            ask->reply.count = ask->request.first_size;
        return true;
    }
    ask->reply.count = (uint32_t)(what & 8 ? take(1) : take(2));
    if (ask->reply.count > room)
        ask->reply.count = (uint32_t)room;
    memset(data, what, ask->reply.count);
    for (uint32_t i = 0; i < ask->reply.count && i < 400 && input_left > 0; i++)
        data[i] = (uint8_t)take(1);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    input = bytes;
    input_left = size;
    bool lies = take(1) & 1;
    files_clear();
    memset(&disk, 0, sizeof(disk));
    kp_compiler_disk_init(&disk, 1, 100000);
    files_hook = lies ? lie : NULL;
    store();
    if (!lies) {
        file_t *entry = NULL;
        for (unsigned i = 0; i < FILES_MAX; i++)
            if (strstr(files[i].name, ".code"))
                entry = &files[i];
        MUST(entry && entry->size == KP_CODE_ENTRY_AT + CODE);
        load(true);
        MUST(disk.loaded == 1);
        while (input_left > 3) {
            uint64_t at = take(2), count = take(1);
            if (at == 0xffff) /* its size instead */
                entry->size = take(2) * 3 % FILE_ROOM;
            for (; count > 0 && at != 0xffff && input_left > 0; count--, at++)
                entry->bytes[at] = (uint8_t)take(1);
        }
    }
    load(!lies);
    kp_compiler_disk_close(&disk);
    MUST(servers == 0 && host_vmo_count == 0);
    return 0;
}
