/* Counters, list markers and generated content (CSS Lists 3, CSS Content 3). */
#include <stdio.h>
#include <string.h>

#include "engine/layout/internal.h"

typedef struct counter {
    struct counter *older;
    const char *name;
    const kp_node_t *scope; /* ends when this element (the parent of its maker) ends */
    int32_t value;
} counter_t;

struct kp_counters {
    kp_layout_t *layout;
    counter_t *newest;
    int quote_depth;
};

kp_counters_t *kp_counters_new(kp_layout_t *layout)
{
    kp_counters_t *counters = kp_arena_alloc(&layout->arena, sizeof *counters);
    if (!counters)
        kp_layout_fail(layout, KP_ERR_NO_MEMORY);
    else
        counters->layout = layout;
    return counters;
}

static counter_t *find(kp_counters_t *counters, const char *name)
{
    counter_t *c = counters->newest;
    while (c && strcmp(c->name, name) != 0)
        c = c->older;
    return c;
}

static void reset(kp_counters_t *counters, const kp_node_t *element, const char *name,
                  int32_t value)
{
    counter_t *c = find(counters, name);
    if (c && c->scope == element->parent) {
        c->value = value; /* a sibling's counter is used again */
        return;
    }
    c = kp_arena_alloc(&counters->layout->arena, sizeof *c);
    if (!c) {
        kp_layout_fail(counters->layout, KP_ERR_NO_MEMORY);
        return;
    }
    *c = (counter_t){
        .older = counters->newest, .name = name, .scope = element->parent, .value = value};
    counters->newest = c;
}

static void increment(kp_counters_t *counters, const kp_node_t *element, const char *name,
                      int32_t by)
{
    counter_t *c = find(counters, name);
    if (!c) {
        reset(counters, element, name, 0);
        c = find(counters, name);
    }
    if (c)
        c->value = (int32_t)((uint32_t)c->value + (uint32_t)by);
}

static bool integer_attribute(const kp_node_t *element, const char *name, int32_t *out)
{
    size_t size, i = 0;
    const char *text = kp_dom_attribute(element, name, &size);
    int32_t value = 0;
    if (!text)
        return false;
    while (i < size && strchr(" \t\n\f\r", text[i]))
        i++;
    bool minus = i < size && text[i] == '-';
    i += minus || (i < size && text[i] == '+');
    size_t first = i;
    for (; i < size && text[i] >= '0' && text[i] <= '9'; i++)
        value = value < 100000000 ? value * 10 + (text[i] - '0') : value;
    *out = minus ? -value : value;
    return i > first;
}

void kp_counters_enter(kp_counters_t *counters, kp_node_t *element, const kp_style_t *style)
{
    if (kp_dom_is(element, LXB_TAG_OL) || kp_dom_is(element, LXB_TAG_UL) ||
        kp_dom_is(element, LXB_TAG_MENU) || kp_dom_is(element, LXB_TAG_DIR)) {
        int32_t start = 1;
        if (kp_dom_is(element, LXB_TAG_OL))
            integer_attribute(element, "start", &start);
        reset(counters, element, "list-item", start - 1);
    }
    for (size_t i = 0; style->counter_reset && i < style->counter_reset->count; i++)
        reset(counters, element, style->counter_reset->items[i].name,
              style->counter_reset->items[i].value);
    for (size_t i = 0; style->counter_increment && i < style->counter_increment->count; i++)
        increment(counters, element, style->counter_increment->items[i].name,
                  style->counter_increment->items[i].value);
    if (style->display == KP_KW_LIST_ITEM && !kp_dom_is(element, LXB_TAG_SUMMARY)) {
        int32_t value;
        increment(counters, element, "list-item", 1);
        counter_t *c = find(counters, "list-item");
        if (c && kp_dom_is(element, LXB_TAG_LI) && integer_attribute(element, "value", &value))
            c->value = value;
    }
}

void kp_counters_leave(kp_counters_t *counters, kp_node_t *element)
{
    while (counters->newest && counters->newest->scope == element)
        counters->newest = counters->newest->older;
}

static void alphabetic(kp_buffer_t *out, int32_t value, uint32_t first, uint32_t count)
{
    char digits[16];
    size_t used = 0;
    for (; value > 0 && used < sizeof digits; value = (value - 1) / (int32_t)count)
        digits[used++] = (char)((value - 1) % (int32_t)count);
    while (used--) {
        uint32_t c = first + (uint32_t)digits[used];
        if (first == 0x3b1 && c >= 0x3c2)
            c++; /* Greek skips the final sigma */
        kp_buffer_codepoint(out, c);
    }
}

static void roman(kp_buffer_t *out, int32_t value, bool upper)
{
    static const struct {
        int32_t value;
        const char *lower, *upper;
    } digits[] = {{1000, "m", "M"}, {900, "cm", "CM"}, {500, "d", "D"}, {400, "cd", "CD"},
                  {100, "c", "C"},  {90, "xc", "XC"},  {50, "l", "L"},  {40, "xl", "XL"},
                  {10, "x", "X"},   {9, "ix", "IX"},   {5, "v", "V"},   {4, "iv", "IV"},
                  {1, "i", "I"}};
    for (size_t i = 0; i < sizeof digits / sizeof *digits; i++) {
        for (; value >= digits[i].value; value -= digits[i].value)
            kp_buffer_text(out, upper ? digits[i].upper : digits[i].lower);
    }
}

/* The text of a value in a list style; true when it counts (and so takes ". " behind it). */
static bool format(kp_buffer_t *out, uint16_t style, int32_t value)
{
    switch (style) {
    case KP_KW_NONE:
        return false;
    case KP_KW_DISC:
        kp_buffer_text(out, "\u2022");
        return false;
    case KP_KW_CIRCLE:
        kp_buffer_text(out, "\u25e6");
        return false;
    case KP_KW_SQUARE:
        kp_buffer_text(out, "\u25aa");
        return false;
    case KP_KW_DISCLOSURE_OPEN:
        kp_buffer_text(out, "\u25be");
        return false;
    case KP_KW_DISCLOSURE_CLOSED:
        kp_buffer_text(out, "\u25b8");
        return false;
    case KP_KW_LOWER_ALPHA:
    case KP_KW_LOWER_LATIN:
        if (value > 0) {
            alphabetic(out, value, 'a', 26);
            return true;
        }
        break;
    case KP_KW_UPPER_ALPHA:
    case KP_KW_UPPER_LATIN:
        if (value > 0) {
            alphabetic(out, value, 'A', 26);
            return true;
        }
        break;
    case KP_KW_LOWER_GREEK:
        if (value > 0) {
            alphabetic(out, value, 0x3b1, 24);
            return true;
        }
        break;
    case KP_KW_LOWER_ROMAN:
    case KP_KW_UPPER_ROMAN:
        if (value > 0 && value < 4000) {
            roman(out, value, style == KP_KW_UPPER_ROMAN);
            return true;
        }
        break;
    case KP_KW_DECIMAL_LEADING_ZERO:
        kp_buffer_format(out, value > -10 && value < 0 ? "-0%d" : "%02d",
                         value > -10 && value < 0 ? -value : value);
        return true;
    default:
        break;
    }
    kp_buffer_format(out, "%d", value);
    return true;
}

static const char *keep(kp_counters_t *counters, kp_buffer_t *buffer)
{
    char *text = buffer->failed ? NULL
                                : kp_arena_string(&counters->layout->arena,
                                                  buffer->bytes ? buffer->bytes : "", buffer->size);
    if (!text)
        kp_layout_fail(counters->layout, KP_ERR_NO_MEMORY);
    kp_buffer_clear(buffer);
    return text;
}

const char *kp_counters_marker(kp_counters_t *counters, kp_node_t *element, const kp_style_t *style)
{
    (void)element;
    kp_buffer_t text = {0};
    counter_t *c = find(counters, "list-item");
    if (style->list_style_text) {
        kp_buffer_text(&text, style->list_style_text);
    } else if (style->list_style_type == KP_KW_NONE) {
        return NULL;
    } else if (format(&text, style->list_style_type, c ? c->value : 0)) {
        kp_buffer_text(&text, ". ");
    } else {
        kp_buffer_text(&text, " ");
    }
    return keep(counters, &text);
}

static void counter_values(kp_counters_t *counters, const kp_css_content_item_t *item,
                           kp_buffer_t *out)
{
    counter_t *chain[64];
    size_t count = 0;
    for (counter_t *c = counters->newest; c && count < 64; c = c->older) {
        if (strcmp(c->name, item->text) == 0)
            chain[count++] = c;
    }
    if (!count) {
        format(out, item->keyword, 0);
    } else if (!item->separator) {
        format(out, item->keyword, chain[0]->value);
    } else {
        while (count--) {
            format(out, item->keyword, chain[count]->value);
            if (count)
                kp_buffer_text(out, item->separator);
        }
    }
}

static void quote(kp_counters_t *counters, const kp_style_t *style, uint16_t keyword,
                  kp_buffer_t *out)
{
    static const char *const pairs[] = {"\u201c", "\u201d", "\u2018", "\u2019"};
    static const kp_css_quotes_t usual = {2, pairs};
    const kp_css_quotes_t *quotes = style->quotes ? style->quotes : &usual;
    bool open = keyword == KP_KW_OPEN_QUOTE || keyword == KP_KW_NO_OPEN_QUOTE;
    bool shown = keyword == KP_KW_OPEN_QUOTE || keyword == KP_KW_CLOSE_QUOTE;
    if (!open && counters->quote_depth > 0)
        counters->quote_depth--;
    if (shown && quotes->count) {
        size_t depth = (size_t)counters->quote_depth;
        if (depth >= quotes->count)
            depth = quotes->count - 1;
        kp_buffer_text(out, quotes->pairs[depth * 2 + !open]);
    }
    if (open)
        counters->quote_depth++;
}

const char *kp_counters_content(kp_counters_t *counters, kp_node_t *element,
                                const kp_style_t *style)
{
    kp_buffer_t text = {0};
    kp_counters_enter(counters, element, style); /* counter-increment on ::before */
    for (size_t i = 0; style->content && i < style->content->count; i++) {
        const kp_css_content_item_t *item = &style->content->items[i];
        size_t size;
        switch (item->kind) {
        case KP_CSS_CONTENT_STRING:
            kp_buffer_text(&text, item->text);
            break;
        case KP_CSS_CONTENT_ATTRIBUTE: {
            const char *value = kp_dom_attribute(element, item->text, &size);
            if (value)
                kp_buffer_append(&text, value, size);
            break;
        }
        case KP_CSS_CONTENT_COUNTER:
            counter_values(counters, item, &text);
            break;
        case KP_CSS_CONTENT_QUOTE:
            quote(counters, style, item->keyword, &text);
            break;
        case KP_CSS_CONTENT_IMAGE: /* DEVIATION: images as generated content are not shown */
            break;
        }
    }
    return keep(counters, &text);
}
