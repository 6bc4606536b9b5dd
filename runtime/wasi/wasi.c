#include "runtime/wasi/wasi.h"

#include <stdlib.h>

#include "runtime/wasi/internal.h"

const kp_wasi_signature_t kp_wasi_signatures[KP_WASI_FUNCTIONS] = {
#define WASI_FUNCTION(name, parameters) {#name, parameters},
#include "runtime/wasi/functions.def"
#undef WASI_FUNCTION
};

static const kp_wasi_fn functions[KP_WASI_FUNCTIONS] = {
#define WASI_FUNCTION(name, parameters) kp_wasi_fn_##name,
#include "runtime/wasi/functions.def"
#undef WASI_FUNCTION
};

/* ---- creation ---- */

static bool texts_copy(kp_wasi_texts_t *texts, const char *const *from, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += strlen(from[i]) + 1;
    texts->bytes = malloc(size ? size : 1);
    if (!texts->bytes)
        return false;
    texts->size = 0;
    texts->count = count;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(from[i]) + 1;
        memcpy(texts->bytes + texts->size, from[i], length);
        texts->size += length;
    }
    return true;
}

kp_status_t kp_wasi_create(const kp_wasi_options_t *options, kp_wasi_t **out)
{
    kp_wasi_t *wasi = calloc(1, sizeof(*wasi));
    if (!wasi)
        return KP_ERR_NO_MEMORY;
    wasi->host = options->host;
    wasi->descriptors_max = options->descriptors_max ? options->descriptors_max : 1024;
    if (!texts_copy(&wasi->arguments, options->arguments, options->argument_count) ||
        !texts_copy(&wasi->environment, options->environment, options->environment_count)) {
        kp_wasi_destroy(wasi);
        return KP_ERR_NO_MEMORY;
    }
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
    free(wasi->arguments.bytes);
    free(wasi->environment.bytes);
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

static kp_wasi_errno_t texts_sizes(const kp_wasi_context_t *c, const kp_wasi_texts_t *texts)
{
    kp_wasi_errno_t error = kp_wasi_write32(c, kp_wasi_u32(c, 0), texts->count);
    return error ? error : kp_wasi_write32(c, kp_wasi_u32(c, 1), texts->size);
}

static kp_wasi_errno_t texts_get(const kp_wasi_context_t *c, const kp_wasi_texts_t *texts)
{
    uint32_t buffer = kp_wasi_u32(c, 1);
    uint8_t *pointers = kp_wasi_at(c, kp_wasi_u32(c, 0), (uint64_t)texts->count * 4);
    uint8_t *to = kp_wasi_at(c, buffer, texts->size);
    if (!pointers || !to)
        return KP_WASI_FAULT;
    memcpy(to, texts->bytes, texts->size);
    size_t at = 0;
    for (size_t i = 0; i < texts->count; i++) {
        kp_wasi_put32(pointers + i * 4, buffer + (uint32_t)at);
        at += strlen(texts->bytes + at) + 1;
    }
    return KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_fn_args_sizes_get(kp_wasi_context_t *c)
{
    return texts_sizes(c, &c->wasi->arguments);
}

kp_wasi_errno_t kp_wasi_fn_args_get(kp_wasi_context_t *c)
{
    return texts_get(c, &c->wasi->arguments);
}

kp_wasi_errno_t kp_wasi_fn_environ_sizes_get(kp_wasi_context_t *c)
{
    return texts_sizes(c, &c->wasi->environment);
}

kp_wasi_errno_t kp_wasi_fn_environ_get(kp_wasi_context_t *c)
{
    return texts_get(c, &c->wasi->environment);
}

/* ---- clocks, entropy, the end ---- */

kp_wasi_errno_t kp_wasi_fn_clock_res_get(kp_wasi_context_t *c)
{
    uint64_t ns;
    if (kp_wasi_u32(c, 0) >= KP_WASI_CLOCKS)
        return KP_WASI_INVAL;
    kp_wasi_errno_t error =
        c->wasi->host->clock_resolution(c->wasi->host->context, kp_wasi_u32(c, 0), &ns);
    return error ? error : kp_wasi_write64(c, kp_wasi_u32(c, 1), ns);
}

kp_wasi_errno_t kp_wasi_fn_clock_time_get(kp_wasi_context_t *c)
{
    uint64_t ns;
    if (kp_wasi_u32(c, 0) >= KP_WASI_CLOCKS)
        return KP_WASI_INVAL;
    kp_wasi_errno_t error =
        c->wasi->host->clock_time(c->wasi->host->context, kp_wasi_u32(c, 0), &ns);
    return error ? error : kp_wasi_write64(c, kp_wasi_u32(c, 2), ns);
}

kp_wasi_errno_t kp_wasi_fn_random_get(kp_wasi_context_t *c)
{
    uint32_t count = kp_wasi_u32(c, 1);
    uint8_t *to = kp_wasi_at(c, kp_wasi_u32(c, 0), count);
    if (!to)
        return KP_WASI_FAULT;
    return count ? c->wasi->host->random(c->wasi->host->context, to, count) : KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_fn_sched_yield(kp_wasi_context_t *c)
{
    c->wasi->host->yield(c->wasi->host->context);
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
