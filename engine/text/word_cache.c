#include <stdlib.h>
#include <string.h>

#include "engine/text/internal.h"

#define WORDS_MAX 8192u
#define BYTES_MAX (4u << 20)

uint64_t kp_text_hash(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u; /* FNV-1a */
    return hash;
}

static bool same(const kp_text_word_t *word, uint64_t hash, uint32_t fontset, uint32_t flags,
                 const char *text, size_t size)
{
    return word->hash == hash && word->fontset == fontset && word->flags == flags &&
           word->size == size &&
           memcmp((const char *)(word->glyphs + word->glyph_count), text, size) == 0;
}

const kp_text_word_t *kp_text_word_cache_find(kp_text_word_cache_t *cache, uint64_t hash,
                                              uint32_t fontset, uint32_t flags, const char *text,
                                              size_t size)
{
    if (cache->capacity) {
        for (uint32_t i = (uint32_t)(hash ^ hash >> 32);; i++) {
            const kp_text_word_t *word = &cache->slots[i & (cache->capacity - 1)];
            if (!word->hash)
                break;
            if (same(word, hash, fontset, flags, text, size)) {
                cache->hits++;
                return word;
            }
        }
    }
    cache->misses++;
    return NULL;
}

void kp_text_word_cache_clear(kp_text_word_cache_t *cache)
{
    for (uint32_t i = 0; i < cache->capacity; i++)
        free(cache->slots[i].glyphs);
    free(cache->slots);
    cache->slots = NULL;
    cache->capacity = cache->count = 0;
    cache->bytes = 0;
}

static kp_text_word_t *insert(kp_text_word_t *slots, uint32_t capacity, const kp_text_word_t *word)
{
    uint32_t i = (uint32_t)(word->hash ^ word->hash >> 32);
    while (slots[i & (capacity - 1)].hash)
        i++;
    slots[i & (capacity - 1)] = *word;
    return &slots[i & (capacity - 1)];
}

const kp_text_word_t *kp_text_word_cache_add(kp_text_word_cache_t *cache,
                                             const kp_text_word_t *word)
{
    if (cache->count >= WORDS_MAX || cache->bytes > BYTES_MAX)
        kp_text_word_cache_clear(cache);
    if (cache->count * 2 >= cache->capacity) {
        uint32_t capacity = cache->capacity ? cache->capacity * 2 : 256;
        kp_text_word_t *slots = calloc(capacity, sizeof *slots);
        if (!slots)
            return NULL;
        for (uint32_t i = 0; i < cache->capacity; i++) {
            if (cache->slots[i].hash)
                insert(slots, capacity, &cache->slots[i]);
        }
        free(cache->slots);
        cache->slots = slots;
        cache->capacity = capacity;
    }
    cache->count++;
    cache->bytes += word->size + word->glyph_count * sizeof(kp_text_glyph_t);
    return insert(cache->slots, cache->capacity, word);
}
