/* A hostile server of files against WASI's client of them: replies with any status, sizes, names, types and handles,
   cut off or too long, or none at all. The program gets an error or nonsense; nothing of it is harmed, and every handle
   that came is closed.

   Input: steps. A step is a WASI call (which, on what), then the server's answers to what it asks. */
#include <stdlib.h>
#include <string.h>

static void *noted_realloc(void *old, size_t size);
#define realloc noted_realloc
#include "runtime/wasi/kpio_ask.c"
#undef realloc

#include "runtime/wasi/wasi.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { MEMORY = 16384, PATH_AT = 100, OTHER_AT = 200, DATA_AT = 4096, RESULT_AT = 16, NOTES = 64 };

static const uint8_t *input;
static size_t input_left;
static uint8_t memory[MEMORY];
static long handles_open;

static uint64_t take(unsigned width)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < width && input_left > 0; i++, input++, input_left--)
        value |= (uint64_t)*input << (8 * i);
    return value;
}

/* Calls carry 32 bits of an address: the client's buffers are found again by them. */
static void *notes[NOTES];
static unsigned note_count;

static void *noted_realloc(void *old, size_t size)
{
    void *made = realloc(old, size);
    notes[note_count++ % NOTES] = made;
    return made;
}

static uint8_t *noted(uint32_t low)
{
    for (unsigned i = 0; i < NOTES; i++) {
        uint8_t *made = notes[(note_count - 1 - i) % NOTES];
        if ((uint32_t)(uintptr_t)made == low)
            return made;
    }
    abort();
}

static int64_t answer(kp_channel_call_t *call)
{
    const uint8_t how = (uint8_t)take(1);
    uint8_t *bytes = noted(call->reply.bytes);
    kp_file_request_t request;
    if (call->request.byte_count < sizeof(request) || call->request.bytes != call->reply.bytes)
        abort();
    memcpy(&request, bytes, sizeof(request));
    if (how % 16 == 15)
        return KP_ERR_PEER_CLOSED;
    kp_file_reply_t reply = {.status = how & 16 ? -(int32_t)(take(1) % 50) : 0,
                             .id = (uint32_t)take(1),
                             .type = (uint32_t)take(1) % 7,
                             .position = how & 32 ? take(8) : 0};
    uint32_t room = call->reply.byte_count - (uint32_t)sizeof(reply);
    uint32_t data = (uint32_t)take(how & 64 ? 2 : 1) % (room + 1);
    if (request.operation == KP_FILE_STAT && !(how & 128))
        data = sizeof(kp_file_stat_t) <= room ? sizeof(kp_file_stat_t) : room;
    bool writes = request.operation == KP_FILE_WRITE;
    reply.count = how % 16 == 14 ? (uint32_t)take(4) : writes ? request.first_size : data;
    if (how % 16 != 13 && (writes || (reply.status && reply.status != KP_ERR_ELSEWHERE)))
        data = 0;
    memcpy(bytes, &reply, sizeof(reply));
    for (uint32_t i = 0; i < data; i++)
        bytes[sizeof(reply) + i] = (uint8_t)take(1);
    call->reply.byte_count =
        how % 16 == 12 ? (uint32_t)take(1) % sizeof(reply) : (uint32_t)sizeof(reply) + data;
    bool sends = how % 16 == 11 || (reply.status == KP_ERR_ELSEWHERE && how % 16 != 10);
    call->reply.handle_count = sends;
    if (sends) {
        uintptr_t high = (uintptr_t)call & ~(uintptr_t)UINT32_MAX; /* both lie on the stack */
        *(kp_handle_t *)(high | call->reply.handles) = 7;
        handles_open++;
    }
    return KP_OK;
}

int64_t kp_call(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                uint64_t a5)
{
    (void)a0, (void)a2, (void)a3, (void)a4, (void)a5;
    switch (number) {
    case KP_CALL_channel_call:
        return answer((kp_channel_call_t *)(uintptr_t)a1);
    case KP_CALL_handle_close:
        handles_open--;
        return KP_OK;
    default:
        return KP_ERR_NOT_SUPPORTED;
    }
}

const char *kp_startup_name(size_t index)
{
    (void)index;
    return NULL;
}

kp_handle_t kp_startup_take(const char *name)
{
    (void)name;
    return KP_HANDLE_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const uint16_t functions[] = {KP_WASI_path_open,
                                         KP_WASI_path_open,
                                         KP_WASI_path_filestat_get,
                                         KP_WASI_path_create_directory,
                                         KP_WASI_path_rename,
                                         KP_WASI_path_symlink,
                                         KP_WASI_path_readlink,
                                         KP_WASI_path_unlink_file,
                                         KP_WASI_fd_readdir,
                                         KP_WASI_fd_read,
                                         KP_WASI_fd_write,
                                         KP_WASI_fd_seek,
                                         KP_WASI_fd_filestat_get,
                                         KP_WASI_fd_pread,
                                         KP_WASI_fd_close,
                                         KP_WASI_path_link,
                                         KP_WASI_fd_filestat_set_size};
    const kp_wasi_options_t options = {.host = &kp_wasi_kpio_host, .descriptors_max = 30};
    const kp_handle_t streams[3] = {KP_HANDLE_NONE, KP_HANDLE_NONE, KP_HANDLE_NONE};
    kp_wasi_t *wasi;
    input = bytes;
    input_left = size;
    handles_open = 1;
    memset(memory, 'p', sizeof(memory));
    if (kp_wasi_create(&options, &wasi) != KP_OK || kp_wasi_kpio_streams(wasi, streams) != KP_OK ||
        kp_wasi_kpio_give_directory(wasi, 5, "/", false) != KP_OK)
        abort();
    const uint32_t vector[2] = {DATA_AT, 5000};
    while (input_left > 0) {
        uint16_t function = functions[take(1) % (sizeof(functions) / sizeof(functions[0]))];
        uint64_t fd = 3 + take(1) % 5, lookup = take(1) % 2, oflags = take(1) % 16;
        memcpy(memory + 40, vector, sizeof(vector));
        uint64_t arguments[10] = {fd, PATH_AT, 3, 200, RESULT_AT, RESULT_AT, 8, 8, RESULT_AT, 0};
        switch (function) {
        case KP_WASI_path_open:
            memcpy(arguments,
                   (const uint64_t[9]){fd, lookup, PATH_AT, 3, oflags, KP_WASI_RIGHTS_ALL,
                                       KP_WASI_RIGHTS_ALL, 0, RESULT_AT},
                   9 * sizeof(uint64_t));
            break;
        case KP_WASI_path_filestat_get:
            memcpy(arguments, (const uint64_t[5]){fd, lookup, PATH_AT, 3, DATA_AT},
                   5 * sizeof(uint64_t));
            break;
        case KP_WASI_path_rename:
            memcpy(arguments, (const uint64_t[6]){fd, PATH_AT, 3, 3 + oflags % 4, OTHER_AT, 2},
                   6 * sizeof(uint64_t));
            break;
        case KP_WASI_path_link:
            memcpy(arguments, (const uint64_t[7]){fd, 0, PATH_AT, 3, 3 + oflags % 4, OTHER_AT, 2},
                   7 * sizeof(uint64_t));
            break;
        case KP_WASI_path_symlink:
            memcpy(arguments, (const uint64_t[5]){OTHER_AT, 2, fd, PATH_AT, 3},
                   5 * sizeof(uint64_t));
            break;
        case KP_WASI_path_readlink:
            memcpy(arguments, (const uint64_t[6]){fd, PATH_AT, 3, DATA_AT, 50, RESULT_AT},
                   6 * sizeof(uint64_t));
            break;
        case KP_WASI_fd_readdir:
            memcpy(arguments, (const uint64_t[5]){fd, DATA_AT, 3000, oflags, RESULT_AT},
                   5 * sizeof(uint64_t));
            break;
        case KP_WASI_fd_read:
        case KP_WASI_fd_write:
            memcpy(arguments, (const uint64_t[4]){fd, 40, 1, RESULT_AT}, 4 * sizeof(uint64_t));
            break;
        case KP_WASI_fd_pread:
            memcpy(arguments, (const uint64_t[5]){fd, 40, 1, oflags, RESULT_AT},
                   5 * sizeof(uint64_t));
            break;
        case KP_WASI_fd_seek:
            memcpy(arguments, (const uint64_t[4]){fd, oflags, 2, RESULT_AT}, 4 * sizeof(uint64_t));
            break;
        case KP_WASI_fd_filestat_get:
            memcpy(arguments, (const uint64_t[2]){fd, DATA_AT}, 2 * sizeof(uint64_t));
            break;
        default:
            break;
        }
        (void)kp_wasi_call(wasi, (kp_wasi_memory_t){memory, MEMORY}, function, arguments);
    }
    kp_wasi_destroy(wasi);
    if (handles_open != 0)
        abort();
    return 0;
}
