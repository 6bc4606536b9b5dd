/* Interned strings: equal text has one address, so names compare by pointer, and a small number for
   hashing. Used for class names, ids, attribute names and custom properties. */
#ifndef KP_ENGINE_CSS_ATOM_H
#define KP_ENGINE_CSS_ATOM_H

#include "engine/base/arena.h"

typedef struct kp_css_atom {
    uint32_t hash;
    uint32_t size;
    uint32_t tag; /* free for the owner of the table: selector.c keeps lexbor's tag number here */
    char text[];  /* NUL-terminated */
} kp_css_atom_t;

typedef struct kp_css_atoms {
    const kp_css_atom_t **slots;
    size_t slot_count; /* a power of two */
    size_t count;
    kp_arena_t arena;
    int tags_known; /* selector.c has entered all tag names */
} kp_css_atoms_t;

/* The atom of these bytes; made when new. NULL: out of memory. */
const kp_css_atom_t *kp_css_atom(kp_css_atoms_t *atoms, const char *text, size_t size);
/* Only when it exists. */
const kp_css_atom_t *kp_css_atom_find(const kp_css_atoms_t *atoms, const char *text, size_t size);
void kp_css_atoms_clear(kp_css_atoms_t *atoms);

#endif
