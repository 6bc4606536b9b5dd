/* A bump allocator: memory that lives as long as a style sheet, a document or one layout, freed all
   at once. Not thread-safe. Out of memory (of the system or of the arena's limit) gives NULL and
   leaves what was allocated usable. */
#ifndef KP_ENGINE_ARENA_H
#define KP_ENGINE_ARENA_H

#include <stddef.h>
#include <stdint.h>

typedef struct kp_arena_chunk kp_arena_chunk_t;

typedef struct kp_arena {
    kp_arena_chunk_t *chunk; /* the one being filled; older ones hang on it */
    size_t allocated;        /* bytes taken from malloc */
    size_t limit;            /* of allocated; 0: none */
} kp_arena_t;

/* Zeroed, aligned to 16 bytes; size 0 gives a valid pointer. */
void *kp_arena_alloc(kp_arena_t *arena, size_t size);
/* count objects; NULL also when the product overflows. */
void *kp_arena_array(kp_arena_t *arena, size_t count, size_t size);
/* A NUL-terminated copy. */
char *kp_arena_string(kp_arena_t *arena, const char *bytes, size_t size);
/* Frees everything; the arena can be used again. */
void kp_arena_clear(kp_arena_t *arena);

#endif
