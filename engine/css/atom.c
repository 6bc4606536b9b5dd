#include "engine/css/atom.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash_text(const char *text, size_t size)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)text[i]) * 16777619u;
    return hash;
}

const kp_css_atom_t *kp_css_atom_find(const kp_css_atoms_t *atoms, const char *text, size_t size)
{
    if (!atoms->slot_count)
        return NULL;
    uint32_t hash = hash_text(text, size);
    for (size_t i = hash;; i++) {
        const kp_css_atom_t *atom = atoms->slots[i & (atoms->slot_count - 1)];
        if (!atom)
            return NULL;
        if (atom->hash == hash && atom->size == size && memcmp(atom->text, text, size) == 0)
            return atom;
    }
}

static int grow(kp_css_atoms_t *atoms)
{
    size_t count = atoms->slot_count ? atoms->slot_count * 2 : 512;
    const kp_css_atom_t **slots = calloc(count, sizeof *slots);
    if (!slots)
        return 0;
    for (size_t i = 0; i < atoms->slot_count; i++) {
        const kp_css_atom_t *atom = atoms->slots[i];
        if (!atom)
            continue;
        size_t at = atom->hash;
        while (slots[at & (count - 1)])
            at++;
        slots[at & (count - 1)] = atom;
    }
    free(atoms->slots);
    atoms->slots = slots;
    atoms->slot_count = count;
    return 1;
}

const kp_css_atom_t *kp_css_atom(kp_css_atoms_t *atoms, const char *text, size_t size)
{
    const kp_css_atom_t *found = kp_css_atom_find(atoms, text, size);
    if (found || size > UINT32_MAX / 2)
        return found;
    if (atoms->count * 2 >= atoms->slot_count && !grow(atoms))
        return NULL;
    kp_css_atom_t *atom = kp_arena_alloc(&atoms->arena, sizeof *atom + size + 1);
    if (!atom)
        return NULL;
    atom->hash = hash_text(text, size);
    atom->size = (uint32_t)size;
    memcpy(atom->text, text, size);
    size_t at = atom->hash;
    while (atoms->slots[at & (atoms->slot_count - 1)])
        at++;
    atoms->slots[at & (atoms->slot_count - 1)] = atom;
    atoms->count++;
    return atom;
}

void kp_css_atoms_clear(kp_css_atoms_t *atoms)
{
    free(atoms->slots);
    kp_arena_clear(&atoms->arena);
    *atoms = (kp_css_atoms_t){0};
}
