/* Boxes out of styled elements: anonymous boxes, table fix-up, blocks inside of inlines. Walks the
   document without recursion. */
#include <string.h>

#include "engine/layout/internal.h"

kp_box_t *kp_box_new(kp_layout_t *layout, kp_box_kind_t kind, kp_node_t *node,
                     const kp_style_t *style)
{
    kp_box_t *box = style ? kp_arena_alloc(&layout->arena, sizeof *box) : NULL;
    if (!box) {
        kp_layout_fail(layout, KP_ERR_NO_MEMORY);
        return NULL;
    }
    box->kind = (uint8_t)kind;
    box->node = node;
    box->style = style;
    box->column_span = box->row_span = 1;
    box->first_baseline = box->last_baseline = KP_LU_NONE;
    return box;
}

void kp_box_append(kp_box_t *parent, kp_box_t *child)
{
    child->parent = parent;
    child->next = NULL;
    child->depth = (uint16_t)(parent->depth + 1);
    if (parent->last_child)
        parent->last_child->next = child;
    else
        parent->first_child = child;
    parent->last_child = child;
}

static bool is_neutral(const kp_box_t *box)
{
    return box->floating || box->out_of_flow;
}

static bool is_block_level(const kp_box_t *box)
{
    return !box->inline_level && !is_neutral(box);
}

/* Text that vanishes at the start of a line or between blocks. */
static bool is_collapsible_space(const kp_box_t *box)
{
    if (box->kind != KP_BOX_TEXT || kp_white_space_preserves(box->style))
        return false;
    bool lines = box->style->white_space == KP_KW_PRE_LINE;
    for (uint32_t i = 0; i < box->text_size; i++) {
        char c = box->text[i];
        if (c == '\n' ? lines : c != ' ' && c != '\t' && c != '\r' && c != '\f')
            return false;
    }
    return true;
}

static kp_box_t *anonymous(kp_layout_t *layout, kp_box_kind_t kind, kp_box_t *parent,
                           uint16_t display)
{
    const kp_style_t *style = kp_css_cascade_anonymous(layout->cascade, parent->style, display);
    kp_box_t *box = kp_box_new(layout, kind, NULL, style);
    if (box)
        box->anonymous = true;
    return box;
}

static bool in_flow_children(const kp_box_t *box)
{
    for (const kp_box_t *child = box->first_child; child; child = child->next) {
        if (!is_neutral(child))
            return true;
    }
    return false;
}

/* A block container that had inline content gets a block: the inline content moves into an
   anonymous block (CSS 2.2, section 9.2.1.1). */
static void wrap_inlines(kp_layout_t *layout, kp_box_t *block)
{
    block->children_inline = false;
    if (!in_flow_children(block))
        return;
    kp_box_t *wrapper = anonymous(layout, KP_BOX_BLOCK, block, KP_KW_BLOCK);
    if (!wrapper)
        return;
    wrapper->children_inline = true;
    kp_box_t *child = block->first_child;
    block->first_child = block->last_child = NULL;
    kp_box_append(block, wrapper);
    while (child) {
        kp_box_t *next = child->next;
        kp_box_append(wrapper, child);
        child = next;
    }
}

static void insert_into_block(kp_layout_t *layout, kp_box_t *block, kp_box_t *child)
{
    kp_box_t *last = block->last_child;
    bool wrapper = last && last->anonymous && last->kind == KP_BOX_BLOCK && last->children_inline;
    if (is_neutral(child)) {
        kp_box_append(!block->children_inline && wrapper ? last : block, child);
    } else if (child->inline_level) {
        if (!block->children_inline && in_flow_children(block)) {
            if (!wrapper) {
                if (is_collapsible_space(child))
                    return;
                last = anonymous(layout, KP_BOX_BLOCK, block, KP_KW_BLOCK);
                if (!last)
                    return;
                last->children_inline = true;
                kp_box_append(block, last);
            }
            kp_box_append(last, child);
            return;
        }
        if (!in_flow_children(block) && is_collapsible_space(child))
            return;
        block->children_inline = true;
        kp_box_append(block, child);
    } else {
        if (block->children_inline)
            wrap_inlines(layout, block);
        kp_box_append(block, child);
    }
}

/* Everything inside a flex container is an item; runs of text get an anonymous block. */
static void insert_into_flex(kp_layout_t *layout, kp_box_t *flex, kp_box_t *child)
{
    if (child->out_of_flow || !child->inline_level || child->kind == KP_BOX_REPLACED) {
        child->inline_level = false;
        kp_box_append(flex, child);
        return;
    }
    kp_box_t *last = flex->last_child;
    if (!last || !last->anonymous || !last->children_inline) {
        if (is_collapsible_space(child))
            return;
        last = anonymous(layout, KP_BOX_BLOCK, flex, KP_KW_BLOCK);
        if (!last)
            return;
        last->children_inline = last->formatting_root = true;
        kp_box_append(flex, last);
    }
    kp_box_append(last, child);
}

static bool is_table_part(const kp_box_t *box)
{
    return box->kind == KP_BOX_ROW_GROUP || box->kind == KP_BOX_ROW || box->kind == KP_BOX_COLUMN ||
           box->cell || box->caption;
}

static kp_box_t *last_anonymous(kp_layout_t *layout, kp_box_t *parent, kp_box_kind_t kind,
                                uint16_t display)
{
    kp_box_t *last = parent->last_child;
    if (last && last->anonymous && last->kind == kind &&
        last->cell == (display == KP_KW_TABLE_CELL))
        return last;
    kp_box_t *box = anonymous(layout, kind, parent, display);
    if (!box)
        return NULL;
    box->cell = box->formatting_root = display == KP_KW_TABLE_CELL;
    kp_box_append(parent, box);
    return box;
}

/* CSS 2.2, section 17.2.1: anonymous table objects. */
void kp_box_insert(kp_layout_t *layout, kp_box_t *parent, kp_box_t *child)
{
    for (int round = 0; round < 8 && parent && layout->status == KP_OK; round++) {
        switch (parent->kind) {
        case KP_BOX_TABLE:
            if (child->kind == KP_BOX_ROW_GROUP || child->kind == KP_BOX_ROW ||
                child->kind == KP_BOX_COLUMN || child->caption) {
                kp_box_append(parent, child);
                return;
            }
            if (is_collapsible_space(child))
                return;
            parent = last_anonymous(layout, parent, KP_BOX_ROW, KP_KW_TABLE_ROW);
            continue;
        case KP_BOX_ROW_GROUP:
            if (child->kind == KP_BOX_ROW) {
                kp_box_append(parent, child);
                return;
            }
            if (is_collapsible_space(child))
                return;
            parent = last_anonymous(layout, parent, KP_BOX_ROW, KP_KW_TABLE_ROW);
            continue;
        case KP_BOX_ROW:
            if (child->cell) {
                kp_box_append(parent, child);
                return;
            }
            if (is_collapsible_space(child))
                return;
            parent = last_anonymous(layout, parent, KP_BOX_BLOCK, KP_KW_TABLE_CELL);
            continue;
        case KP_BOX_COLUMN:
            if (child->kind == KP_BOX_COLUMN)
                kp_box_append(parent, child);
            return;
        default:
            break;
        }
        if (is_table_part(child) && !is_neutral(child)) {
            if (child->kind == KP_BOX_COLUMN)
                return;
            kp_box_t *last = parent->last_child;
            bool inside = parent->kind == KP_BOX_INLINE;
            if (!last || !last->anonymous || last->kind != KP_BOX_TABLE) {
                kp_box_t *table = anonymous(layout, KP_BOX_TABLE, parent,
                                            inside ? KP_KW_INLINE_TABLE : KP_KW_TABLE);
                if (!table)
                    return;
                table->inline_level = inside;
                table->formatting_root = true;
                kp_box_insert(layout, parent, table);
                last = table;
            }
            parent = last;
            continue;
        }
        if (parent->kind == KP_BOX_FLEX)
            insert_into_flex(layout, parent, child);
        else if (parent->kind == KP_BOX_BLOCK)
            insert_into_block(layout, parent, child);
        else
            kp_box_append(parent, child); /* inline into inline */
        return;
    }
}

/* ---- elements ---- */

static bool establishes_context(const kp_style_t *style)
{
    return style->display == KP_KW_FLOW_ROOT || style->display == KP_KW_INLINE_BLOCK ||
           style->floating != KP_KW_NONE || style->position == KP_KW_ABSOLUTE ||
           style->position == KP_KW_FIXED ||
           (style->overflow[0] != KP_KW_VISIBLE && style->overflow[0] != KP_KW_CLIP);
}

static uint16_t span_attribute(const kp_node_t *element, const char *name, uint16_t limit)
{
    size_t size;
    const char *text = kp_dom_attribute(element, name, &size);
    unsigned value = 0;
    for (size_t i = 0; text && i < size && text[i] >= '0' && text[i] <= '9' && value < 10000; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    if (text && value == 0 && strcmp(name, "rowspan") == 0 && size && *text == '0')
        return limit; /* to the end of the group */
    return value < 1 ? 1 : value > limit ? limit : (uint16_t)value;
}

static kp_box_t *element_box(kp_layout_t *layout, kp_node_t *element, const kp_style_t *style)
{
    kp_box_t *box = element ? kp_replaced_box(layout, element, style) : NULL;
    if (box || layout->status != KP_OK) {
        if (box)
            box->inline_level = style->display == KP_KW_INLINE ||
                                style->display == KP_KW_INLINE_BLOCK ||
                                style->display == KP_KW_INLINE_FLEX;
    } else if (element && kp_dom_is(element, LXB_TAG_BR)) {
        box = kp_box_new(layout, KP_BOX_BREAK, element, style);
        if (box)
            box->inline_level = true;
    } else if (element && kp_dom_is(element, LXB_TAG_WBR)) {
        box = kp_box_new(layout, KP_BOX_WBR, element, style);
        if (box)
            box->inline_level = true;
    } else {
        static const struct {
            uint16_t display;
            uint8_t kind;
            bool inline_level, root;
        } table[] = {{KP_KW_INLINE, KP_BOX_INLINE, true, false},
                     {KP_KW_INLINE_BLOCK, KP_BOX_BLOCK, true, true},
                     {KP_KW_TABLE, KP_BOX_TABLE, false, true},
                     {KP_KW_INLINE_TABLE, KP_BOX_TABLE, true, true},
                     {KP_KW_TABLE_ROW_GROUP, KP_BOX_ROW_GROUP, false, false},
                     {KP_KW_TABLE_HEADER_GROUP, KP_BOX_ROW_GROUP, false, false},
                     {KP_KW_TABLE_FOOTER_GROUP, KP_BOX_ROW_GROUP, false, false},
                     {KP_KW_TABLE_ROW, KP_BOX_ROW, false, false},
                     {KP_KW_TABLE_COLUMN, KP_BOX_COLUMN, false, false},
                     {KP_KW_TABLE_COLUMN_GROUP, KP_BOX_COLUMN, false, false},
                     {KP_KW_TABLE_CELL, KP_BOX_BLOCK, false, true},
                     {KP_KW_TABLE_CAPTION, KP_BOX_BLOCK, false, true},
                     {KP_KW_FLEX, KP_BOX_FLEX, false, true},
                     {KP_KW_INLINE_FLEX, KP_BOX_FLEX, true, true},
                     {KP_KW_INLINE_GRID, KP_BOX_BLOCK, true, true},
                     {KP_KW_GRID, KP_BOX_BLOCK, false, true}};
        uint8_t kind = KP_BOX_BLOCK;
        bool inline_level = false, root = establishes_context(style);
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
            if (table[i].display == style->display) {
                kind = table[i].kind;
                inline_level = table[i].inline_level;
                root = root || table[i].root;
            }
        }
        box = kp_box_new(layout, (kp_box_kind_t)kind, element, style);
        if (!box)
            return NULL;
        box->inline_level = inline_level;
        box->formatting_root = root;
        box->list_item = style->display == KP_KW_LIST_ITEM;
        box->cell = style->display == KP_KW_TABLE_CELL;
        box->caption = style->display == KP_KW_TABLE_CAPTION;
        if (box->cell && element) {
            box->column_span = span_attribute(element, "colspan", 1000);
            box->row_span = span_attribute(element, "rowspan", 65534);
        } else if (kind == KP_BOX_COLUMN && element) {
            box->column_span = span_attribute(element, "span", 1000);
        }
    }
    if (box) {
        box->floating = style->floating != KP_KW_NONE;
        box->out_of_flow = style->position == KP_KW_ABSOLUTE || style->position == KP_KW_FIXED;
        if (is_neutral(box)) {
            box->inline_level = false;
            box->formatting_root = true;
        }
    }
    return box;
}

/* Where children of this element's box go. For an inline box that a block has split, a new part is
   made on demand. */
static kp_box_t *content_of(kp_layout_t *layout, kp_node_t *element)
{
    kp_dom_data_t *data = kp_dom_data(element);
    kp_node_t *missing[KP_BOX_DEPTH_MAX];
    size_t count = 0;
    while (data && !data->content && data->box && count < KP_BOX_DEPTH_MAX) {
        missing[count++] = element;
        element = element->parent;
        data = kp_dom_is_element(element) ? kp_dom_data(element) : NULL;
    }
    kp_box_t *content = data ? data->content : NULL;
    while (count-- && content) {
        kp_dom_data_t *inner = kp_dom_data(missing[count]);
        kp_box_t *part = kp_box_new(layout, KP_BOX_INLINE, missing[count], inner->style);
        if (!part)
            return NULL;
        part->inline_level = true;
        kp_box_insert(layout, content, part);
        kp_box_t *last = inner->box;
        while (last->continuation)
            last = last->continuation;
        last->continuation = part;
        inner->content = content = part;
    }
    return content;
}

/* A block inside inline boxes: it goes to the block container around them, and the inline boxes
   end here; content_of continues them behind it. */
static kp_box_t *split_inlines(kp_node_t *element, kp_box_t *parent)
{
    kp_box_t *block = parent;
    while (block && block->kind == KP_BOX_INLINE)
        block = block->parent;
    for (kp_node_t *node = element->parent; kp_dom_is_element(node); node = node->parent) {
        kp_dom_data_t *data = kp_dom_data(node);
        if (!data || !data->content || data->content->kind != KP_BOX_INLINE)
            break;
        if (data->box && data->box->kind == KP_BOX_INLINE)
            data->content = NULL;
    }
    /* The wrapper of the inline content is anonymous: its parent is the real container. */
    if (block && block->anonymous && block->children_inline && block->kind == KP_BOX_BLOCK &&
        !block->cell && block->parent && block->parent->kind == KP_BOX_BLOCK)
        block = block->parent;
    return block;
}

static void insert_text(kp_layout_t *layout, kp_box_t *parent, kp_node_t *node,
                        const kp_style_t *style, const char *text, size_t size, bool generated)
{
    if (!size || !parent)
        return;
    kp_box_t *box = kp_box_new(layout, KP_BOX_TEXT, node, style);
    if (!box)
        return;
    box->inline_level = true;
    box->generated = generated;
    box->text = text;
    box->text_size = size > UINT32_MAX / 4 ? UINT32_MAX / 4 : (uint32_t)size;
    kp_box_insert(layout, parent, box);
}

static void insert_generated(kp_layout_t *layout, kp_counters_t *counters, kp_node_t *element,
                             const kp_style_t *style)
{
    kp_box_t *parent = content_of(layout, element);
    if (!style || !parent)
        return;
    const char *text = kp_counters_content(counters, element, style);
    kp_box_t *box = element_box(layout, NULL, style);
    if (!box || !text)
        return;
    box->generated = true;
    box->node = NULL;
    kp_box_insert(layout, parent, box);
    insert_text(layout, box, NULL, style, text, strlen(text), true);
}

static bool skipped_details_child(const kp_node_t *element)
{
    const kp_node_t *parent = element->parent;
    if (!kp_dom_is(parent, LXB_TAG_DETAILS) || kp_dom_has_attribute(parent, "open"))
        return false;
    if (!kp_dom_is(element, LXB_TAG_SUMMARY))
        return true;
    for (const kp_node_t *node = element->prev; node; node = node->prev) {
        if (kp_dom_is(node, LXB_TAG_SUMMARY))
            return true;
    }
    return false;
}

/* Makes the element's box; true when its children have boxes too. */
static bool enter_element(kp_layout_t *layout, kp_counters_t *counters, kp_node_t *element)
{
    kp_dom_data_t *data = kp_dom_data(element);
    if (!data || !data->style || data->style->display == KP_KW_NONE ||
        skipped_details_child(element))
        return false;
    const kp_style_t *style = data->style;
    bool is_root = element == layout->document_element;
    kp_box_t *parent = is_root ? NULL : content_of(layout, element->parent);
    if (!parent && !is_root)
        return false;
    kp_counters_enter(counters, element, style);
    if (parent && (style->display == KP_KW_CONTENTS || parent->depth >= KP_BOX_DEPTH_MAX)) {
        data->content = parent;
        return true;
    }
    kp_box_t *box = element_box(layout, element, style);
    if (!box)
        return false;
    data->box = box;
    data->content = box;
    if (is_root) {
        layout->root = box;
        box->formatting_root = true;
        box->inline_level = false;
    } else {
        if (is_block_level(box) && parent->kind == KP_BOX_INLINE && !is_table_part(box)) {
            kp_box_t *first = parent;
            parent = split_inlines(element, parent);
            if (!parent)
                return false;
            first->continuation = first->continuation ? first->continuation : NULL;
        }
        kp_box_insert(layout, parent, box);
        if (kp_dom_is(element, LXB_TAG_BODY) && !layout->body)
            layout->body = box;
    }
    if (box->kind == KP_BOX_REPLACED || box->kind == KP_BOX_BREAK || box->kind == KP_BOX_WBR)
        return false;
    if (box->list_item) {
        const char *marker = kp_counters_marker(counters, element, style);
        if (marker && style->list_style_position == KP_KW_INSIDE) {
            insert_text(layout, box, NULL, data->marker ? data->marker : style, marker,
                        strlen(marker), true);
        } else {
            box->marker = marker;
        }
    }
    insert_generated(layout, counters, element, data->before);
    return true;
}

static void leave_element(kp_layout_t *layout, kp_counters_t *counters, kp_node_t *element)
{
    kp_dom_data_t *data = kp_dom_data(element);
    if (data && data->after && data->content)
        insert_generated(layout, counters, element, data->after);
    else if (data && data->after && data->box && data->box->kind == KP_BOX_INLINE)
        insert_generated(layout, counters, element, data->after);
    kp_counters_leave(counters, element);
}

void kp_layout_build(kp_layout_t *layout)
{
    kp_counters_t *counters = kp_counters_new(layout);
    kp_node_t *root = layout->document_element, *node = root;
    for (kp_node_t *n = root; n; n = kp_dom_next(n, root)) {
        if (kp_dom_is_element(n) && kp_dom_data(n))
            kp_dom_data(n)->box = kp_dom_data(n)->content = NULL;
    }
    while (node && counters && layout->status == KP_OK) {
        bool descend = false;
        if (kp_dom_is_element(node)) {
            descend = enter_element(layout, counters, node);
            if (!descend && kp_dom_data(node))
                kp_dom_data(node)->content = NULL;
        } else if (node->type == LXB_DOM_NODE_TYPE_TEXT && node->parent != root->parent &&
                   kp_dom_is_element(node->parent) && kp_dom_data(node->parent)) {
            size_t size;
            const char *text = kp_dom_text(node, &size);
            bool closed = kp_dom_is(node->parent, LXB_TAG_DETAILS) &&
                          !kp_dom_has_attribute(node->parent, "open");
            kp_box_t *parent = closed ? NULL : content_of(layout, node->parent);
            if (parent)
                insert_text(layout, parent, node, kp_dom_data(node->parent)->style, text, size,
                            false);
        }
        if (descend && node->first_child) {
            node = node->first_child;
            continue;
        }
        if (descend)
            leave_element(layout, counters, node);
        while (node && node != root && !node->next) {
            node = node->parent;
            leave_element(layout, counters, node);
        }
        node = !node || node == root ? NULL : node->next;
    }
}
