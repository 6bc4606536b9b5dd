#include "services/compiler/cache.h"

#include <stdlib.h>
#include <string.h>

static bool key_equal(const kp_compiler_key_t *a, const kp_compiler_key_t *b)
{
    return memcmp(a->module, b->module, sizeof(a->module)) == 0 && a->version == b->version &&
           a->cpu == b->cpu && a->flags == b->flags && a->first == b->first && a->count == b->count;
}

/* The digest is as good as random, whoever chose the module; its groups of functions come one after the other. */
static kp_compiler_entry_t **bucket_of(kp_compiler_cache_t *cache, const kp_compiler_key_t *key)
{
    return &cache->buckets[(key->module[0] + key->first) % KP_COMPILER_BUCKETS];
}

static void age_remove(kp_compiler_cache_t *cache, kp_compiler_entry_t *entry)
{
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
    entry->newer = entry->older = NULL;
}

static void age_add_newest(kp_compiler_cache_t *cache, kp_compiler_entry_t *entry)
{
    entry->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

kp_compiler_entry_t *kp_compiler_cache_find(kp_compiler_cache_t *cache,
                                            const kp_compiler_key_t *key)
{
    kp_compiler_entry_t *entry = *bucket_of(cache, key);
    while (entry && !key_equal(&entry->key, key))
        entry = entry->next;
    if (entry) {
        age_remove(cache, entry);
        age_add_newest(cache, entry);
    }
    return entry;
}

static void entry_remove(kp_compiler_cache_t *cache, kp_compiler_entry_t *entry)
{
    kp_compiler_entry_t **link = bucket_of(cache, &entry->key);
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    age_remove(cache, entry);
    cache->bytes -= entry->bytes;
    entry->account->bytes -= entry->bytes;
    cache->count--;
    cache->evicted++;
    cache->drop(cache->context, entry);
    free(entry);
}

/* The one to go: the oldest that nobody holds of the account that has most. */
static kp_compiler_entry_t *victim_find(kp_compiler_cache_t *cache)
{
    kp_compiler_entry_t *victim = NULL;
    for (kp_compiler_entry_t *entry = cache->oldest; entry; entry = entry->newer) {
        if ((!victim || entry->account->bytes > victim->account->bytes) &&
            !cache->is_held(cache->context, entry))
            victim = entry;
    }
    return victim;
}

kp_status_t kp_compiler_cache_reserve(kp_compiler_cache_t *cache, uint64_t bytes)
{
    while (bytes > cache->bytes_max - cache->bytes || cache->count == cache->count_max) {
        kp_compiler_entry_t *victim = bytes <= cache->bytes_max ? victim_find(cache) : NULL;
        if (!victim)
            return KP_ERR_QUOTA;
        entry_remove(cache, victim);
    }
    return KP_OK;
}

kp_compiler_entry_t *kp_compiler_cache_add(kp_compiler_cache_t *cache, const kp_compiler_key_t *key,
                                           kp_handle_t code, uint32_t artefact_size, uint64_t bytes,
                                           kp_compiler_account_t *account)
{
    kp_compiler_entry_t *entry = calloc(1, sizeof(*entry));
    if (!entry)
        return NULL;
    entry->key = *key;
    entry->code = code;
    entry->artefact_size = artefact_size;
    entry->bytes = bytes;
    entry->account = account;
    account->bytes += bytes;
    cache->bytes += bytes;
    cache->count++;
    kp_compiler_entry_t **bucket = bucket_of(cache, key);
    entry->next = *bucket;
    *bucket = entry;
    age_add_newest(cache, entry);
    return entry;
}

void kp_compiler_cache_leave(kp_compiler_cache_t *cache, kp_compiler_account_t *account)
{
    for (kp_compiler_entry_t *entry = cache->oldest; entry; entry = entry->newer) {
        if (entry->account == account)
            entry->account = &cache->common;
    }
    cache->common.bytes += account->bytes;
    account->bytes = 0;
}

void kp_compiler_cache_clear(kp_compiler_cache_t *cache)
{
    for (kp_compiler_entry_t *entry = cache->oldest, *newer; entry; entry = newer) {
        newer = entry->newer;
        entry_remove(cache, entry);
    }
}
