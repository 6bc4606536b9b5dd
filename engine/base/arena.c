#include "engine/base/arena.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_FIRST 8192u
#define CHUNK_MAX (256u * 1024u)

struct kp_arena_chunk {
    kp_arena_chunk_t *older;
    size_t size; /* of the payload */
    size_t used;
    size_t padding; /* keeps the payload aligned to 16 on 32 and 64 bits */
};

static uint8_t *payload(kp_arena_chunk_t *chunk)
{
    return (uint8_t *)chunk + ((sizeof *chunk + 15) & ~(size_t)15);
}

static kp_arena_chunk_t *chunk_new(kp_arena_t *arena, size_t need)
{
    /* Chunks grow with the arena: small pages stay small, large ones call malloc rarely. */
    size_t size = arena->allocated < CHUNK_FIRST ? CHUNK_FIRST : arena->allocated;
    if (size > CHUNK_MAX)
        size = CHUNK_MAX;
    if (size < need)
        size = need;
    size_t total = size + ((sizeof(kp_arena_chunk_t) + 15) & ~(size_t)15);
    if (total < size || (arena->limit && total > arena->limit - arena->allocated))
        return NULL;
    kp_arena_chunk_t *chunk = malloc(total);
    if (!chunk)
        return NULL;
    arena->allocated += total;
    chunk->older = NULL;
    chunk->size = size;
    chunk->used = 0;
    return chunk;
}

void *kp_arena_alloc(kp_arena_t *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + 15) & ~(size_t)15;
    kp_arena_chunk_t *chunk = arena->chunk;
    if (!chunk || size > chunk->size - chunk->used) {
        kp_arena_chunk_t *fresh = chunk_new(arena, size);
        if (!fresh)
            return NULL;
        if (chunk && size > CHUNK_MAX / 2) {
            /* A large block goes behind the current chunk, whose rest stays in use. */
            fresh->older = chunk->older;
            chunk->older = fresh;
        } else {
            fresh->older = chunk;
            arena->chunk = fresh;
        }
        chunk = fresh;
    }
    void *at = payload(chunk) + chunk->used;
    chunk->used += size;
    memset(at, 0, size);
    return at;
}

void *kp_arena_array(kp_arena_t *arena, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / 2 / size)
        return NULL;
    return kp_arena_alloc(arena, count * size);
}

char *kp_arena_string(kp_arena_t *arena, const char *bytes, size_t size)
{
    char *copy = size < SIZE_MAX / 2 ? kp_arena_alloc(arena, size + 1) : NULL;
    if (copy && size)
        memcpy(copy, bytes, size);
    return copy;
}

void kp_arena_clear(kp_arena_t *arena)
{
    kp_arena_chunk_t *chunk = arena->chunk;
    while (chunk) {
        kp_arena_chunk_t *older = chunk->older;
        free(chunk);
        chunk = older;
    }
    arena->chunk = NULL;
    arena->allocated = 0;
}
