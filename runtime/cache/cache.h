/* The code cache: compiled modules on disk, so that a module is compiled once. Keyed by the SHA-256 of the module's
   bytes, the compiler's version, flags and the processor's features; checked on every load against an authentication code
   under a secret of the cache, so that an entry that was damaged, or written by somebody who cannot read the secret,
   is never run: it is removed and reported as absent. Entries are mapped read-only and shared by all processes that
   use them. Oldest use goes first when the cache is larger than its limit.

   Several processes may use one cache. A kp_code_cache_t belongs to one thread at a time. Host code (Linux). */
#ifndef KP_RUNTIME_CACHE_CACHE_H
#define KP_RUNTIME_CACHE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"
#include "runtime/cache/entry.h"

typedef struct kp_code_cache kp_code_cache_t;

/* An entry in memory: bytes lie on a page boundary. Everything stays valid until kp_code_entry_release, also when
   the entry is evicted meanwhile. is_executable: the mapping is read-execute, of the file itself, so that its code needs no
   copy; false where the file system forbids that (noexec). docs/security.md says what that relies on. */
typedef struct kp_code_entry {
    const uint8_t *bytes;
    size_t size;
    bool is_executable;
    void *mapping; /* the cache's own */
    size_t mapping_size;
} kp_code_entry_t;

typedef struct kp_code_cache_counts {
    uint64_t found, absent, rejected, stored, evicted;
} kp_code_cache_counts_t;

/* Opens or makes the cache in a folder (made with mode 0700, its parents are not). bytes_max: 0 means 256 MiB.
   ERR_NOT_FOUND, ERR_ACCESS_DENIED (the folder or the secret belong to somebody else, or others may write there),
   ERR_NO_MEMORY, ERR_IO. */
kp_status_t kp_code_cache_open(const char *path, uint64_t bytes_max, kp_code_cache_t **out);
void kp_code_cache_close(kp_code_cache_t *cache); /* NULL is allowed */
/* One more of the same folder, for another thread. ERR_NO_MEMORY. */
kp_status_t kp_code_cache_share(const kp_code_cache_t *cache, kp_code_cache_t **out);

/* ERR_NOT_FOUND: absent or rejected. ERR_NO_MEMORY, ERR_IO. */
kp_status_t kp_code_cache_find(kp_code_cache_t *cache, const kp_code_key_t *key,
                               kp_code_entry_t *entry);
void kp_code_entry_release(kp_code_entry_t *entry);

/* Writes completely or not at all, then evicts. ERR_TOO_LARGE (more than half of the limit), ERR_IO,
   ERR_NO_MEMORY. */
kp_status_t kp_code_cache_store(kp_code_cache_t *cache, const kp_code_key_t *key, const void *bytes,
                                size_t size);

kp_code_cache_counts_t kp_code_cache_counts(const kp_code_cache_t *cache);

#endif
