/* Selectors (Selectors 4, the part that style sheets use) compiled for matching right to left. */
#ifndef KP_ENGINE_CSS_SELECTOR_H
#define KP_ENGINE_CSS_SELECTOR_H

#include "engine/css/token.h"
#include "engine/css/value.h"
#include "engine/dom/dom.h"

typedef enum kp_css_simple_kind {
    KP_CSS_SIMPLE_TAG,
    KP_CSS_SIMPLE_ID,
    KP_CSS_SIMPLE_CLASS,
    KP_CSS_SIMPLE_ATTRIBUTE,
    KP_CSS_SIMPLE_PSEUDO, /* operation: kp_css_pseudo_t */
    KP_CSS_SIMPLE_NTH,    /* operation: kp_css_pseudo_t, a and b */
    KP_CSS_SIMPLE_ANY,    /* :is, :where: one of list */
    KP_CSS_SIMPLE_NOT,    /* none of list */
    KP_CSS_SIMPLE_HAS,    /* a descendant (relative selectors) */
    KP_CSS_SIMPLE_NEVER,  /* understood and never true here (:hover, ::-webkit-...) */
    KP_CSS_SIMPLE_ALWAYS,
} kp_css_simple_kind_t;

typedef enum kp_css_pseudo {
    KP_PSEUDO_ROOT,
    KP_PSEUDO_EMPTY,
    KP_PSEUDO_LINK,
    KP_PSEUDO_CHECKED,
    KP_PSEUDO_DISABLED,
    KP_PSEUDO_ENABLED,
    KP_PSEUDO_LANG,
    KP_PSEUDO_TARGET,
    KP_PSEUDO_NTH_CHILD,
    KP_PSEUDO_NTH_LAST_CHILD,
    KP_PSEUDO_NTH_OF_TYPE,
    KP_PSEUDO_NTH_LAST_OF_TYPE,
    KP_PSEUDO_ONLY_CHILD,
    KP_PSEUDO_ONLY_OF_TYPE,
    KP_PSEUDO_READ_ONLY,
    KP_PSEUDO_REQUIRED,
} kp_css_pseudo_t;

typedef enum kp_css_pseudo_element {
    KP_PSEUDO_ELEMENT_NONE,
    KP_PSEUDO_ELEMENT_BEFORE,
    KP_PSEUDO_ELEMENT_AFTER,
    KP_PSEUDO_ELEMENT_MARKER,
    KP_PSEUDO_ELEMENT_OTHER, /* ::selection, ::first-line, ...: matched by nothing */
} kp_css_pseudo_element_t;

typedef struct kp_css_simple {
    uint8_t kind;
    uint8_t operation; /* PSEUDO, NTH: which; ATTRIBUTE: 0 present, or '=' '~' '|' '^' '$' '*' */
    bool ignore_case;
    int32_t a, b;              /* an + b */
    const kp_css_atom_t *name; /* TAG, ID, CLASS, ATTRIBUTE */
    uintptr_t tag;             /* TAG: lexbor's number, 0 when it has none */
    const char *value;         /* ATTRIBUTE, LANG */
    uint32_t value_size;
    const struct kp_css_selector *list;
} kp_css_simple_t;

typedef struct kp_css_compound {
    const kp_css_simple_t *simples;
    uint16_t count;
    char combinator; /* between this and the compound left of it: ' ' '>' '+' '~'; 0 at the left */
} kp_css_compound_t;

typedef struct kp_css_selector {
    const kp_css_compound_t *compounds; /* [0] is the rightmost: the subject */
    uint16_t count;
    uint8_t pseudo_element;
    uint32_t specificity; /* a << 20 | b << 10 | c */
    const struct kp_css_selector *next;
} kp_css_selector_t;

/* Parses a selector list out of tokens of source; NULL when it is not valid (then the rule is
   dropped) or memory is short. */
const kp_css_selector_t *kp_css_parse_selectors(const kp_css_context_t *context, const char *source,
                                                const kp_css_token_t *tokens, size_t count);

/* What matching needs besides the element. */
typedef struct kp_css_match_context {
    const kp_node_t *root;   /* the html element */
    const kp_node_t *target; /* :target, or NULL */
    const kp_css_atoms_t *atoms;
    bool quirks;    /* class and id names compare without case: not done (DEVIATION) */
    uint32_t steps; /* left for this element: lists inside lists try every way */
} kp_css_match_context_t;

/* All elements must have their kp_dom_data_t. Uses up context->steps; false when none are left. */
bool kp_css_selector_matches(kp_css_match_context_t *context, const kp_css_selector_t *selector,
                             const kp_node_t *element);

#endif
