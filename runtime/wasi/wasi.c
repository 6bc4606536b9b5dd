#include "runtime/wasi/wasi.h"

#include <stdlib.h>

#include "runtime/wasi/internal.h"

#define TYPES_0() ""
#define TYPES_1(a) #a
#define TYPES_2(a, ...) #a TYPES_1(__VA_ARGS__)
#define TYPES_3(a, ...) #a TYPES_2(__VA_ARGS__)
#define TYPES_4(a, ...) #a TYPES_3(__VA_ARGS__)
#define TYPES_5(a, ...) #a TYPES_4(__VA_ARGS__)
#define TYPES_6(a, ...) #a TYPES_5(__VA_ARGS__)
#define TYPES_7(a, ...) #a TYPES_6(__VA_ARGS__)
#define TYPES_8(a, ...) #a TYPES_7(__VA_ARGS__)
#define TYPES_9(a, ...) #a TYPES_8(__VA_ARGS__)
const kp_wasi_signature_t kp_wasi_signatures[KP_WASI_FUNCTIONS] = {
#define WASI_FUNCTION(name, count, ...) {#name, TYPES_##count(__VA_ARGS__)},
#include "runtime/wasi/functions.def"
};

static const kp_wasi_fn functions[KP_WASI_FUNCTIONS] = {
#define WASI_FUNCTION(name, ...) kp_wasi_fn_##name,
#include "runtime/wasi/functions.def"
};

/* ---- creation ---- */

kp_status_t kp_wasi_create(const kp_wasi_options_t *options, kp_wasi_t **out)
{
    kp_wasi_t *wasi = calloc(1, sizeof(*wasi));
    if (!wasi)
        return KP_ERR_NO_MEMORY;
    wasi->options = *options;
    if (wasi->options.descriptors_max == 0)
        wasi->options.descriptors_max = 1024;
    *out = wasi;
    return KP_OK;
}

void kp_wasi_destroy(kp_wasi_t *wasi)
{
    if (!wasi)
        return;
    for (uint32_t i = 0; i < wasi->descriptor_count; i++)
        kp_wasi_descriptor_close(wasi, &wasi->descriptors[i]);
    free(wasi->descriptors);
    free(wasi);
}

kp_status_t kp_wasi_give(kp_wasi_t *wasi, kp_wasi_file_t *file, uint64_t rights_base,
                         uint64_t rights_inheriting, const char *name, uint32_t *descriptor)
{
    char *copy = NULL;
    uint32_t number;
    if (name) {
        size_t size = strlen(name) + 1;
        copy = malloc(size);
        if (!copy) {
            file->ops->close(file);
            return KP_ERR_NO_MEMORY;
        }
        memcpy(copy, name, size);
    }
    kp_wasi_errno_t error =
        kp_wasi_descriptor_open(wasi, file, rights_base, rights_inheriting, &number);
    if (error) {
        free(copy);
        return error == KP_WASI_MFILE ? KP_ERR_QUOTA : KP_ERR_NO_MEMORY;
    }
    wasi->descriptors[number].preopen = copy;
    if (descriptor)
        *descriptor = number;
    return KP_OK;
}

#define RIGHT(name) KP_WASI_RIGHT(KP_WASI_RIGHT_##name)
#define POSITION_RIGHTS (RIGHT(FD_SEEK) | RIGHT(FD_TELL))
#define STREAM_RIGHTS                                                                 \
    (RIGHT(FD_FDSTAT_SET_FLAGS) | RIGHT(FD_FILESTAT_GET) | RIGHT(POLL_FD_READWRITE) | \
     RIGHT(FD_SYNC) | RIGHT(FD_DATASYNC))
#define READ_ONLY_RIGHTS                                                                          \
    (RIGHT(FD_READ) | POSITION_RIGHTS | RIGHT(FD_ADVISE) | RIGHT(PATH_OPEN) | RIGHT(FD_READDIR) | \
     RIGHT(PATH_READLINK) | RIGHT(PATH_FILESTAT_GET) | RIGHT(FD_FILESTAT_GET) |                   \
     RIGHT(POLL_FD_READWRITE))

kp_status_t kp_wasi_give_stream(kp_wasi_t *wasi, kp_wasi_file_t *file, bool is_input,
                                bool is_terminal)
{
    uint64_t rights = STREAM_RIGHTS | (is_input ? RIGHT(FD_READ) : RIGHT(FD_WRITE));
    /* wasi-libc takes a character device that may seek for none of a person's. */
    if (file->ops->seek || (file->type == KP_WASI_FILETYPE_CHARACTER_DEVICE && !is_terminal))
        rights |= POSITION_RIGHTS;
    return kp_wasi_give(wasi, file, rights, 0, NULL, NULL);
}

kp_status_t kp_wasi_give_directory(kp_wasi_t *wasi, kp_wasi_file_t *file, const char *name,
                                   bool read_only)
{
    uint64_t rights = read_only ? READ_ONLY_RIGHTS : KP_WASI_RIGHTS_ALL;
    return kp_wasi_give(wasi, file, rights & KP_WASI_DIRECTORY_RIGHTS, rights, name, NULL);
}

bool kp_wasi_has_exited(const kp_wasi_t *wasi, uint32_t *code)
{
    if (wasi->exited)
        *code = wasi->exit_code;
    return wasi->exited;
}

kp_wasi_errno_t kp_wasi_call(kp_wasi_t *wasi, kp_wasi_memory_t memory, kp_wasi_function_t function,
                             const uint64_t *arguments)
{
    kp_wasi_context_t context = {.wasi = wasi, .memory = memory, .arguments = arguments};
    return functions[function](&context);
}

/* ---- reading arguments ---- */

kp_wasi_errno_t kp_wasi_spans_read(const kp_wasi_context_t *c, uint32_t vector, uint32_t count,
                                   kp_wasi_span_t *spans, uint64_t *total)
{
    *total = 0;
    if (count > KP_WASI_SPANS_MAX)
        return KP_WASI_INVAL;
    const uint8_t *at = kp_wasi_at(c, vector, (uint64_t)count * KP_WASI_SIZE_IOVEC);
    if (!at)
        return KP_WASI_FAULT;
    for (uint32_t i = 0; i < count; i++, at += KP_WASI_SIZE_IOVEC) {
        uint32_t length = kp_wasi_get32(at + 4);
        spans[i].bytes = kp_wasi_at(c, kp_wasi_get32(at), length);
        spans[i].count = length;
        if (!spans[i].bytes)
            return KP_WASI_FAULT;
        *total += length;
    }
    return *total > UINT32_MAX ? KP_WASI_OVERFLOW : KP_WASI_SUCCESS;
}

/* Well-formed UTF-8 without NUL (Unicode, table 3-7). */
static bool is_text(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count;) {
        uint8_t b = bytes[i++];
        if (b == 0)
            return false;
        if (b < 0x80)
            continue;
        unsigned more = b >= 0xf0 ? 3 : b >= 0xe0 ? 2 : 1;
        if (b < 0xc2 || b > 0xf4 || more > count - i)
            return false;
        uint8_t low = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80;
        uint8_t high = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
        for (unsigned k = 0; k < more; k++, low = 0x80, high = 0xbf) {
            uint8_t next = bytes[i++];
            if (next < low || next > high)
                return false;
        }
    }
    return true;
}

kp_wasi_errno_t kp_wasi_path_read(const kp_wasi_context_t *c, uint32_t address, uint32_t length,
                                  char buffer[KP_WASI_PATH_MAX], kp_wasi_path_t *path)
{
    const uint8_t *at = kp_wasi_at(c, address, length);
    if (!at)
        return KP_WASI_FAULT;
    if (length >= KP_WASI_PATH_MAX)
        return KP_WASI_NAMETOOLONG;
    if (!is_text(at, length))
        return KP_WASI_ILSEQ;
    if (length == 0)
        return KP_WASI_NOENT;
    memcpy(buffer, at, length);
    buffer[length] = 0;
    *path = (kp_wasi_path_t){buffer, length};
    return KP_WASI_SUCCESS;
}

void kp_wasi_filestat_write(uint8_t *at, const kp_wasi_filestat_t *stat)
{
    memset(at, 0, KP_WASI_SIZE_FILESTAT);
    kp_wasi_put64(at, stat->device);
    kp_wasi_put64(at + 8, stat->inode);
    at[16] = (uint8_t)stat->type;
    kp_wasi_put64(at + 24, stat->links);
    kp_wasi_put64(at + 32, stat->size);
    kp_wasi_put64(at + 40, stat->access_ns);
    kp_wasi_put64(at + 48, stat->modification_ns);
    kp_wasi_put64(at + 56, stat->change_ns);
}

/* ---- arguments, environment ---- */

static uint64_t texts_size(const char *const *texts, size_t count)
{
    uint64_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += strlen(texts[i]) + 1;
    return size;
}

static kp_wasi_errno_t texts_sizes(const kp_wasi_context_t *c, const char *const *texts,
                                   size_t count)
{
    kp_wasi_errno_t error = kp_wasi_write32(c, kp_wasi_u32(c, 0), count);
    return error ? error : kp_wasi_write32(c, kp_wasi_u32(c, 1), texts_size(texts, count));
}

static kp_wasi_errno_t texts_get(const kp_wasi_context_t *c, const char *const *texts, size_t count)
{
    uint32_t buffer = kp_wasi_u32(c, 1);
    uint8_t *pointers = kp_wasi_at(c, kp_wasi_u32(c, 0), (uint64_t)count * 4);
    uint8_t *to = kp_wasi_at(c, buffer, texts_size(texts, count));
    if (!pointers || !to)
        return KP_WASI_FAULT;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(texts[i]) + 1;
        memcpy(to, texts[i], size);
        kp_wasi_put32(pointers + i * 4, buffer);
        to += size;
        buffer += (uint32_t)size;
    }
    return KP_WASI_SUCCESS;
}

#define ARGUMENTS c->wasi->options.arguments, c->wasi->options.argument_count
#define ENVIRONMENT c->wasi->options.environment, c->wasi->options.environment_count

kp_wasi_errno_t kp_wasi_fn_args_sizes_get(kp_wasi_context_t *c)
{
    return texts_sizes(c, ARGUMENTS);
}

kp_wasi_errno_t kp_wasi_fn_args_get(kp_wasi_context_t *c)
{
    return texts_get(c, ARGUMENTS);
}

kp_wasi_errno_t kp_wasi_fn_environ_sizes_get(kp_wasi_context_t *c)
{
    return texts_sizes(c, ENVIRONMENT);
}

kp_wasi_errno_t kp_wasi_fn_environ_get(kp_wasi_context_t *c)
{
    return texts_get(c, ENVIRONMENT);
}

/* ---- clocks, entropy, the end ---- */

kp_wasi_errno_t kp_wasi_fn_clock_res_get(kp_wasi_context_t *c)
{
    uint64_t ns;
    if (kp_wasi_u32(c, 0) >= KP_WASI_CLOCKS)
        return KP_WASI_INVAL;
    kp_wasi_errno_t error = c->wasi->options.host->clock_resolution(c->wasi->options.host->context,
                                                                    kp_wasi_u32(c, 0), &ns);
    return error ? error : kp_wasi_write64(c, kp_wasi_u32(c, 1), ns);
}

kp_wasi_errno_t kp_wasi_fn_clock_time_get(kp_wasi_context_t *c)
{
    uint64_t ns;
    if (kp_wasi_u32(c, 0) >= KP_WASI_CLOCKS)
        return KP_WASI_INVAL;
    kp_wasi_errno_t error =
        c->wasi->options.host->clock_time(c->wasi->options.host->context, kp_wasi_u32(c, 0), &ns);
    return error ? error : kp_wasi_write64(c, kp_wasi_u32(c, 2), ns);
}

kp_wasi_errno_t kp_wasi_fn_random_get(kp_wasi_context_t *c)
{
    uint32_t count = kp_wasi_u32(c, 1);
    uint8_t *to = kp_wasi_at(c, kp_wasi_u32(c, 0), count);
    if (!to)
        return KP_WASI_FAULT;
    return count ? c->wasi->options.host->random(c->wasi->options.host->context, to, count)
                 : KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_fn_sched_yield(kp_wasi_context_t *c)
{
    c->wasi->options.host->yield(c->wasi->options.host->context);
    return KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_fn_proc_exit(kp_wasi_context_t *c)
{
    c->wasi->exited = true;
    c->wasi->exit_code = kp_wasi_u32(c, 0);
    return KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_fn_proc_raise(kp_wasi_context_t *c)
{
    (void)c;
    return KP_WASI_NOSYS; /* there are no signals */
}
