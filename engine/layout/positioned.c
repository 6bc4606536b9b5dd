/* Absolute and fixed positioning (CSS 2.2, sections 10.3.7 and 10.6.4), after everything in flow
   has its place. */
#include "engine/layout/internal.h"

static void page_position(const kp_box_t *box, kp_lu_t *x, kp_lu_t *y)
{
    *x = *y = 0;
    for (; box; box = box->container) {
        *x = kp_lu_add(*x, box->x + (box->kind == KP_BOX_INLINE ? 0 : box->offset_x));
        *y = kp_lu_add(*y, box->y + (box->kind == KP_BOX_INLINE ? 0 : box->offset_y));
    }
}

/* The union of an inline box's fragments, into its own x, y, width, height. */
static void measure_inline(kp_box_t *box)
{
    kp_box_t *block = box->parent;
    while (block && block->kind == KP_BOX_INLINE)
        block = block->parent;
    box->container = block;
    const kp_inline_content_t *content = block ? block->lines : NULL;
    bool any = false;
    for (uint32_t i = 0; content && i < content->fragment_count; i++) {
        const kp_fragment_t *f = &content->fragments[i];
        if (f->box != box || f->kind != KP_FRAGMENT_INLINE)
            continue;
        kp_lu_t right = any ? kp_lu_larger(box->x + box->width, f->x + f->width) : f->x + f->width;
        kp_lu_t bottom =
            any ? kp_lu_larger(box->y + box->height, f->y + f->height) : f->y + f->height;
        box->x = any ? kp_lu_smaller(box->x, f->x) : f->x;
        box->y = any ? kp_lu_smaller(box->y, f->y) : f->y;
        box->width = right - box->x;
        box->height = bottom - box->y;
        any = true;
    }
}

typedef struct axis {
    kp_lu_t size;  /* of the containing block */
    kp_lu_t start; /* inset, KP_LU_NONE: auto */
    kp_lu_t end;
    kp_lu_t margin_start, margin_end;
    bool auto_start, auto_end;
    kp_lu_t at; /* static position within the containing block */
} axis_t;

static kp_lu_t inset_of(const kp_length_t *length, kp_lu_t base)
{
    return length->keyword ? KP_LU_NONE : kp_length_resolve(length, base);
}

/* Auto margins and the position, once the border-box extent is known. */
static kp_lu_t solve(axis_t *axis, kp_lu_t extent)
{
    if (axis->start != KP_LU_NONE && axis->end != KP_LU_NONE) {
        kp_lu_t slack =
            axis->size - axis->start - axis->end - extent - axis->margin_start - axis->margin_end;
        if (axis->auto_start && axis->auto_end)
            axis->margin_start = slack > 0 ? slack / 2 : 0;
        else if (axis->auto_start)
            axis->margin_start = slack;
        return axis->start + axis->margin_start;
    }
    if (axis->start != KP_LU_NONE)
        return axis->start + axis->margin_start;
    if (axis->end != KP_LU_NONE)
        return axis->size - axis->end - axis->margin_end - extent;
    return axis->at + axis->margin_start;
}

static void place(kp_layout_t *layout, kp_box_t *box)
{
    kp_box_t *block = NULL;
    if (box->style->position != KP_KW_FIXED) {
        block = box->parent;
        while (block && !kp_box_is_positioned(block))
            block = block->parent;
    }
    kp_lu_t static_x, static_y, block_x = 0, block_y = 0;
    page_position(box->container, &static_x, &static_y);
    static_x += box->static_x;
    static_y += box->static_y;
    axis_t x = {.size = layout->viewport_width}, y = {.size = layout->viewport_height};
    kp_lu_t left = 0, top = 0;
    if (block) {
        if (block->kind == KP_BOX_INLINE)
            measure_inline(block);
        page_position(block, &block_x, &block_y);
        left = block->border[LEFT];
        top = block->border[TOP];
        x.size = block->width - left - block->border[RIGHT];
        y.size = block->height - top - block->border[BOTTOM];
    }
    const kp_style_t *style = box->style;
    kp_box_edges(box, x.size);
    x.start = inset_of(&style->inset[LEFT], x.size);
    x.end = inset_of(&style->inset[RIGHT], x.size);
    y.start = inset_of(&style->inset[TOP], y.size);
    y.end = inset_of(&style->inset[BOTTOM], y.size);
    x.margin_start = box->margin[LEFT];
    x.margin_end = box->margin[RIGHT];
    y.margin_start = box->margin[TOP];
    y.margin_end = box->margin[BOTTOM];
    x.auto_start = style->margin[LEFT].keyword == KP_KW_AUTO;
    x.auto_end = style->margin[RIGHT].keyword == KP_KW_AUTO;
    y.auto_start = style->margin[TOP].keyword == KP_KW_AUTO;
    y.auto_end = style->margin[BOTTOM].keyword == KP_KW_AUTO;
    x.at = static_x - block_x - left;
    y.at = static_y - block_y - top;
    kp_lu_t margins = x.margin_start + x.margin_end;
    if (box->kind == KP_BOX_REPLACED) {
        kp_replaced_size(layout, box, x.size, y.size);
    } else {
        kp_lu_t width = kp_box_specified_width(layout, box, x.size);
        if (width == KP_INDEFINITE) {
            bool both = x.start != KP_LU_NONE && x.end != KP_LU_NONE;
            kp_lu_t room = x.size - margins;
            if (x.start != KP_LU_NONE)
                room -= x.start;
            if (x.end != KP_LU_NONE)
                room -= x.end;
            if (x.start == KP_LU_NONE && x.end == KP_LU_NONE)
                room -= x.at;
            width = both && box->kind != KP_BOX_TABLE ? room : kp_box_fit_width(layout, box, room);
        }
        box->width = kp_box_clamp_width(layout, box, width, x.size);
    }
    kp_lu_t forced = KP_INDEFINITE;
    if (y.start != KP_LU_NONE && y.end != KP_LU_NONE && box->kind != KP_BOX_REPLACED &&
        kp_box_specified_height(box, y.size) == KP_INDEFINITE)
        forced = kp_box_clamp_height(
            box, kp_lu_larger(y.size - y.start - y.end - y.margin_start - y.margin_end, 0), y.size);
    kp_box_layout_alone(layout, box, x.size, y.size, forced);
    box->container = block;
    box->x = left + solve(&x, box->width);
    box->y = top + solve(&y, box->height);
}

/* Placing a box can put further ones on the list. */
void kp_layout_positioned(kp_layout_t *layout)
{
    for (size_t i = 0; i < layout->out_of_flow_count && layout->status == KP_OK; i++)
        place(layout, layout->out_of_flow[i]);
}
