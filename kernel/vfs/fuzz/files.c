/* A hostile client of the kernel's files: messages of any content, handles of any kind, to several connections of one
   namespace with mounts. Nothing crashes, and when the client dies nothing is left.

   Input: a list of steps. A step is one byte that says what follows: a request (its fields from the input, with small
   numbers so that ids and paths meet), a raw message, or a connection to close. */
#include <assert.h>
#include <stdlib.h>

#include "kernel/vfs/test/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

typedef struct input {
    const uint8_t *at;
    size_t left;
} input_t;

static uint64_t take(input_t *input, unsigned width)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < width && input->left > 0; i++, input->at++, input->left--)
        value |= (uint64_t)*input->at << (8 * i);
    return value;
}

/* A path of few names, or what the input has. */
static uint32_t path_take(input_t *input, char *path)
{
    static const char *const names[] = {"a", "b", "m", "n", "..", ".", "a/b", "/", "dev/null", "x"};
    uint32_t size = 0;
    for (uint64_t count = take(input, 1) % 5; count > 0; count--) {
        uint64_t which = take(input, 1);
        if (which % 16 < KP_ARRAY_COUNT(names)) {
            const char *name = names[which % 16];
            memcpy(path + size, name, strlen(name));
            size += (uint32_t)strlen(name);
        } else {
            path[size++] = (char)take(input, 1);
        }
        if (which & 16)
            path[size++] = '/';
    }
    return size;
}

enum { CONNECTIONS = 8 };
static kp_handle_t connections[CONNECTIONS];
static unsigned next_place;
static client_t client;

static void keep(kp_handle_t handle)
{
    kp_handle_t *place = &connections[next_place++ % CONNECTIONS];
    if (handle == KP_HANDLE_NONE)
        return;
    if (*place)
        (void)kp_test_call(client.process, handle_close, *place);
    *place = handle;
}

static kp_handle_t handle_make(input_t *input)
{
    uint8_t *memory = kp_test_memory(client.process, 0);
    kp_handle_t ends[2] = {0, 0};
    int64_t vmo;
    switch (take(input, 1) % 4) {
    case 0:
        return KP_HANDLE_NONE;
    case 1:
        vmo = kp_test_call(client.process, vmo_create, 65536);
        return vmo > 0 ? (kp_handle_t)vmo : KP_HANDLE_NONE;
    default:
        if (kp_test_call(client.process, channel_create, 0x800) != KP_OK)
            return KP_HANDLE_NONE;
        memcpy(ends, memory + 0x800, sizeof(ends));
        keep(ends[0]);
        return ends[1];
    }
}

static void request_send(input_t *input)
{
    static const uint64_t offsets[] = {0,          1,        4095, 4096, 100000, UINT64_C(1) << 33,
                                       UINT64_MAX, INT64_MAX};
    char first[256], second[256];
    uint64_t shape = take(input, 1);
    kp_file_request_t request = {
        .operation = (uint32_t)take(input, 1) % (KP_FILE_OPERATIONS + 1),
        .id = (uint32_t)take(input, 1) % 12,
        .flags = (uint32_t)take(input, 2),
        .rights = (uint32_t)take(input, 1),
        .offset = shape & 1 ? offsets[take(input, 1) % 8] : take(input, 2),
        .count = (uint32_t)take(input, 2) * (shape & 2 ? 16 : 1),
        .other = (uint32_t)take(input, 1) % 12,
        .buffer_offset = shape & 4 ? offsets[take(input, 1) % 8] : 0,
    };
    request.first_size = path_take(input, first);
    request.second_size = shape & 8 ? path_take(input, second) : 0;
    kp_handle_t handle = shape & 16 ? handle_make(input) : KP_HANDLE_NONE;
    client.channel = connections[shape >> 5];
    (void)client_ask(&client, request, first, second, handle);
    keep(client.handle);
    if (handle) /* one that was not sent is still there */
        (void)kp_test_call(client.process, handle_close, handle);
}

static void raw_send(input_t *input)
{
    uint8_t *memory = kp_test_memory(client.process, 0);
    uint64_t where = take(input, 1), size = take(input, 1);
    for (uint64_t i = 0; i < size; i++)
        memory[CLIENT_REQUEST_AT + i] = (uint8_t)take(input, 1);
    (void)kp_test_call(client.process, channel_write, connections[where % CONNECTIONS],
                       CLIENT_REQUEST_AT, size, 0, 0);
}

static void begin(void)
{
    static const kp_job_limits_t limits = {
        .handles = 200, .queued_bytes = 1 << 20, .pages = 1000, .processes = 4, .objects = 400};
    const kp_ramfs_options_t options = {.pages_max = 300};
    kp_vfs_source_t *source;
    kp_capability_t capability;
    client = (client_t){.process = kp_test_process_limited(CLIENT_PAGES, CLIENT_PAGES, &limits)};
    bool good = client.process && kp_vfs_init() == KP_OK &&
                kp_ramfs_create(&options, &source) == KP_OK &&
                kp_vfs_mount("m", source, KP_FILE_RIGHTS_CHANGE) == KP_OK;
    assert(good);
    kp_vfs_source_release(source);
    memset(connections, 0, sizeof(connections));
    for (int i = 0; i < 3; i++) {
        good =
            kp_vfs_root_open(i == 2 ? "m" : "", i == 1 ? KP_FILE_RIGHTS_CHANGE : KP_FILE_RIGHTS_ALL,
                             client.process->quota, &capability) == KP_OK &&
            kp_handle_add(&client.process->handles, capability, &connections[i]) == KP_OK;
        assert(good);
    }
    (void)good;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    input_t input = {bytes, size};
    static bool begun;
    kp_test_attach("fuzz");
    if (!begun && kp_vfs_init() != KP_OK) /* the service `file` stays for ever */
        abort();
    if (!begun)
        kp_vfs_fini();
    begun = true;
    next_place = 3;
    uint64_t objects = kp_object_count(KP_TYPE_NONE), allocations = kp_test_allocations();
    begin();
    while (input.left > 0) {
        switch (take(&input, 1) % 8) {
        case 0:
            raw_send(&input);
            break;
        case 1: {
            kp_handle_t *place = &connections[take(&input, 1) % CONNECTIONS];
            (void)kp_test_call(client.process, handle_close, *place);
            *place = KP_HANDLE_NONE;
            break;
        }
        default:
            request_send(&input);
        }
    }
    kp_test_process_end(client.process);
    kp_vfs_fini();
    if (kp_object_count(KP_TYPE_NONE) != objects || kp_test_allocations() != allocations)
        abort();
    return 0;
}
