/* Block formatting (CSS 2.2, sections 8.3.1 and 9.4.1): vertical stacking, collapsing margins,
   floats, clearance. */
#include <stdlib.h>

#include "engine/layout/internal.h"

/* Adjoining margins: the largest positive and the most negative one. */
typedef struct strut {
    kp_lu_t positive, negative;
} strut_t;

static strut_t strut_add(strut_t strut, kp_lu_t margin)
{
    if (margin > 0)
        strut.positive = kp_lu_larger(strut.positive, margin);
    else
        strut.negative = kp_lu_smaller(strut.negative, margin);
    return strut;
}

static strut_t strut_merge(strut_t a, strut_t b)
{
    a.positive = kp_lu_larger(a.positive, b.positive);
    a.negative = kp_lu_smaller(a.negative, b.negative);
    return a;
}

static kp_lu_t strut_sum(strut_t strut)
{
    return strut.positive + strut.negative;
}

static bool edge_open(const kp_style_t *style, int side)
{
    const kp_length_t *padding = &style->padding[side];
    return style->border_width[side] <= 0 && padding->px <= 0 && padding->percent <= 0;
}

bool kp_box_lines_empty(kp_box_t *box)
{
    const kp_inline_content_t *content = box->lines;
    for (uint32_t i = 0; content && i < content->item_count; i++) {
        const kp_inline_item_t *item = &content->items[i];
        const kp_style_t *style = item->box->style;
        switch (item->kind) {
        case KP_ITEM_TEXT:
            if (kp_white_space_preserves(style))
                return false;
            for (uint32_t at = item->start; at < item->end; at++) {
                if (content->text[at] != ' ')
                    return false;
            }
            break;
        case KP_ITEM_OPEN:
            for (int side = RIGHT; side <= LEFT; side += 2) {
                if (!edge_open(style, side) || style->margin[side].px != 0 ||
                    style->margin[side].percent != 0)
                    return false;
            }
            break;
        case KP_ITEM_ATOMIC:
        case KP_ITEM_BREAK:
            return false;
        default:
            break;
        }
    }
    return true;
}

static bool in_flow(const kp_box_t *box)
{
    return !box->floating && !box->out_of_flow;
}

/* Its own top and bottom margins adjoin: no height, no lines, no edges. */
static bool is_through(kp_layout_t *layout, kp_box_t *box)
{
    if (box->through_known)
        return box->through;
    const kp_style_t *style = box->style;
    bool through =
        box->kind == KP_BOX_BLOCK && !box->formatting_root && !box->marker &&
        edge_open(style, TOP) && edge_open(style, BOTTOM) &&
        (style->height.keyword || (style->height.px <= 0 && style->height.percent == 0)) &&
        (style->min_height.keyword ||
         (style->min_height.px <= 0 && style->min_height.percent <= 0));
    if (through && box->children_inline) {
        kp_inline_collect(layout, box);
        through = kp_box_lines_empty(box);
    } else if (through) {
        for (kp_box_t *child = box->first_child; child && through; child = child->next)
            through = !in_flow(child) || is_through(layout, child);
    }
    box->through_known = true;
    box->through = through;
    return through;
}

/* The margins that adjoin the top of a box: its own and those of first children. For a box that is
   through, all margins in it. */
static strut_t collapse_top(kp_layout_t *layout, kp_box_t *box, kp_lu_t base)
{
    strut_t strut = {0, 0};
    strut = strut_add(strut, kp_length_resolve(&box->style->margin[TOP], base));
    bool through = is_through(layout, box);
    if (box->kind == KP_BOX_BLOCK && !box->formatting_root && !box->children_inline &&
        edge_open(box->style, TOP)) {
        for (kp_box_t *child = box->first_child; child; child = child->next) {
            if (!in_flow(child))
                continue;
            strut = strut_merge(strut, collapse_top(layout, child, base));
            if (!is_through(layout, child))
                break;
        }
    }
    if (through)
        strut = strut_add(strut, kp_length_resolve(&box->style->margin[BOTTOM], base));
    return strut;
}

void kp_box_place_float(kp_layout_t *layout, kp_box_t *box, kp_box_t *container,
                        const kp_space_t *space, kp_lu_t content_left, kp_lu_t content_right,
                        kp_lu_t y)
{
    kp_lu_t base = content_right - content_left, x, top;
    kp_box_edges(box, base);
    kp_lu_t margins = box->margin[LEFT] + box->margin[RIGHT];
    box->width = kp_box_shrink_width(layout, box, base, base - margins);
    kp_box_layout_alone(layout, box, base, space->height, KP_INDEFINITE);
    y = kp_floats_clear_y(space->floats, box->style->clear, space->origin_y + y);
    kp_floats_place(layout, space->floats, box->style->floating == KP_KW_LEFT, box->width + margins,
                    box->height + box->margin[TOP] + box->margin[BOTTOM],
                    space->origin_x + content_left, space->origin_x + content_right, y, &x, &top);
    box->container = container;
    box->x = x + box->margin[LEFT] - space->origin_x;
    box->y = top + box->margin[TOP] - space->origin_y;
}

void kp_box_wait_out_of_flow(kp_layout_t *layout, kp_box_t *box, kp_box_t *container, kp_lu_t x,
                             kp_lu_t y)
{
    box->container = container;
    box->static_x = x;
    box->static_y = y;
    if (box->waits)
        return; /* its container is laid out a second time */
    box->waits = true;
    if (layout->out_of_flow_count == layout->out_of_flow_capacity) {
        size_t more = layout->out_of_flow_capacity ? layout->out_of_flow_capacity * 2 : 32;
        kp_box_t **boxes = realloc(layout->out_of_flow, more * sizeof(kp_box_t *));
        if (!boxes) {
            kp_layout_fail(layout, KP_ERR_NO_MEMORY);
            return;
        }
        layout->out_of_flow = boxes;
        layout->out_of_flow_capacity = more;
    }
    layout->out_of_flow[layout->out_of_flow_count++] = box;
}

/* A block that floats may not overlap: finds the y and the span where it fits. */
static kp_lu_t avoid_floats(kp_layout_t *layout, kp_box_t *child, const kp_space_t *space,
                            kp_lu_t left_edge, kp_lu_t right_edge, kp_lu_t y, kp_lu_t *left,
                            kp_lu_t *right)
{
    kp_lu_t base = right_edge - left_edge;
    for (;;) {
        *left = space->origin_x + left_edge;
        *right = space->origin_x + right_edge;
        kp_floats_span(space->floats, space->origin_y + y, 1, left, right);
        *left -= space->origin_x;
        *right -= space->origin_x;
        if (*left == left_edge && *right == right_edge)
            return y;
        kp_lu_t need = kp_box_specified_width(layout, child, base);
        if (need == KP_INDEFINITE) {
            kp_box_intrinsic(layout, child);
            need = child->min_content;
        }
        if (child->kind == KP_BOX_TABLE && child->style->width.keyword == KP_KW_AUTO)
            need = kp_lu_smaller(child->max_content, base);
        kp_lu_t next = kp_floats_next(space->floats, space->origin_y + y);
        if (need + child->margin[LEFT] + child->margin[RIGHT] <= *right - *left ||
            next == KP_LU_MAX)
            return y;
        y = next - space->origin_y;
    }
}

/* Width, left margin and x of a block-level child between two edges (CSS 2.2, section 10.3.3). */
static void size_child(kp_layout_t *layout, kp_box_t *box, kp_box_t *child, kp_lu_t left,
                       kp_lu_t right, kp_lu_t base)
{
    const kp_style_t *style = child->style;
    kp_lu_t room = right - left - child->margin[LEFT] - child->margin[RIGHT], width;
    if (child->kind == KP_BOX_REPLACED) {
        kp_replaced_size(layout, child, base, KP_INDEFINITE);
        width = child->width;
    } else if (child->kind == KP_BOX_TABLE) {
        width = kp_box_shrink_width(layout, child, base, room);
    } else {
        width = kp_box_specified_width(layout, child, base);
        if (width == KP_INDEFINITE)
            width = room;
        width = kp_box_clamp_width(layout, child, width, base);
    }
    child->width = width;
    bool auto_left = style->margin[LEFT].keyword == KP_KW_AUTO;
    bool auto_right = style->margin[RIGHT].keyword == KP_KW_AUTO;
    kp_lu_t slack = right - left - width - child->margin[LEFT] - child->margin[RIGHT];
    child->x = left + child->margin[LEFT];
    if (slack <= 0)
        return;
    uint16_t align = box->style->text_align;
    if (auto_left) {
        child->margin[LEFT] = auto_right ? slack / 2 : slack;
        child->margin[RIGHT] += slack - child->margin[LEFT];
        child->x = left + child->margin[LEFT];
    } else if (!auto_right && align == KP_KW_WEBKIT_CENTER) {
        child->x += slack / 2;
    } else if (!auto_right && (align == KP_KW_WEBKIT_RIGHT || style->direction == KP_KW_RTL)) {
        child->x += slack;
    }
}

typedef struct flow {
    kp_lu_t cursor; /* below the last content, from the content box's top */
    strut_t strut;  /* margins that wait below it */
    bool at_top;    /* nothing yet: margins have joined the container's own */
} flow_t;

static void block_child(kp_layout_t *layout, kp_box_t *box, kp_box_t *child,
                        const kp_space_t *inner, flow_t *flow)
{
    kp_lu_t left = box->border[LEFT] + box->padding[LEFT], right = left + inner->width;
    kp_lu_t top = box->border[TOP] + box->padding[TOP];
    kp_box_edges(child, inner->width);
    bool through = is_through(layout, child);
    strut_t margins = collapse_top(layout, child, inner->width);
    kp_lu_t y = flow->cursor;
    if (!flow->at_top)
        y = kp_lu_add(y, strut_sum(strut_merge(flow->strut, margins)));
    kp_lu_t cleared =
        kp_floats_clear_y(inner->floats, child->style->clear, inner->origin_y + top + y) -
        inner->origin_y - top;
    bool clearance = cleared > y;
    if (clearance)
        y = cleared;
    bool independent = child->formatting_root || child->kind != KP_BOX_BLOCK;
    kp_lu_t from = left, to = right;
    if (independent && inner->floats->count)
        y = avoid_floats(layout, child, inner, left, right, top + y, &from, &to) - top;
    size_child(layout, box, child, from, to, inner->width);
    child->container = box;
    child->y = top + y;
    kp_space_t space = {.width = inner->width,
                        .height = inner->height,
                        .floats = inner->floats,
                        .origin_x = kp_lu_add(inner->origin_x, child->x),
                        .origin_y = kp_lu_add(inner->origin_y, child->y)};
    kp_box_layout(layout, child, &space, KP_INDEFINITE);
    if (through && !clearance) {
        if (!flow->at_top)
            flow->strut = strut_merge(flow->strut, margins);
        return;
    }
    flow->cursor = kp_lu_add(y, child->height);
    flow->strut = (strut_t){child->margin_bottom_positive, child->margin_bottom_negative};
    flow->at_top = false;
}

static void update_baselines(kp_box_t *box, const kp_box_t *child)
{
    if (child->first_baseline != KP_LU_NONE && box->first_baseline == KP_LU_NONE)
        box->first_baseline = child->y + child->first_baseline;
    if (child->last_baseline != KP_LU_NONE)
        box->last_baseline = child->y + child->last_baseline;
}

static void block_children(kp_layout_t *layout, kp_box_t *box, const kp_space_t *inner,
                           bool auto_height, kp_lu_t *content_height)
{
    bool top_open = !box->formatting_root && box->border[TOP] == 0 && box->padding[TOP] == 0;
    bool bottom_open = !box->formatting_root && box->border[BOTTOM] == 0 &&
                       box->padding[BOTTOM] == 0 && auto_height;
    kp_lu_t left = box->border[LEFT] + box->padding[LEFT];
    kp_lu_t top = box->border[TOP] + box->padding[TOP];
    flow_t flow = {.at_top = top_open};
    for (kp_box_t *child = box->first_child; child && layout->status == KP_OK;
         child = child->next) {
        kp_lu_t here = top + flow.cursor + (flow.at_top ? 0 : strut_sum(flow.strut));
        if (child->out_of_flow) {
            kp_box_wait_out_of_flow(layout, child, box, left, here);
        } else if (child->floating) {
            kp_box_place_float(layout, child, box, inner, left, left + inner->width, here);
        } else {
            block_child(layout, box, child, inner, &flow);
            update_baselines(box, child);
        }
    }
    strut_t out = {0, 0};
    if (bottom_open)
        out = flow.at_top ? out : flow.strut;
    else if (!flow.at_top)
        flow.cursor = kp_lu_add(flow.cursor, strut_sum(flow.strut));
    *content_height = kp_lu_larger(flow.cursor, 0);
    box->margin_bottom_positive = out.positive;
    box->margin_bottom_negative = out.negative;
}

void kp_box_layout(kp_layout_t *layout, kp_box_t *box, const kp_space_t *space,
                   kp_lu_t forced_height)
{
    box->first_baseline = box->last_baseline = KP_LU_NONE;
    box->margin_bottom_positive = box->margin_bottom_negative = 0;
    if (layout->status != KP_OK)
        return;
    if (box->kind == KP_BOX_REPLACED) {
        kp_lu_t width = box->width;
        kp_replaced_size(layout, box, space->width, space->height);
        if (forced_height != KP_INDEFINITE) {
            box->width = width;
            box->height = forced_height;
        }
    } else if (box->kind == KP_BOX_TABLE) {
        kp_table_layout(layout, box, space->height);
    } else if (box->kind == KP_BOX_FLEX) {
        kp_flex_layout(layout, box, space->height, forced_height);
    } else {
        kp_floats_t own = {0};
        kp_lu_t edges = kp_box_edges_y(box), content = 0;
        kp_lu_t height = forced_height != KP_INDEFINITE
                             ? forced_height
                             : kp_box_specified_height(box, space->height);
        bool root = box->formatting_root || !space->floats;
        bool auto_height = height == KP_INDEFINITE;
        kp_space_t inner = {.width = kp_lu_larger(box->width - kp_box_edges_x(box), 0),
                            .height = auto_height ? KP_INDEFINITE : height - edges,
                            .floats = root ? &own : space->floats,
                            .origin_x = root ? 0 : space->origin_x,
                            .origin_y = root ? 0 : space->origin_y};
        if (box->children_inline)
            kp_inline_layout(layout, box, &inner, inner.width, &content);
        else
            block_children(layout, box, &inner, auto_height, &content);
        if (root) {
            kp_lu_t top = box->border[TOP] + box->padding[TOP];
            content = kp_lu_larger(content, own.max_bottom - top);
            kp_floats_clear(&own);
        }
        if (box->marker && box->first_baseline == KP_LU_NONE) {
            /* An empty list item is as high as its marker. */
            kp_font_height_t font = kp_font_height(layout, box->style);
            kp_lu_t line = kp_line_height(layout, box->style);
            kp_lu_t lead = (line - font.ascent - font.descent) / 2;
            content = kp_lu_larger(content, line);
            box->first_baseline = box->border[TOP] + box->padding[TOP] + lead + font.ascent;
        }
        box->height = auto_height ? kp_lu_add(content, edges) : height;
        if (forced_height == KP_INDEFINITE)
            box->height = kp_box_clamp_height(box, box->height, space->height);
    }
    strut_t out = {box->margin_bottom_positive, box->margin_bottom_negative};
    out = strut_add(out, box->margin[BOTTOM]);
    box->margin_bottom_positive = out.positive;
    box->margin_bottom_negative = out.negative;
}

void kp_box_layout_alone(kp_layout_t *layout, kp_box_t *box, kp_lu_t base_width,
                         kp_lu_t base_height, kp_lu_t forced_height)
{
    kp_space_t space = {.width = base_width, .height = base_height};
    kp_box_layout(layout, box, &space, forced_height);
}
