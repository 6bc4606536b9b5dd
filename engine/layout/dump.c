/* Dumps: boxes as JSON, text as a reader sees it. */
#include <stdio.h>
#include <string.h>

#include "engine/layout/internal.h"

static void json_text(kp_buffer_t *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            kp_buffer_byte(out, '\\');
            kp_buffer_byte(out, (char)c);
        } else if (c < 0x20) {
            kp_buffer_format(out, "\\u%04x", c);
        } else {
            kp_buffer_byte(out, (char)c);
        }
    }
}

/* px with at most two decimals, none of them a trailing zero. */
static void json_number(kp_buffer_t *out, kp_lu_t value)
{
    int64_t hundredths = ((int64_t)value * 100 + (value < 0 ? -32 : 32)) / KP_LU_ONE;
    int64_t rest = hundredths < 0 ? -hundredths : hundredths;
    if (hundredths < 0)
        kp_buffer_byte(out, '-');
    kp_buffer_format(out, "%lld", (long long)(rest / 100));
    if (rest % 100)
        kp_buffer_format(out, rest % 10 ? ".%02d" : ".%d",
                         (int)(rest % 10 ? rest % 100 : rest % 100 / 10));
}

void kp_layout_dump_boxes(const kp_layout_t *layout, kp_buffer_t *out)
{
    bool first = true;
    kp_buffer_t path = {0};
    kp_buffer_byte(out, '[');
    const kp_node_t *root = layout->document_element;
    for (const kp_node_t *node = root; node && layout->root; node = kp_dom_next(node, root)) {
        const kp_dom_data_t *data = kp_dom_is_element(node) ? kp_dom_data(node) : NULL;
        kp_lu_t r[4];
        if (!data || !data->box || !kp_layout_rectangle(data->box, r))
            continue;
        path.size = 0;
        kp_dom_path(node, &path);
        kp_buffer_text(out, first ? "\n{\"path\": \"" : ",\n{\"path\": \"");
        json_text(out, path.bytes, path.size);
        kp_buffer_text(out, "\"");
        static const char *const keys[4] = {"x", "y", "width", "height"};
        for (int i = 0; i < 4; i++) {
            kp_buffer_format(out, ", \"%s\": ", keys[i]);
            json_number(out, r[i]);
        }
        kp_buffer_byte(out, '}');
        first = false;
    }
    kp_buffer_text(out, "\n]\n");
    out->failed |= path.failed;
    kp_buffer_clear(&path);
}

/* ---- text: the innerText algorithm of the HTML Standard, over boxes ---- */

typedef struct writer {
    kp_buffer_t *out;
    int newlines; /* wanted before the next text; as many as the largest demand */
    bool any;
} writer_t;

static void want(writer_t *w, int newlines)
{
    if (newlines > w->newlines)
        w->newlines = newlines;
}

static void put(writer_t *w, const char *text, size_t size)
{
    if (!size)
        return;
    for (int i = 0; w->any && i < w->newlines; i++)
        kp_buffer_byte(w->out, '\n');
    w->newlines = 0;
    w->any = true;
    kp_buffer_append(w->out, text, size);
}

static void write_lines(writer_t *w, const kp_box_t *block)
{
    const kp_inline_content_t *content = block->lines;
    for (uint32_t i = 0; i < content->item_count; i++) {
        const kp_inline_item_t *item = &content->items[i];
        if (item->box->style->visibility != KP_KW_VISIBLE || item->box->generated)
            continue;
        if (item->kind == KP_ITEM_BREAK) {
            kp_buffer_byte(w->out, '\n');
        } else if (item->kind == KP_ITEM_TEXT) {
            uint32_t end = item->end;
            bool last = true;
            for (uint32_t j = i + 1; j < content->item_count && last; j++)
                last = content->items[j].kind != KP_ITEM_TEXT &&
                       content->items[j].kind != KP_ITEM_ATOMIC;
            if (last && !kp_white_space_preserves(item->box->style)) {
                while (end > item->start && content->text[end - 1] == ' ')
                    end--;
            }
            put(w, content->text + item->start, end - item->start);
        }
    }
}

static void begin_box(writer_t *w, const kp_box_t *box)
{
    if (box->kind == KP_BOX_ROW || (!box->inline_level && !box->cell && !box->anonymous))
        want(w, kp_dom_is(box->node, LXB_TAG_P) ? 2 : 1);
    if (box->anonymous && !box->cell && !box->inline_level)
        want(w, 1);
    if (box->cell && box->parent && box->parent->first_child != box && w->any)
        put(w, "\t", 1);
    if (box->children_inline && box->lines)
        write_lines(w, box);
}

static void end_box(writer_t *w, const kp_box_t *box)
{
    if (!box->inline_level && !box->cell)
        want(w, kp_dom_is(box->node, LXB_TAG_P) ? 2 : 1);
}

/* Inline-blocks and floats come behind the lines that they stand in. */
void kp_layout_dump_text(const kp_layout_t *layout, kp_buffer_t *out)
{
    writer_t w = {.out = out};
    const kp_box_t *box = layout->root;
    while (box) {
        bool block = box->kind != KP_BOX_TEXT && box->kind != KP_BOX_INLINE &&
                     box->kind != KP_BOX_BREAK && box->kind != KP_BOX_WBR &&
                     box->kind != KP_BOX_REPLACED && box->kind != KP_BOX_COLUMN;
        if (block)
            begin_box(&w, box);
        if (box->first_child) {
            box = box->first_child;
            continue;
        }
        for (;;) {
            if (box->kind != KP_BOX_TEXT && box->kind != KP_BOX_INLINE &&
                box->kind != KP_BOX_BREAK && box->kind != KP_BOX_WBR &&
                box->kind != KP_BOX_REPLACED)
                end_box(&w, box);
            if (box == layout->root || box->next)
                break;
            box = box->parent;
        }
        box = box == layout->root ? NULL : box->next;
    }
    kp_buffer_byte(out, '\n');
}
