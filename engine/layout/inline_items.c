/* The inline content of a block container as a flat list: collapsed text and items. */
#include <string.h>

#include "engine/layout/internal.h"

typedef struct collector {
    kp_layout_t *layout;
    kp_buffer_t text;
    kp_buffer_t items; /* kp_inline_item_t */
    bool after_space;  /* the text so far ends with a collapsible space, or begins a line */
    bool word_start;   /* for text-transform: capitalize */
} collector_t;

static void add_item(collector_t *c, kp_inline_item_kind_t kind, kp_box_t *box, uint32_t start)
{
    kp_inline_item_t *item = kp_buffer_extend(&c->items, sizeof *item);
    if (item)
        *item = (kp_inline_item_t){
            .kind = (uint8_t)kind, .box = box, .start = start, .end = (uint32_t)c->text.size};
}

/* Case mapping of ASCII and Latin-1, Greek, Cyrillic letters (two-byte UTF-8). DEVIATION: the rest
   of Unicode keeps its case; sharp s does not become SS. */
static uint32_t map_case(uint32_t c, bool upper)
{
    if (c < 0x80) {
        if (upper)
            return c >= 'a' && c <= 'z' ? c - 32 : c;
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    }
    bool latin = c >= 0xe0 && c <= 0xfe && c != 0xf7,
         latin_upper = c >= 0xc0 && c <= 0xde && c != 0xd7;
    bool greek = c >= 0x3b1 && c <= 0x3c9 && c != 0x3c2, greek_upper = c >= 0x391 && c <= 0x3a9;
    bool cyrillic = c >= 0x430 && c <= 0x44f, cyrillic_upper = c >= 0x410 && c <= 0x42f;
    if (upper && (latin || greek || cyrillic))
        return c - 32;
    if (!upper && (latin_upper || greek_upper || cyrillic_upper))
        return c + 32;
    if (upper && c >= 0x450 && c <= 0x45f)
        return c - 80;
    if (!upper && c >= 0x400 && c <= 0x40f)
        return c + 80;
    if (c >= 0x100 && c <= 0x17f && c != 0x131 && c != 0x138 && c != 0x149 && c != 0x178 &&
        c != 0x17f) {
        bool odd_upper = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e);
        bool is_upper = odd_upper ? c % 2 == 1 : c % 2 == 0;
        if (upper && !is_upper)
            return c - 1;
        if (!upper && is_upper)
            return c + 1;
    }
    return c;
}

static void append_transformed(collector_t *c, const char *text, size_t size, uint16_t transform)
{
    for (size_t i = 0; i < size;) {
        unsigned char lead = (unsigned char)text[i];
        size_t width = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        if (width > size - i)
            width = size - i;
        uint32_t point = lead;
        if (width == 2)
            point = (uint32_t)(lead & 0x1f) << 6 | ((unsigned char)text[i + 1] & 0x3f);
        if (width > 2) {
            kp_buffer_append(&c->text, text + i, width);
            c->word_start = false;
        } else {
            bool letter = point >= 0x80 || (point | 32) - 'a' < 26;
            uint32_t mapped = point;
            if (transform == KP_KW_UPPERCASE || (transform == KP_KW_CAPITALIZE && c->word_start))
                mapped = map_case(point, true);
            else if (transform == KP_KW_LOWERCASE)
                mapped = map_case(point, false);
            kp_buffer_codepoint(&c->text, mapped);
            bool digit = point >= '0' && point <= '9';
            c->word_start = !letter && !digit && point != '\'' && point != '_';
        }
        i += width;
    }
}

static void append_plain(collector_t *c, const char *text, size_t size, uint16_t transform)
{
    if (!size)
        return;
    if (transform == KP_KW_NONE)
        kp_buffer_append(&c->text, text, size);
    else
        append_transformed(c, text, size, transform);
}

/* CSS Text 3, section 4.1: white-space processing. */
static void add_text(collector_t *c, kp_box_t *box)
{
    const kp_style_t *style = box->style;
    const char *text = box->text;
    uint32_t start = (uint32_t)c->text.size;
    bool preserve = kp_white_space_preserves(style), lines = style->white_space == KP_KW_PRE_LINE;
    uint32_t i = 0;
    while (i < box->text_size) {
        uint32_t run = i;
        while (run < box->text_size && text[run] != ' ' && text[run] != '\n' && text[run] != '\t' &&
               text[run] != '\r' && text[run] != '\f')
            run++;
        if (run > i) {
            append_plain(c, text + i, run - i, style->text_transform);
            c->after_space = false;
            i = run;
            continue;
        }
        char space = text[i];
        c->word_start = true;
        if (preserve) {
            if (space == '\r') {
                i++;
                continue;
            }
            kp_buffer_byte(&c->text, space == '\f' ? ' ' : space);
            c->after_space = space == '\n';
            i++;
            continue;
        }
        bool newline = false;
        while (i < box->text_size && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' ||
                                      text[i] == '\r' || text[i] == '\f'))
            newline |= text[i++] == '\n';
        if (newline && lines) {
            if (c->text.size > start && c->text.bytes[c->text.size - 1] == ' ')
                c->text.size--;
            kp_buffer_byte(&c->text, '\n');
            c->after_space = true;
        } else if (!c->after_space) {
            kp_buffer_byte(&c->text, ' ');
            c->after_space = true;
        }
    }
    if (c->text.size > start)
        add_item(c, KP_ITEM_TEXT, box, start);
}

/* U+FFFC stands for things in the text, so that line breaking sees them. */
static void add_object(collector_t *c, kp_inline_item_kind_t kind, kp_box_t *box)
{
    uint32_t start = (uint32_t)c->text.size;
    kp_buffer_text(&c->text, "\xef\xbf\xbc");
    add_item(c, kind, box, start);
    c->after_space = false;
    c->word_start = true;
}

static void collect_box(collector_t *c, kp_box_t *box)
{
    if (box->out_of_flow) {
        add_item(c, KP_ITEM_OUT_OF_FLOW, box, (uint32_t)c->text.size);
    } else if (box->floating) {
        add_item(c, KP_ITEM_FLOAT, box, (uint32_t)c->text.size);
    } else if (box->kind == KP_BOX_TEXT) {
        add_text(c, box);
    } else if (box->kind == KP_BOX_BREAK) {
        uint32_t start = (uint32_t)c->text.size;
        kp_buffer_byte(&c->text, '\n');
        add_item(c, KP_ITEM_BREAK, box, start);
        c->after_space = true;
    } else if (box->kind == KP_BOX_WBR) {
        uint32_t start = (uint32_t)c->text.size;
        kp_buffer_text(&c->text, "\xe2\x80\x8b");
        add_item(c, KP_ITEM_WBR, box, start);
    } else if (box->kind != KP_BOX_INLINE) {
        add_object(c, KP_ITEM_ATOMIC, box);
    }
}

void kp_inline_collect(kp_layout_t *layout, kp_box_t *block)
{
    if (block->lines)
        return;
    collector_t c = {.layout = layout, .after_space = true, .word_start = true};
    kp_box_t *box = block->first_child;
    while (box) {
        bool in_flow_inline = box->kind == KP_BOX_INLINE && !box->floating && !box->out_of_flow;
        if (in_flow_inline) {
            add_item(&c, KP_ITEM_OPEN, box, (uint32_t)c.text.size);
            if (box->first_child) {
                box = box->first_child;
                continue;
            }
            add_item(&c, KP_ITEM_CLOSE, box, (uint32_t)c.text.size);
        } else {
            collect_box(&c, box);
        }
        while (box && !box->next) {
            box = box->parent == block ? NULL : box->parent;
            if (box)
                add_item(&c, KP_ITEM_CLOSE, box, (uint32_t)c.text.size);
        }
        box = box ? box->next : NULL;
    }
    kp_inline_content_t *content = kp_arena_alloc(&layout->arena, sizeof *content);
    char *text = kp_arena_string(&layout->arena, c.text.bytes ? c.text.bytes : "", c.text.size);
    uint8_t *breaks = kp_arena_alloc(&layout->arena, c.text.size + 1);
    void *items = kp_arena_alloc(&layout->arena, c.items.size);
    if (!content || !text || !breaks || !items || c.text.failed || c.items.failed ||
        c.text.size > UINT32_MAX / 2) {
        kp_layout_fail(layout, KP_ERR_NO_MEMORY);
    } else {
        if (c.items.size)
            memcpy(items, c.items.bytes, c.items.size);
        content->text = text;
        content->text_size = (uint32_t)c.text.size;
        content->breaks = breaks;
        content->items = items;
        content->item_count = (uint32_t)(c.items.size / sizeof(kp_inline_item_t));
        kp_text_line_breaks(text, c.text.size, NULL, breaks);
        block->lines = content;
    }
    kp_buffer_clear(&c.text);
    kp_buffer_clear(&c.items);
}

kp_text_style_t kp_layout_text_style(const kp_style_t *style)
{
    return (kp_text_style_t){.families = style->font_family->names,
                             .family_count = style->font_family->count,
                             .size = style->font_size,
                             .weight = (int)style->font_weight,
                             .italic = style->font_style != KP_KW_NORMAL,
                             .letter_spacing = style->letter_spacing,
                             .word_spacing = style->word_spacing};
}

float kp_inline_measure(kp_layout_t *layout, const kp_style_t *style, const char *text, size_t size)
{
    kp_text_style_t text_style = kp_layout_text_style(style);
    float width = 0;
    if (size && style->font_size > 0) {
        kp_status_t status = kp_text_measure(layout->text, &text_style, text, size, &width);
        if (status == KP_ERR_NO_MEMORY)
            kp_layout_fail(layout, status);
    }
    return width;
}

static bool keeps_breaks(const kp_inline_content_t *content, uint32_t last, const kp_style_t *style)
{
    uint8_t how = content->breaks[last];
    if (style->word_break == KP_KW_BREAK_ALL && how == KP_TEXT_BREAK_NONE)
        return (content->text[last + 1] & 0xc0) != 0x80 && content->text[last + 1] != ' ';
    return how != KP_TEXT_BREAK_NONE;
}

kp_segment_t kp_inline_segment(kp_layout_t *layout, const kp_inline_content_t *content,
                               const kp_inline_item_t *item, uint32_t at, float x)
{
    const kp_style_t *style = item->box->style;
    const char *text = content->text;
    bool wraps = kp_white_space_wraps(style), preserve = kp_white_space_preserves(style);
    kp_segment_t segment = {.start = at, .end = at + 1};
    if (text[at] == '\n') {
        segment.newline = true;
        return segment;
    }
    if (text[at] == '\t' && preserve) {
        float space = kp_inline_measure(layout, style, " ", 1);
        float stop = space * (style->tab_size > 0 ? style->tab_size : 1);
        segment.tab = true;
        segment.width = stop > 0 ? stop - (x - (float)(int)(x / stop) * stop) : 0;
        segment.breaks = wraps;
        return segment;
    }
    if (text[at] == ' ') {
        while (segment.end < item->end && text[segment.end] == ' ')
            segment.end++;
        segment.space = true;
        segment.breaks = wraps;
    } else {
        while (segment.end < item->end && text[segment.end] != ' ' && text[segment.end] != '\n' &&
               text[segment.end] != '\t' &&
               !(wraps && keeps_breaks(content, segment.end - 1, style)))
            segment.end++;
        segment.breaks = wraps && segment.end <= content->text_size &&
                         keeps_breaks(content, segment.end - 1, style);
        if (segment.end < content->text_size && text[segment.end] == ' ')
            segment.breaks = false; /* the space behind it is the opportunity */
    }
    segment.width = kp_inline_measure(layout, style, text + at, segment.end - at);
    return segment;
}
