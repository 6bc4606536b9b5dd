/* Custom properties: replacing var() (CSS Variables 1). */
#include <string.h>

#include "engine/css/cascade.h"

#define NESTING_MAX 32
#define RESULT_MAX (64u * 1024u)
/* Tokens read for one value beyond its own: values that refer to another twice, which refers to a
   third twice, and so on, need not become long to take for ever. */
#define TOKENS_MAX (8u * 1024u)

static const kp_css_custom_t *find(const kp_css_customs_t *customs, const char *name)
{
    size_t low = 0, high = customs ? customs->count : 0;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const kp_css_custom_t *item = &customs->items[middle];
        if (item->name == name)
            return item;
        if ((uintptr_t)item->name < (uintptr_t)name)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* depth also breaks cycles: a value that refers to itself runs into the limit and is invalid. */
static bool substitute(const kp_css_customs_t *customs, const kp_css_atoms_t *atoms,
                       const char *text, size_t size, int depth, size_t *budget, kp_buffer_t *out)
{
    kp_css_lexer_t lexer = kp_css_lexer_init(text, size, NULL);
    kp_css_token_t token;
    size_t copied = 0;
    if (depth > NESTING_MAX)
        return false;
    for (kp_css_lexer_next(&lexer, &token); token.type != KP_CSS_TOKEN_END;
         kp_css_lexer_next(&lexer, &token)) {
        if ((*budget)-- == 0)
            return false;
        if (token.type != KP_CSS_TOKEN_FUNCTION || !kp_css_token_is(&token, "var"))
            continue;
        kp_buffer_append(out, text + copied, token.start - copied);
        do
            kp_css_lexer_next(&lexer, &token);
        while (token.type == KP_CSS_TOKEN_SPACE);
        if (token.type != KP_CSS_TOKEN_IDENT)
            return false;
        const kp_css_atom_t *atom = kp_css_atom_find(atoms, token.text, token.text_size);
        const kp_css_custom_t *custom = atom ? find(customs, atom->text) : NULL;
        size_t fallback = 0, end = 0;
        bool has_fallback = false;
        int open = 0;
        for (;;) {
            kp_css_lexer_next(&lexer, &token);
            if (token.type == KP_CSS_TOKEN_END) {
                end = size;
                break;
            }
            if (token.type == KP_CSS_TOKEN_FUNCTION || token.delim == '(')
                open++;
            if (token.delim == ',' && open == 0 && !has_fallback) {
                has_fallback = true;
                fallback = token.end;
            }
            if (token.delim == ')' && open-- == 0) {
                end = token.start;
                break;
            }
        }
        copied = lexer.position;
        if (custom) {
            if (!substitute(customs, atoms, custom->text, custom->size, depth + 1, budget, out))
                return false;
        } else if (has_fallback) {
            if (!substitute(customs, atoms, text + fallback, end - fallback, depth + 1, budget,
                            out))
                return false;
        } else {
            return false;
        }
        if (out->size > RESULT_MAX)
            return false; /* values that double at every step */
    }
    if (copied < size)
        kp_buffer_append(out, text + copied, size - copied);
    return !out->failed;
}

bool kp_css_substitute(const kp_css_customs_t *customs, const kp_css_atoms_t *atoms,
                       const char *text, size_t size, kp_buffer_t *out)
{
    size_t budget = TOKENS_MAX + size;
    return substitute(customs, atoms, text, size, 0, &budget, out);
}
