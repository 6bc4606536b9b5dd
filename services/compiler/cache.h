/* Compiled modules in memory: found by what they were compiled from and for, evicted by size. Who caused
   an entry has it on an account; the account with the most bytes loses its oldest entry first, so that one
   client's flood evicts mostly its own. An entry that somebody outside holds cannot be evicted: it would
   give nothing back. */
#ifndef KP_SERVICES_COMPILER_CACHE_H
#define KP_SERVICES_COMPILER_CACHE_H

#include <stdbool.h>

#include "abi/types.h"
#include "runtime/cache/hash.h"

typedef struct kp_compiler_key {
    uint8_t module[KP_SHA256_SIZE];
    uint32_t version; /* of compiler and layout */
    uint32_t cpu, flags;
    uint32_t first, count; /* of the functions; all: 0 and UINT32_MAX */
} kp_compiler_key_t;

typedef struct kp_compiler_account {
    uint64_t bytes; /* of its entries */
} kp_compiler_account_t;

typedef struct kp_compiler_entry {
    kp_compiler_key_t key;
    kp_handle_t code;
    uint32_t artefact_size;
    uint64_t bytes; /* whole pages */
    uint32_t grants;
    kp_compiler_account_t *account;
    struct kp_compiler_entry *newer, *older; /* by last use */
    struct kp_compiler_entry *next;          /* in its bucket */
} kp_compiler_entry_t;

enum { KP_COMPILER_BUCKETS = 256 };

typedef struct kp_compiler_cache {
    uint64_t bytes, bytes_max;
    uint32_t count, count_max;
    uint64_t evicted;
    kp_compiler_entry_t *newest, *oldest;
    kp_compiler_entry_t *buckets[KP_COMPILER_BUCKETS];
    kp_compiler_account_t common; /* of entries whose client has gone */
    void *context;
    bool (*is_held)(void *context, kp_compiler_entry_t *entry);
    /* The entry is out of the cache: closes what it has. The cache frees it. */
    void (*drop)(void *context, kp_compiler_entry_t *entry);
} kp_compiler_cache_t;

/* Marks it as just used; NULL: absent. */
kp_compiler_entry_t *kp_compiler_cache_find(kp_compiler_cache_t *cache,
                                            const kp_compiler_key_t *key);
/* Makes room by evicting. ERR_QUOTA: what is held leaves none. */
kp_status_t kp_compiler_cache_reserve(kp_compiler_cache_t *cache, uint64_t bytes);
/* After a reserve; the key is not there yet. Takes the code. NULL: no memory. */
kp_compiler_entry_t *kp_compiler_cache_add(kp_compiler_cache_t *cache, const kp_compiler_key_t *key,
                                           kp_handle_t code, uint32_t artefact_size, uint64_t bytes,
                                           kp_compiler_account_t *account);
/* The account ends: its entries are everybody's. */
void kp_compiler_cache_leave(kp_compiler_cache_t *cache, kp_compiler_account_t *account);
/* Evicts everything, held or not. */
void kp_compiler_cache_clear(kp_compiler_cache_t *cache);

#endif
