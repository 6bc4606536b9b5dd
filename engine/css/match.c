/* Matching of compiled selectors against elements. */
#include <stdlib.h>
#include <string.h>

#include "engine/css/selector.h"

/* Why a match failed tells how far back trying again can help (descendant and sibling combinators
   would otherwise cost exponential time). */
typedef enum outcome {
    MATCHES,
    FAILS_HERE,     /* another candidate may match */
    FAILS_SIBLINGS, /* no earlier sibling can match: go to the next ancestor */
    FAILS_ALL,      /* no ancestor can match either */
} outcome_t;

static const kp_node_t *previous_element(const kp_node_t *node)
{
    for (node = node->prev; node && !kp_dom_is_element(node); node = node->prev)
        continue;
    return node;
}

static const kp_node_t *next_element(const kp_node_t *node)
{
    for (node = node->next; node && !kp_dom_is_element(node); node = node->next)
        continue;
    return node;
}

static bool same_text(const char *a, const char *b, size_t size, bool ignore_case)
{
    if (!ignore_case)
        return memcmp(a, b, size) == 0;
    for (size_t i = 0; i < size; i++) {
        char x = (char)(a[i] >= 'A' && a[i] <= 'Z' ? a[i] + 32 : a[i]);
        char y = (char)(b[i] >= 'A' && b[i] <= 'Z' ? b[i] + 32 : b[i]);
        if (x != y)
            return false;
    }
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static bool match_attribute(const kp_css_simple_t *simple, const kp_node_t *element)
{
    size_t size, want = simple->value_size;
    const char *value = kp_dom_attribute(element, simple->name->text, &size);
    if (!value)
        return false;
    switch (simple->operation) {
    case '=':
        return size == want && same_text(value, simple->value, size, simple->ignore_case);
    case '^':
        return want && size >= want && same_text(value, simple->value, want, simple->ignore_case);
    case '$':
        return want && size >= want &&
               same_text(value + size - want, simple->value, want, simple->ignore_case);
    case '*':
        for (size_t i = 0; want && i + want <= size; i++) {
            if (same_text(value + i, simple->value, want, simple->ignore_case))
                return true;
        }
        return false;
    case '|':
        return size >= want && same_text(value, simple->value, want, simple->ignore_case) &&
               (size == want || value[want] == '-');
    case '~':
        for (size_t i = 0; want && i < size;) {
            size_t end = i;
            while (end < size && !is_space(value[end]))
                end++;
            if (end - i == want && same_text(value + i, simple->value, want, simple->ignore_case))
                return true;
            i = end + 1;
        }
        return false;
    default:
        return true;
    }
}

typedef struct type_count {
    uintptr_t name, ns;
    uint32_t count;
} type_count_t;

/* Numbers all elements below one parent, in both directions, alone and by type, at once: counting
   for each element alone would take the square of their number. */
static bool number_children(const kp_node_t *element)
{
    const kp_node_t *first = element, *last = element, *node;
    size_t count = 1, slots = 4;
    while ((node = previous_element(first)))
        first = node, count++;
    while ((node = next_element(last)))
        last = node, count++;
    while (slots < count * 2)
        slots *= 2;
    type_count_t *types = calloc(slots, sizeof *types);
    if (!types)
        return false;
    for (int backward = 0; backward < 2; backward++) {
        uint32_t index = 0;
        memset(types, 0, slots * sizeof *types);
        for (node = backward ? last : first; node;
             node = backward ? previous_element(node) : next_element(node)) {
            kp_dom_data_t *data = kp_dom_data(node);
            size_t at = (node->local_name * 0x9e3779b97f4a7c15u) >> 20;
            for (;; at++) {
                type_count_t *type = &types[at & (slots - 1)];
                if (type->count && (type->name != node->local_name || type->ns != node->ns))
                    continue;
                *type = (type_count_t){node->local_name, node->ns, type->count + 1};
                index++;
                if (data) {
                    data->number[backward] = index;
                    data->type_number[backward] = type->count;
                }
                break;
            }
        }
    }
    free(types);
    return true;
}

static bool match_nth(const kp_css_simple_t *simple, const kp_node_t *element)
{
    bool backward = simple->operation == KP_PSEUDO_NTH_LAST_CHILD ||
                    simple->operation == KP_PSEUDO_NTH_LAST_OF_TYPE;
    bool typed = simple->operation == KP_PSEUDO_NTH_OF_TYPE ||
                 simple->operation == KP_PSEUDO_NTH_LAST_OF_TYPE;
    const kp_dom_data_t *data = kp_dom_data(element);
    if (simple->a == 0 && simple->b == 1 && !typed) /* :first-child needs no counting */
        return !(backward ? next_element(element) : previous_element(element));
    if (!data || (!data->number[0] && !number_children(element)))
        return false;
    int64_t offset =
        (int64_t)(typed ? data->type_number[backward] : data->number[backward]) - simple->b;
    return simple->a == 0 ? offset == 0 : offset % simple->a == 0 && offset / simple->a >= 0;
}

static bool is_empty(const kp_node_t *element)
{
    for (const kp_node_t *node = element->first_child; node; node = node->next) {
        if (kp_dom_is_element(node))
            return false;
        size_t size = 0;
        if (node->type == LXB_DOM_NODE_TYPE_TEXT && (kp_dom_text(node, &size), size))
            return false;
    }
    return true;
}

static bool is_alone(const kp_node_t *element, bool typed)
{
    const kp_dom_data_t *data = kp_dom_data(element);
    if (!typed)
        return !previous_element(element) && !next_element(element);
    return data && (data->number[0] || number_children(element)) && data->type_number[0] == 1 &&
           data->type_number[1] == 1;
}

static bool is_form_control(const kp_node_t *element)
{
    return kp_dom_is(element, LXB_TAG_INPUT) || kp_dom_is(element, LXB_TAG_BUTTON) ||
           kp_dom_is(element, LXB_TAG_SELECT) || kp_dom_is(element, LXB_TAG_TEXTAREA) ||
           kp_dom_is(element, LXB_TAG_OPTION) || kp_dom_is(element, LXB_TAG_OPTGROUP) ||
           kp_dom_is(element, LXB_TAG_FIELDSET);
}

static bool match_language(const kp_css_simple_t *simple, const kp_node_t *element)
{
    for (; kp_dom_is_element(element); element = element->parent) {
        size_t size;
        const char *value = kp_dom_attribute(element, "lang", &size);
        if (value)
            return size >= simple->value_size &&
                   same_text(value, simple->value, simple->value_size, true) &&
                   (size == simple->value_size || value[simple->value_size] == '-');
    }
    return false;
}

static bool match_pseudo(kp_css_match_context_t *context, const kp_css_simple_t *simple,
                         const kp_node_t *element)
{
    switch (simple->operation) {
    case KP_PSEUDO_ROOT:
        return element == context->root;
    case KP_PSEUDO_EMPTY:
        return is_empty(element);
    case KP_PSEUDO_LINK:
        return (kp_dom_is(element, LXB_TAG_A) || kp_dom_is(element, LXB_TAG_AREA)) &&
               kp_dom_has_attribute(element, "href");
    case KP_PSEUDO_CHECKED:
        return (kp_dom_is(element, LXB_TAG_INPUT) && kp_dom_has_attribute(element, "checked")) ||
               (kp_dom_is(element, LXB_TAG_OPTION) && kp_dom_has_attribute(element, "selected"));
    case KP_PSEUDO_DISABLED:
        return is_form_control(element) && kp_dom_has_attribute(element, "disabled");
    case KP_PSEUDO_ENABLED:
        return is_form_control(element) && !kp_dom_has_attribute(element, "disabled");
    case KP_PSEUDO_LANG:
        return match_language(simple, element);
    case KP_PSEUDO_TARGET:
        return element == context->target;
    case KP_PSEUDO_ONLY_CHILD:
        return is_alone(element, false);
    case KP_PSEUDO_ONLY_OF_TYPE:
        return is_alone(element, true);
    case KP_PSEUDO_REQUIRED:
        return kp_dom_has_attribute(element, "required");
    case KP_PSEUDO_READ_ONLY:
        return !(kp_dom_is(element, LXB_TAG_INPUT) || kp_dom_is(element, LXB_TAG_TEXTAREA)) ||
               kp_dom_has_attribute(element, "readonly");
    default:
        return false;
    }
}

static bool match_has(kp_css_match_context_t *context, const kp_css_selector_t *list,
                      const kp_node_t *element);

static bool match_simple(kp_css_match_context_t *context, const kp_css_simple_t *simple,
                         const kp_node_t *element)
{
    const kp_dom_data_t *data = kp_dom_data(element);
    switch (simple->kind) {
    case KP_CSS_SIMPLE_TAG: {
        if (simple->tag)
            return element->local_name == simple->tag;
        size_t size;
        const char *name = kp_dom_name(element, &size);
        return size == simple->name->size && same_text(name, simple->name->text, size, true);
    }
    case KP_CSS_SIMPLE_ID:
        return data && data->id == simple->name;
    case KP_CSS_SIMPLE_CLASS:
        for (size_t i = 0; data && i < data->class_count; i++) {
            if (data->classes[i] == simple->name)
                return true;
        }
        return false;
    case KP_CSS_SIMPLE_ATTRIBUTE:
        return match_attribute(simple, element);
    case KP_CSS_SIMPLE_PSEUDO:
        return match_pseudo(context, simple, element);
    case KP_CSS_SIMPLE_NTH:
        return match_nth(simple, element);
    case KP_CSS_SIMPLE_ANY:
    case KP_CSS_SIMPLE_NOT: {
        bool any = false;
        for (const kp_css_selector_t *s = simple->list; s && !any; s = s->next)
            any = kp_css_selector_matches(context, s, element);
        return any == (simple->kind == KP_CSS_SIMPLE_ANY);
    }
    case KP_CSS_SIMPLE_HAS:
        return match_has(context, simple->list, element);
    case KP_CSS_SIMPLE_ALWAYS:
        return true;
    default:
        return false;
    }
}

static bool match_compound(kp_css_match_context_t *context, const kp_css_compound_t *compound,
                           const kp_node_t *element)
{
    for (size_t i = 0; i < compound->count; i++) {
        if (!match_simple(context, &compound->simples[i], element))
            return false;
    }
    return true;
}

/* anchor: for :has, what the leftmost compound's combinator leads to; else NULL. */
static outcome_t match_from(kp_css_match_context_t *context, const kp_css_selector_t *selector,
                            size_t at, const kp_node_t *element, const kp_node_t *anchor)
{
    if (!context->steps)
        return FAILS_ALL;
    context->steps--;
    if (!match_compound(context, &selector->compounds[at], element))
        return FAILS_HERE;
    char combinator = selector->compounds[at].combinator;
    if (!combinator)
        return MATCHES;
    bool last = at + 1 == selector->count;
    const kp_node_t *node = element;
    for (;;) {
        bool sibling = combinator == '+' || combinator == '~';
        node = sibling ? previous_element(node) : node->parent;
        if (!kp_dom_is_element(node))
            return sibling ? FAILS_SIBLINGS : FAILS_ALL;
        outcome_t outcome;
        if (last)
            outcome = node == anchor ? MATCHES : FAILS_HERE;
        else
            outcome = match_from(context, selector, at + 1, node, anchor);
        if (outcome == MATCHES || outcome == FAILS_ALL)
            return outcome;
        if (combinator == '>')
            return FAILS_HERE;
        if (combinator == '+')
            return outcome == FAILS_SIBLINGS ? FAILS_SIBLINGS : FAILS_HERE;
        if (combinator == '~' && outcome == FAILS_SIBLINGS)
            return FAILS_SIBLINGS;
    }
}

#define HAS_BUDGET 2000

/* DEVIATION: gives up after HAS_BUDGET elements, for :has may look at the whole subtree. */
static bool match_has(kp_css_match_context_t *context, const kp_css_selector_t *list,
                      const kp_node_t *element)
{
    int budget = HAS_BUDGET;
    for (const kp_css_selector_t *s = list; s; s = s->next) {
        char first = s->compounds[s->count - 1].combinator;
        bool sibling = first == '+' || first == '~';
        const kp_node_t *scope = sibling ? element->parent : element;
        const kp_node_t *node = sibling ? element->next : element->first_child;
        for (; node && node != scope && budget > 0; node = kp_dom_next(node, scope)) {
            if (!kp_dom_is_element(node) || !kp_dom_data(node))
                continue;
            budget--;
            if (match_from(context, s, 0, node, element) == MATCHES)
                return true;
        }
    }
    return false;
}

bool kp_css_selector_matches(kp_css_match_context_t *context, const kp_css_selector_t *selector,
                             const kp_node_t *element)
{
    return match_from(context, selector, 0, element, NULL) == MATCHES;
}
