/* Between the files of runtime/wasi. */
#ifndef KP_RUNTIME_WASI_INTERNAL_H
#define KP_RUNTIME_WASI_INTERNAL_H

#include <string.h>

#include "runtime/wasi/wasi.h"

enum { KP_WASI_SPANS_MAX = 1024, KP_WASI_PATH_MAX = 4096 };

typedef struct kp_wasi_descriptor {
    kp_wasi_file_t *file; /* NULL: free */
    uint64_t rights_base, rights_inheriting;
    char *preopen; /* name of a preopened directory, or NULL; owned */
} kp_wasi_descriptor_t;

struct kp_wasi {
    kp_wasi_options_t options;
    kp_wasi_descriptor_t *descriptors;
    uint32_t descriptor_count; /* entries of the array */
    bool exited;
    uint32_t exit_code;
};

/* One call in progress. */
typedef struct kp_wasi_context {
    kp_wasi_t *wasi;
    kp_wasi_memory_t memory;
    const uint64_t *arguments;
} kp_wasi_context_t;

typedef kp_wasi_errno_t (*kp_wasi_fn)(kp_wasi_context_t *c);
#define WASI_FUNCTION(name, ...) kp_wasi_errno_t kp_wasi_fn_##name(kp_wasi_context_t *c);
#include "runtime/wasi/functions.def"

static inline uint32_t kp_wasi_u32(const kp_wasi_context_t *c, unsigned index)
{
    return (uint32_t)c->arguments[index];
}

/* ---- memory ---- */

/* The bytes [address, address + count) of the program, or NULL. count 0 is always fine. The base may be 0 (a program
   that is built ahead of time calls from within its own memory), so this is no arithmetic on a pointer. */
static inline uint8_t *kp_wasi_at(const kp_wasi_context_t *c, uint64_t address, uint64_t count)
{
    static uint8_t nothing[1];
    if (count == 0)
        return nothing;
    if (address > c->memory.size || count > c->memory.size - address)
        return NULL;
    return (uint8_t *)((uintptr_t)c->memory.base + (uintptr_t)address);
}

static inline void kp_wasi_put16(uint8_t *at, uint16_t value)
{
    memcpy(at, &value, sizeof(value));
}
static inline void kp_wasi_put32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
}
static inline void kp_wasi_put64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof(value));
}
static inline uint32_t kp_wasi_get32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}
static inline uint64_t kp_wasi_get64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

/* Writes a result of 4 or 8 bytes: FAULT when it lies outside. */
static inline kp_wasi_errno_t kp_wasi_write32(const kp_wasi_context_t *c, uint64_t address,
                                              uint64_t value)
{
    uint8_t *at = kp_wasi_at(c, address, 4);
    if (!at)
        return KP_WASI_FAULT;
    kp_wasi_put32(at, (uint32_t)value);
    return KP_WASI_SUCCESS;
}
static inline kp_wasi_errno_t kp_wasi_write64(const kp_wasi_context_t *c, uint64_t address,
                                              uint64_t value)
{
    uint8_t *at = kp_wasi_at(c, address, 8);
    if (!at)
        return KP_WASI_FAULT;
    kp_wasi_put64(at, value);
    return KP_WASI_SUCCESS;
}

/* A vector of buffers; *total is the sum of their sizes. FAULT, INVAL (too many), OVERFLOW (more than
   2^32 - 1 bytes). spans has room for KP_WASI_SPANS_MAX. */
kp_wasi_errno_t kp_wasi_spans_read(const kp_wasi_context_t *c, uint32_t vector, uint32_t count,
                                   kp_wasi_span_t *spans, uint64_t *total);
/* A path argument, copied so that nothing can change it any more. FAULT, ILSEQ (NUL inside or not UTF-8),
   NAMETOOLONG, NOENT (empty). */
kp_wasi_errno_t kp_wasi_path_read(const kp_wasi_context_t *c, uint32_t address, uint32_t length,
                                  char buffer[KP_WASI_PATH_MAX], kp_wasi_path_t *path);
void kp_wasi_filestat_write(uint8_t *at, const kp_wasi_filestat_t *stat);

/* ---- descriptors (descriptor.c) ---- */

/* Rights that make sense for a directory. */
#define KP_WASI_DIRECTORY_RIGHTS                                                                   \
    (KP_WASI_RIGHT(KP_WASI_RIGHT_FD_FDSTAT_SET_FLAGS) | KP_WASI_RIGHT(KP_WASI_RIGHT_FD_SYNC) |     \
     KP_WASI_RIGHT(KP_WASI_RIGHT_FD_ADVISE) | KP_WASI_RIGHT(KP_WASI_RIGHT_PATH_CREATE_DIRECTORY) | \
     KP_WASI_RIGHT(KP_WASI_RIGHT_PATH_CREATE_FILE) |                                               \
     KP_WASI_RIGHT(KP_WASI_RIGHT_PATH_LINK_SOURCE) |                                               \
     KP_WASI_RIGHT(KP_WASI_RIGHT_PATH_LINK_TARGET) | KP_WASI_RIGHT(KP_WASI_RIGHT_PATH_OPEN) |      \
     KP_WASI_RIGHT(KP_WASI_RIGHT_FD_READDIR) | KP_WASI_RIGHT(KP_WASI_RIGHT_PATH_READLINK) |        \
     KP_WASI_RIGHT(KP_WASI_RIGHT_PATH_RENAME_SOURCE) |                                             \
     KP_WASI_RIGHT(KP_WASI_RIGHT_PATH_RENAME_TARGET) |                                             \
     KP_WASI_RIGHT(KP_WASI_RIGHT_PATH_FILESTAT_GET) |                                              \
     KP_WASI_RIGHT(KP_WASI_RIGHT_PATH_FILESTAT_SET_SIZE) |                                         \
     KP_WASI_RIGHT(KP_WASI_RIGHT_PATH_FILESTAT_SET_TIMES) |                                        \
     KP_WASI_RIGHT(KP_WASI_RIGHT_FD_FILESTAT_GET) |                                                \
     KP_WASI_RIGHT(KP_WASI_RIGHT_FD_FILESTAT_SET_TIMES) |                                          \
     KP_WASI_RIGHT(KP_WASI_RIGHT_PATH_SYMLINK) |                                                   \
     KP_WASI_RIGHT(KP_WASI_RIGHT_PATH_REMOVE_DIRECTORY) |                                          \
     KP_WASI_RIGHT(KP_WASI_RIGHT_PATH_UNLINK_FILE) |                                               \
     KP_WASI_RIGHT(KP_WASI_RIGHT_POLL_FD_READWRITE))

/* BADF, or NOTCAPABLE when it lacks one of the rights (bit mask). */
kp_wasi_errno_t kp_wasi_descriptor(kp_wasi_t *wasi, uint32_t number, uint64_t rights,
                                   kp_wasi_descriptor_t **out);
/* The same for directories: NOTDIR. */
kp_wasi_errno_t kp_wasi_directory(kp_wasi_t *wasi, uint32_t number, uint64_t rights,
                                  kp_wasi_descriptor_t **out);
/* The lowest free number; the file is taken, also on error. MFILE, NOMEM. */
kp_wasi_errno_t kp_wasi_descriptor_open(kp_wasi_t *wasi, kp_wasi_file_t *file, uint64_t base,
                                        uint64_t inheriting, uint32_t *number);
void kp_wasi_descriptor_close(kp_wasi_t *wasi, kp_wasi_descriptor_t *descriptor);

#endif
