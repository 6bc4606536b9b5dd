#include "engine/css/cascade.h"

#include <stdlib.h>
#include <string.h>

/* One selector of one rule, filed under the most selective name of its subject. */
typedef struct entry {
    const kp_css_selector_t *selector;
    const kp_css_rule_t *rule;
    uint64_t precedence; /* origin, specificity, order */
    uint32_t next;       /* index + 1 of the next entry of the same bucket */
    bool has_text;       /* the rule has custom properties or var() */
} entry_t;

typedef struct bucket {
    const kp_css_atom_t *name;
    uint32_t first; /* index + 1 */
} bucket_t;

typedef struct match {
    const entry_t *entry;
} match_t;

#define MATCHES_MAX 1024
#define CACHE_SIZE 4096u

typedef struct cached {
    struct cached *next;
    const kp_style_t *parent, *style;
    uint32_t hash, count;
    const entry_t *entries[];
} cached_t;

struct kp_css_cascade {
    kp_arena_t arena;
    kp_css_atoms_t *atoms;
    kp_css_viewport_t viewport;
    const kp_css_font_host_t *fonts;
    bool quirks;
    entry_t *entries;
    size_t entry_count, entry_capacity;
    uint64_t order;
    bucket_t *buckets;
    size_t bucket_count; /* a power of two */
    uint32_t universal;  /* index + 1 */
    bool indexed;
    kp_css_match_context_t match;
    kp_style_t initial;
    float root_font_size;
    cached_t *cache[CACHE_SIZE];
    match_t matches[KP_PSEUDO_ELEMENT_OTHER][MATCHES_MAX];
    size_t match_count[KP_PSEUDO_ELEMENT_OTHER];
    kp_css_declarations_t hints, inlined, scratch;
    kp_css_context_t context;
};

kp_status_t kp_css_cascade_create(kp_css_atoms_t *atoms, const kp_css_viewport_t *viewport,
                                  const kp_css_font_host_t *fonts, bool quirks,
                                  kp_css_cascade_t **out)
{
    kp_css_cascade_t *cascade = calloc(1, sizeof *cascade);
    if (!cascade)
        return KP_ERR_NO_MEMORY;
    cascade->atoms = atoms;
    cascade->viewport = *viewport;
    cascade->fonts = fonts;
    cascade->quirks = quirks;
    cascade->root_font_size = 16;
    kp_style_initial(&cascade->initial);
    *out = cascade;
    return KP_OK;
}

void kp_css_cascade_destroy(kp_css_cascade_t *cascade)
{
    if (!cascade)
        return;
    kp_arena_clear(&cascade->arena);
    free(cascade->entries);
    free(cascade->buckets);
    free(cascade->hints.items);
    free(cascade->inlined.items);
    free(cascade->scratch.items);
    free(cascade);
}

kp_status_t kp_css_cascade_add_sheet(kp_css_cascade_t *cascade, const kp_css_sheet_t *sheet,
                                     kp_css_origin_t origin)
{
    uint32_t last_media = 0;
    bool last_result = true;
    for (size_t i = 0; i < sheet->rule_count; i++) {
        const kp_css_rule_t *rule = &sheet->rules[i];
        bool has_text = false;
        if (rule->media != last_media) {
            last_media = rule->media;
            last_result = kp_css_sheet_media_matches(sheet, rule->media, &cascade->viewport);
        }
        if (!last_result)
            continue;
        for (uint32_t d = 0; d < rule->declaration_count; d++)
            has_text |= rule->declarations[d].value.type == KP_CSS_VALUE_TEXT;
        for (const kp_css_selector_t *s = rule->selectors; s; s = s->next) {
            if (s->pseudo_element == KP_PSEUDO_ELEMENT_OTHER)
                continue;
            if (cascade->entry_count == cascade->entry_capacity) {
                size_t more = cascade->entry_capacity ? cascade->entry_capacity * 2 : 256;
                entry_t *entries = more <= UINT32_MAX / 2
                                       ? realloc(cascade->entries, more * sizeof *entries)
                                       : NULL;
                if (!entries)
                    return KP_ERR_NO_MEMORY;
                cascade->entries = entries;
                cascade->entry_capacity = more;
            }
            cascade->entries[cascade->entry_count++] =
                (entry_t){.selector = s,
                          .rule = rule,
                          .precedence = (uint64_t)origin << 63 | (uint64_t)s->specificity << 31 |
                                        cascade->order,
                          .has_text = has_text};
        }
        cascade->order++;
    }
    cascade->indexed = false;
    return KP_OK;
}

static bucket_t *find_bucket(kp_css_cascade_t *cascade, const kp_css_atom_t *name)
{
    size_t at = name->hash;
    for (;; at++) {
        bucket_t *bucket = &cascade->buckets[at & (cascade->bucket_count - 1)];
        if (!bucket->name || bucket->name == name)
            return bucket;
    }
}

static const kp_css_atom_t *key_of(const kp_css_selector_t *selector)
{
    const kp_css_compound_t *subject = &selector->compounds[0];
    const kp_css_atom_t *key = NULL;
    int best = 0;
    for (size_t i = 0; i < subject->count; i++) {
        const kp_css_simple_t *simple = &subject->simples[i];
        int rank = simple->kind == KP_CSS_SIMPLE_ID      ? 3
                   : simple->kind == KP_CSS_SIMPLE_CLASS ? 2
                   : simple->kind == KP_CSS_SIMPLE_TAG   ? 1
                                                         : 0;
        if (rank > best) {
            best = rank;
            key = simple->name;
        }
    }
    return key;
}

static kp_status_t build_index(kp_css_cascade_t *cascade)
{
    size_t count = 256;
    while (count < cascade->entry_count * 2)
        count *= 2;
    free(cascade->buckets);
    cascade->buckets = calloc(count, sizeof *cascade->buckets);
    if (!cascade->buckets)
        return KP_ERR_NO_MEMORY;
    cascade->bucket_count = count;
    cascade->universal = 0;
    for (size_t i = 0; i < cascade->entry_count; i++) {
        entry_t *entry = &cascade->entries[i];
        const kp_css_atom_t *key = key_of(entry->selector);
        uint32_t *head = &cascade->universal;
        if (key) {
            bucket_t *bucket = find_bucket(cascade, key);
            bucket->name = key;
            head = &bucket->first;
        }
        entry->next = *head;
        *head = (uint32_t)i + 1;
    }
    cascade->indexed = true;
    return KP_OK;
}

/* How many compounds may be compared for one element and one selector. */
#define STEPS_MAX 100000u

static void match_list(kp_css_cascade_t *cascade, const kp_node_t *element, uint32_t first)
{
    for (uint32_t i = first; i; i = cascade->entries[i - 1].next) {
        const entry_t *entry = &cascade->entries[i - 1];
        unsigned pseudo = entry->selector->pseudo_element;
        cascade->match.steps = STEPS_MAX;
        if (cascade->match_count[pseudo] == MATCHES_MAX ||
            !kp_css_selector_matches(&cascade->match, entry->selector, element))
            continue;
        cascade->matches[pseudo][cascade->match_count[pseudo]++].entry = entry;
    }
}

static int compare_matches(const void *a, const void *b)
{
    uint64_t x = ((const match_t *)a)->entry->precedence;
    uint64_t y = ((const match_t *)b)->entry->precedence;
    return x < y ? -1 : x > y;
}

static void match_name(kp_css_cascade_t *cascade, const kp_node_t *element,
                       const kp_css_atom_t *name)
{
    if (name)
        match_list(cascade, element, find_bucket(cascade, name)->first);
}

static void collect(kp_css_cascade_t *cascade, const kp_node_t *element)
{
    const kp_dom_data_t *data = kp_dom_data(element);
    size_t size;
    const char *name = kp_dom_name(element, &size);
    memset(cascade->match_count, 0, sizeof cascade->match_count);
    match_list(cascade, element, cascade->universal);
    match_name(cascade, element, kp_css_atom_find(cascade->atoms, name, size));
    for (size_t i = 0; i < data->class_count; i++)
        match_name(cascade, element, data->classes[i]);
    match_name(cascade, element, data->id);
    for (int i = 0; i < KP_PSEUDO_ELEMENT_OTHER; i++) {
        match_t *list = cascade->matches[i];
        size_t count = cascade->match_count[i];
        if (count < 2)
            continue;
        if (count > 24) {
            qsort(list, count, sizeof *list, compare_matches);
            continue;
        }
        for (size_t j = 1; j < count; j++) {
            match_t held = list[j];
            size_t k = j;
            for (; k && list[k - 1].entry->precedence > held.entry->precedence; k--)
                list[k] = list[k - 1];
            list[k] = held;
        }
    }
}

/* ---- one style out of its matches ---- */

typedef struct winners {
    const kp_css_value_t *value[KP_CSS_LONGHAND_COUNT];
    uint16_t set[KP_CSS_LONGHAND_COUNT]; /* which are set, in no order */
    size_t set_count;
} winners_t;

static void win(winners_t *winners, int property, const kp_css_value_t *value)
{
    if (!winners->value[property])
        winners->set[winners->set_count++] = (uint16_t)property;
    winners->value[property] = value;
}

static const kp_css_value_t unset_value = {.type = KP_CSS_VALUE_KEYWORD, .keyword = KP_KW_UNSET};

/* A declaration with var(): substitutes, parses, and lets the results win. A failure makes the
   property "invalid at computed-value time": unset. */
static bool win_text(kp_css_cascade_t *cascade, const kp_css_customs_t *customs, winners_t *winners,
                     const kp_css_declaration_t *declaration)
{
    const kp_css_raw_t *raw = declaration->value.as.pointer;
    int property = declaration->property;
    int16_t single[2] = {(int16_t)property, -1};
    const int16_t *longhands =
        property >= KP_CSS_SHORTHAND_FIRST ? kp_css_shorthand_longhands(property) : single;
    for (const int16_t *p = longhands; *p >= 0; p++)
        win(winners, *p, &unset_value);
    kp_buffer_t text = {0};
    bool valid = kp_css_substitute(customs, cascade->atoms, raw->text, raw->size, &text);
    if (valid) {
        kp_css_declarations_t *scratch = &cascade->scratch;
        scratch->count = 0;
        /* Tokens of the result may be referred to (strings): keep the text. */
        char *kept = kp_arena_string(&cascade->arena, text.bytes, text.size);
        if (kept)
            kp_css_parse_declaration(&cascade->context, property, NULL, 0, kept, text.size,
                                     scratch);
        for (size_t i = 0; i < scratch->count; i++) {
            kp_css_value_t *value = kp_arena_alloc(&cascade->arena, sizeof *value);
            if (!value) {
                kp_buffer_clear(&text);
                return false;
            }
            *value = scratch->items[i].value;
            if (scratch->items[i].property < KP_CSS_LONGHAND_COUNT)
                win(winners, scratch->items[i].property, value);
        }
    }
    kp_buffer_clear(&text);
    return !cascade->scratch.failed;
}

typedef struct source {
    const match_t *matches;
    size_t match_count, ua_count; /* the first ua_count are of the user agent */
    bool has_text;
    const kp_css_declarations_t *hints, *inlined;
} source_t;

typedef bool (*visit_fn)(void *context, const kp_css_declaration_t *declaration);

static bool visit_list(const kp_css_declaration_t *items, size_t count, bool important,
                       visit_fn visit, void *context)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].important == important && !visit(context, &items[i]))
            return false;
    }
    return true;
}

static bool visit_matches(const source_t *source, size_t from, size_t to, bool important,
                          visit_fn visit, void *context)
{
    for (size_t i = from; i < to; i++) {
        const kp_css_rule_t *rule = source->matches[i].entry->rule;
        if (!visit_list(rule->declarations, rule->declaration_count, important, visit, context))
            return false;
    }
    return true;
}

/* All declarations, the weakest first (CSS Cascade 4, section 6.1). */
static bool visit_all(const source_t *source, visit_fn visit, void *context)
{
    size_t ua = source->ua_count, all = source->match_count;
    const kp_css_declarations_t *hints = source->hints, *inlined = source->inlined;
    return visit_matches(source, 0, ua, false, visit, context) &&
           visit_list(hints->items, hints->count, false, visit, context) &&
           visit_matches(source, ua, all, false, visit, context) &&
           visit_list(inlined->items, inlined->count, false, visit, context) &&
           visit_matches(source, ua, all, true, visit, context) &&
           visit_list(inlined->items, inlined->count, true, visit, context) &&
           visit_matches(source, 0, ua, true, visit, context);
}

typedef struct building {
    kp_css_cascade_t *cascade;
    winners_t winners;
    kp_css_custom_t *customs;
    size_t custom_count, custom_capacity, inherited_customs;
    const kp_css_customs_t *resolved;
} building_t;

static bool visit_custom(void *context, const kp_css_declaration_t *declaration)
{
    building_t *building = context;
    if (declaration->property != KP_CSS_CUSTOM)
        return true;
    const kp_css_raw_t *raw = declaration->value.as.pointer;
    size_t low = 0, high = building->custom_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if ((uintptr_t)building->customs[middle].name < (uintptr_t)raw->name)
            low = middle + 1;
        else
            high = middle;
    }
    bool replaces = low < building->custom_count && building->customs[low].name == raw->name;
    if (!replaces) {
        if (building->custom_count == building->custom_capacity) {
            size_t more = building->custom_capacity ? building->custom_capacity * 2 : 32;
            kp_css_custom_t *grown = realloc(building->customs, more * sizeof *grown);
            if (!grown)
                return false;
            building->customs = grown;
            building->custom_capacity = more;
        }
        memmove(&building->customs[low + 1], &building->customs[low],
                (building->custom_count - low) * sizeof *building->customs);
        building->custom_count++;
    }
    building->customs[low] =
        (kp_css_custom_t){.name = raw->name, .text = raw->text, .size = raw->size};
    return true;
}

static bool has_var(const char *text, size_t size)
{
    for (size_t i = 0; i + 4 <= size; i++) {
        if (memcmp(text + i, "var(", 4) == 0)
            return true;
    }
    return false;
}

/* The element's custom properties: the parent's with its own over them, references replaced. */
static bool build_customs(building_t *building, const source_t *source, const kp_style_t *parent)
{
    kp_arena_t *arena = &building->cascade->arena;
    const kp_css_customs_t *inherited = parent->customs;
    building->resolved = inherited;
    if (inherited) {
        building->customs = malloc((inherited->count + 32) * sizeof *building->customs);
        if (!building->customs)
            return false;
        memcpy(building->customs, inherited->items, inherited->count * sizeof *building->customs);
        building->custom_count = inherited->count;
        building->custom_capacity = inherited->count + 32;
    }
    if (!visit_all(source, visit_custom, building))
        return false;
    size_t count = building->custom_count;
    kp_css_customs_t *customs = kp_arena_alloc(arena, sizeof *customs);
    kp_css_custom_t *items = kp_arena_array(arena, count, sizeof *items);
    if (!customs || !items)
        return false;
    kp_css_customs_t raw = {.count = count, .items = building->customs};
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        kp_css_custom_t item = building->customs[i];
        if (has_var(item.text, item.size)) {
            kp_buffer_t text = {0};
            bool valid =
                kp_css_substitute(&raw, building->cascade->atoms, item.text, item.size, &text);
            item.text = valid ? kp_arena_string(arena, text.bytes, text.size) : NULL;
            item.size = (uint32_t)text.size;
            kp_buffer_clear(&text);
            if (!valid)
                continue; /* as if it were not set */
            if (!item.text)
                return false;
        }
        items[used++] = item;
    }
    *customs = (kp_css_customs_t){.count = used, .items = items};
    building->resolved = customs;
    return true;
}

static bool visit_value(void *context, const kp_css_declaration_t *declaration)
{
    building_t *building = context;
    if (declaration->property == KP_CSS_CUSTOM)
        return true;
    if (declaration->value.type == KP_CSS_VALUE_TEXT)
        return win_text(building->cascade, building->resolved, &building->winners, declaration);
    if (declaration->property < KP_CSS_LONGHAND_COUNT)
        win(&building->winners, declaration->property, &declaration->value);
    return true;
}

/* NULL: out of memory. */
static const kp_style_t *compute_style(kp_css_cascade_t *cascade, const source_t *source,
                                       const kp_style_t *parent, bool is_root)
{
    building_t building = {.cascade = cascade, .resolved = parent->customs};
    kp_style_t *style = kp_arena_alloc(&cascade->arena, sizeof *style);
    bool ok = style != NULL;
    if (ok && source->has_text)
        ok = build_customs(&building, source, parent);
    ok = ok && visit_all(source, visit_value, &building);
    if (ok) {
        *style = cascade->initial;
        memcpy(style, parent, KP_STYLE_INHERITED_SIZE);
        style->customs = building.resolved;
        kp_css_compute_t compute = {.style = style,
                                    .parent = parent,
                                    .arena = &cascade->arena,
                                    .viewport = &cascade->viewport,
                                    .fonts = cascade->fonts,
                                    .root_font_size = cascade->root_font_size};
        winners_t *winners = &building.winners;
        if (winners->value[KP_CSS_FONT_WEIGHT])
            kp_css_compute_property(&compute, KP_CSS_FONT_WEIGHT,
                                    winners->value[KP_CSS_FONT_WEIGHT]);
        kp_css_compute_font(&compute, winners->value[KP_CSS_FONT_FAMILY],
                            winners->value[KP_CSS_FONT_SIZE]);
        if (winners->value[KP_CSS_COLOR])
            kp_css_compute_property(&compute, KP_CSS_COLOR, winners->value[KP_CSS_COLOR]);
        for (size_t i = 0; i < winners->set_count; i++) {
            int property = winners->set[i];
            if (property != KP_CSS_FONT_FAMILY && property != KP_CSS_FONT_SIZE &&
                property != KP_CSS_FONT_WEIGHT && property != KP_CSS_COLOR)
                kp_css_compute_property(&compute, property, winners->value[property]);
        }
        kp_css_compute_fixup(&compute, is_root);
        ok = !compute.failed;
    }
    free(building.customs);
    return ok ? style : NULL;
}

static uint32_t hash_matches(const kp_style_t *parent, const match_t *matches, size_t count)
{
    uint64_t hash = (uintptr_t)parent >> 4;
    for (size_t i = 0; i < count; i++)
        hash = (hash * 0x9e3779b97f4a7c15u) ^ ((uintptr_t)matches[i].entry >> 3);
    hash *= 0x9e3779b97f4a7c15u;
    return (uint32_t)(hash >> 32);
}

/* Elements that match the same rules below the same parent style share one style. */
static const kp_style_t *styled(kp_css_cascade_t *cascade, unsigned pseudo,
                                const kp_style_t *parent, bool is_root)
{
    static const kp_css_declarations_t nothing = {0};
    bool own = pseudo == KP_PSEUDO_ELEMENT_NONE;
    source_t source = {.matches = cascade->matches[pseudo],
                       .match_count = cascade->match_count[pseudo],
                       .hints = own ? &cascade->hints : &nothing,
                       .inlined = own ? &cascade->inlined : &nothing};
    for (size_t i = 0; i < source.match_count; i++) {
        const entry_t *entry = source.matches[i].entry;
        source.ua_count += entry->precedence >> 63 == KP_CSS_ORIGIN_UA;
        source.has_text |= entry->has_text;
    }
    for (size_t i = 0; i < source.inlined->count; i++)
        source.has_text |= source.inlined->items[i].value.type == KP_CSS_VALUE_TEXT;
    bool cacheable = !source.hints->count && !source.inlined->count && !is_root;
    if (!cacheable)
        return compute_style(cascade, &source, parent, is_root);
    uint32_t hash = hash_matches(parent, source.matches, source.match_count) + pseudo;
    cached_t **slot = &cascade->cache[hash % CACHE_SIZE];
    for (cached_t *c = *slot; c; c = c->next) {
        bool same = c->hash == hash && c->parent == parent && c->count == source.match_count;
        for (size_t i = 0; same && i < c->count; i++)
            same = c->entries[i] == source.matches[i].entry;
        if (same)
            return c->style;
    }
    const kp_style_t *style = compute_style(cascade, &source, parent, is_root);
    cached_t *c =
        kp_arena_alloc(&cascade->arena, sizeof *c + source.match_count * sizeof *c->entries);
    if (!style || !c)
        return NULL;
    c->parent = parent;
    c->style = style;
    c->hash = hash;
    c->count = (uint32_t)source.match_count;
    for (size_t i = 0; i < c->count; i++)
        c->entries[i] = source.matches[i].entry;
    c->next = *slot;
    *slot = c;
    return style;
}

#define CLASSES_MAX 64

/* Looks up (never makes) the atoms of id and classes: names that no sheet has match nothing. */
static kp_status_t name_element(kp_css_cascade_t *cascade, kp_node_t *element, kp_arena_t *arena)
{
    kp_dom_data_t *data = kp_dom_data(element);
    const lxb_dom_element_t *e = (const lxb_dom_element_t *)element;
    if (!data) {
        data = kp_arena_alloc(arena, sizeof *data);
        if (!data)
            return KP_ERR_NO_MEMORY;
        element->user = data;
    }
    data->id = NULL;
    data->class_count = 0;
    data->style = data->before = data->after = data->marker = NULL;
    data->hidden_subtree = false;
    memset(data->number, 0, sizeof data->number);
    if (e->attr_id && e->attr_id->value && e->attr_id->value->data)
        data->id = kp_css_atom_find(cascade->atoms, (const char *)e->attr_id->value->data,
                                    e->attr_id->value->length);
    if (!e->attr_class || !e->attr_class->value || !e->attr_class->value->data)
        return KP_OK;
    const kp_css_atom_t *found[CLASSES_MAX];
    const char *text = (const char *)e->attr_class->value->data;
    size_t size = e->attr_class->value->length, count = 0;
    for (size_t i = 0; i < size && count < CLASSES_MAX;) {
        while (i < size && strchr(" \t\n\f\r", text[i]))
            i++;
        size_t start = i;
        while (i < size && !strchr(" \t\n\f\r", text[i]))
            i++;
        const kp_css_atom_t *atom =
            i > start ? kp_css_atom_find(cascade->atoms, text + start, i - start) : NULL;
        if (atom)
            found[count++] = atom;
    }
    if (!count)
        return KP_OK;
    data->classes = kp_arena_array(arena, count, sizeof *data->classes);
    if (!data->classes)
        return KP_ERR_NO_MEMORY;
    memcpy(data->classes, found, count * sizeof *found);
    data->class_count = (uint16_t)count;
    return KP_OK;
}

static bool generates(const kp_style_t *style)
{
    return style && style->content && style->display != KP_KW_NONE;
}

static kp_status_t style_element(kp_css_cascade_t *cascade, kp_node_t *element,
                                 const kp_style_t *parent, bool is_root)
{
    kp_dom_data_t *data = kp_dom_data(element);
    collect(cascade, element);
    cascade->hints.count = cascade->inlined.count = 0;
    if (((lxb_dom_element_t *)element)->first_attr) {
        size_t size;
        if (element->ns == LXB_NS_HTML)
            kp_css_hints(&cascade->context, element, cascade->quirks, &cascade->hints);
        const char *text = kp_dom_attribute_id(element, LXB_DOM_ATTR_STYLE, &size);
        if (text && size)
            kp_css_parse_declarations(&cascade->context, text, size, &cascade->inlined);
        if (cascade->hints.failed || cascade->inlined.failed)
            return KP_ERR_NO_MEMORY;
    }
    const kp_style_t *style = styled(cascade, KP_PSEUDO_ELEMENT_NONE, parent, is_root);
    if (!style)
        return KP_ERR_NO_MEMORY;
    data->style = style;
    if (is_root)
        cascade->root_font_size = style->font_size;
    const kp_style_t **pseudo[] = {[KP_PSEUDO_ELEMENT_BEFORE] = &data->before,
                                   [KP_PSEUDO_ELEMENT_AFTER] = &data->after,
                                   [KP_PSEUDO_ELEMENT_MARKER] = &data->marker};
    for (unsigned i = KP_PSEUDO_ELEMENT_BEFORE; i < KP_PSEUDO_ELEMENT_OTHER; i++) {
        if (!cascade->match_count[i] || style->display == KP_KW_NONE)
            continue;
        const kp_style_t *generated = styled(cascade, i, style, false);
        if (!generated)
            return KP_ERR_NO_MEMORY;
        if (i == KP_PSEUDO_ELEMENT_MARKER || generates(generated))
            *pseudo[i] = generated;
    }
    return KP_OK;
}

kp_status_t kp_css_cascade_apply(kp_css_cascade_t *cascade, kp_node_t *root,
                                 const kp_node_t *target, kp_arena_t *data_arena,
                                 const char *base_url)
{
    cascade->context = (kp_css_context_t){.arena = &cascade->arena,
                                          .atoms = cascade->atoms,
                                          .base_url = base_url,
                                          .quirks = cascade->quirks};
    cascade->match = (kp_css_match_context_t){
        .root = root, .target = target, .atoms = cascade->atoms, .quirks = cascade->quirks};
    kp_status_t status = cascade->indexed ? KP_OK : build_index(cascade);
    /* Names first: :has and :nth-last-child look at elements that come later. */
    kp_node_t *node = root;
    for (; node && status == KP_OK; node = kp_dom_next(node, root)) {
        if (kp_dom_is_element(node))
            status = name_element(cascade, node, data_arena);
    }
    node = root;
    while (node && status == KP_OK) {
        bool descend = false;
        if (kp_dom_is_element(node)) {
            const kp_dom_data_t *parent = node == root ? NULL : kp_dom_data(node->parent);
            status = style_element(cascade, node, parent ? parent->style : &cascade->initial,
                                   node == root);
            if (status != KP_OK)
                break;
            descend = kp_dom_data(node)->style->display != KP_KW_NONE;
            if (!descend) {
                kp_node_t *inner = node->first_child; /* below, nothing is styled */
                for (; inner && inner != node; inner = kp_dom_next(inner, node)) {
                    if (kp_dom_is_element(inner))
                        kp_dom_data(inner)->hidden_subtree = true;
                }
            }
        }
        node = descend ? kp_dom_next(node, root) : kp_dom_next_skip(node, root);
    }
    return status;
}

const kp_style_t *kp_css_cascade_anonymous(kp_css_cascade_t *cascade, const kp_style_t *parent,
                                           uint16_t display)
{
    kp_style_t *style = kp_arena_alloc(&cascade->arena, sizeof *style);
    if (!style)
        return NULL;
    *style = cascade->initial;
    memcpy(style, parent, KP_STYLE_INHERITED_SIZE);
    style->display = display;
    for (int i = 0; i < 4; i++)
        style->border_width[i] = 0; /* "medium" without a style */
    style->outline_width = 0;
    return style;
}

kp_style_t *kp_css_cascade_copy(kp_css_cascade_t *cascade, const kp_style_t *style)
{
    kp_style_t *copy = kp_arena_alloc(&cascade->arena, sizeof *copy);
    if (copy)
        *copy = *style;
    return copy;
}
