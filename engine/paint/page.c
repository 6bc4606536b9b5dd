/* The painting order of CSS 2.2 Appendix E: a stacking context paints its own background, the
   contexts below it, block backgrounds, floats, inline content, then positioned descendants by
   z-index. */
#include "engine/paint/internal.h"

#include <stdlib.h>
#include <string.h>

/* Contexts nest at most so deep; what is deeper is left out. */
#define CONTEXT_DEPTH_MAX 128

enum { TOP, RIGHT, BOTTOM, LEFT };

/* A positioned descendant that waits for its turn. */
typedef struct kp_waiting {
    const kp_box_t *box;
    int32_t z;
    uint32_t order; /* in the tree: equal z-indices keep it */
} kp_waiting_t;

typedef struct kp_context {
    const kp_box_t *root;
    kp_waiting_t *waiting;
    size_t count, capacity;
} kp_context_t;

typedef enum kp_phase { PHASE_BACKGROUNDS, PHASE_FLOATS, PHASE_CONTENT } kp_phase_t;

static void paint_context(kp_paint_t *paint, const kp_box_t *root);
static void paint_phase(kp_paint_t *paint, kp_context_t *context, const kp_box_t *box,
                        kp_phase_t phase);
static void paint_atomic(kp_paint_t *paint, kp_context_t *context, const kp_box_t *box);

/* Inline boxes are painted in their line even when positioned, unless they have a z-index; a box
   with opacity is a group of its own. */
static bool waits(const kp_box_t *box)
{
    const kp_style_t *style = box->style;
    if (box->kind == KP_BOX_TEXT || box->kind == KP_BOX_BREAK || box->kind == KP_BOX_WBR ||
        box->kind == KP_BOX_INLINE || box->anonymous)
        return false;
    return style->position != KP_KW_STATIC || style->opacity < 1;
}

static int32_t z_of(const kp_box_t *box)
{
    return box->style->position == KP_KW_STATIC || box->style->z_index == KP_Z_AUTO
               ? 0
               : box->style->z_index;
}

static bool clips(const kp_box_t *box)
{
    const kp_style_t *style = box->style;
    return box->node && box->parent && box->kind != KP_BOX_INLINE && box->kind != KP_BOX_TEXT &&
           (style->overflow[0] != KP_KW_VISIBLE || style->overflow[1] != KP_KW_VISIBLE) &&
           !kp_dom_is(box->node, LXB_TAG_BODY);
}

static bool clip_to(kp_paint_t *paint, const kp_box_t *box)
{
    float radii[4][2];
    bool round = kp_paint_radii(box->style, kp_lu_px(box->width), kp_lu_px(box->height), radii);
    return kp_paint_clip(paint, kp_paint_padding_rect(box), round ? radii : NULL);
}

static void wait_for_turn(kp_paint_t *paint, kp_context_t *context, const kp_box_t *box)
{
    if (context->count == context->capacity) {
        size_t capacity = context->capacity ? 2 * context->capacity : 32;
        kp_waiting_t *grown = realloc(context->waiting, capacity * sizeof *grown);
        if (!grown) {
            paint->status = KP_ERR_NO_MEMORY;
            return;
        }
        context->waiting = grown;
        context->capacity = capacity;
    }
    context->waiting[context->count] = (kp_waiting_t){box, z_of(box), (uint32_t)context->count};
    context->count++;
}

/* ---- lines ---- */

static void paint_fragment(kp_paint_t *paint, kp_context_t *context, const kp_box_t *container,
                           const kp_fragment_t *fragment)
{
    float x = kp_lu_px(container->page_x), y = kp_lu_px(container->page_y);
    if (fragment->kind == KP_FRAGMENT_INLINE) {
        kp_paint_rect_t rect = {x + kp_lu_px(fragment->x), y + kp_lu_px(fragment->y),
                                kp_lu_px(fragment->width), kp_lu_px(fragment->height)};
        unsigned lacks =
            (fragment->first ? 0 : KP_PAINT_NO_LEFT) | (fragment->last ? 0 : KP_PAINT_NO_RIGHT);
        kp_paint_decorate(paint, fragment->box, rect, lacks);
    } else if (fragment->kind == KP_FRAGMENT_TEXT) {
        kp_paint_text_fragment(paint, container, fragment, x, y);
    } else if (!waits(fragment->box)) {
        paint_atomic(paint, context, fragment->box);
    }
}

static void paint_lines(kp_paint_t *paint, kp_context_t *context, const kp_box_t *box)
{
    const kp_inline_content_t *lines = box->lines;
    const kp_paint_input_t *input = paint->input;
    for (uint32_t i = 0; i < lines->fragment_count && paint->status == KP_OK; i++) {
        const kp_fragment_t *fragment = &lines->fragments[i];
        float y = kp_lu_px(box->page_y + fragment->y);
        if (y <= input->bottom && y + kp_lu_px(fragment->height) >= input->top)
            paint_fragment(paint, context, box, fragment);
    }
}

/* ---- boxes ---- */

static void paint_children(kp_paint_t *paint, kp_context_t *context, const kp_box_t *box,
                           kp_phase_t phase)
{
    bool has_lines = box->lines != NULL;
    for (const kp_box_t *child = box->first_child; child && paint->status == KP_OK;
         child = child->next) {
        if (waits(child)) {
            if (phase == PHASE_BACKGROUNDS)
                wait_for_turn(paint, context, child);
        } else if (child->floating) {
            if (phase == PHASE_FLOATS)
                paint_atomic(paint, context, child);
        } else if (child->kind == KP_BOX_INLINE) {
            /* Its text is in the lines of its container; floats and positioned boxes in it are
               found here. */
            paint_children(paint, context, child, phase);
        } else if (child->kind == KP_BOX_TEXT || child->kind == KP_BOX_BREAK ||
                   child->kind == KP_BOX_WBR || (child->inline_level && phase != PHASE_CONTENT)) {
            continue;
        } else if (!child->inline_level) {
            paint_phase(paint, context, child, phase);
        } else if (!has_lines && box->kind != KP_BOX_INLINE) {
            paint_atomic(paint, context, child);
        }
    }
}

/* One phase of a box in flow and of what is in flow inside it. */
static void paint_phase(kp_paint_t *paint, kp_context_t *context, const kp_box_t *box,
                        kp_phase_t phase)
{
    if (paint->status != KP_OK || box->kind == KP_BOX_COLUMN)
        return;
    if (phase == PHASE_BACKGROUNDS)
        kp_paint_decorate(paint, box, kp_paint_border_rect(box), 0);
    bool clipped = clips(box) && clip_to(paint, box);
    if (phase == PHASE_CONTENT) {
        if (box->kind == KP_BOX_REPLACED)
            kp_paint_replaced(paint, box);
        if (box->lines)
            paint_lines(paint, context, box);
    }
    paint_children(paint, context, box, phase);
    if (clipped)
        kp_paint_unclip(paint);
    if (phase == PHASE_CONTENT) {
        kp_paint_marker(paint, box);
        kp_paint_outline(paint, box);
    }
}

/* Floats, inline-blocks and images: all phases at once, but positioned descendants wait in the
   context around. */
static void paint_atomic(kp_paint_t *paint, kp_context_t *context, const kp_box_t *box)
{
    for (kp_phase_t phase = PHASE_BACKGROUNDS; phase <= PHASE_CONTENT; phase++)
        paint_phase(paint, context, box, phase);
}

/* ---- stacking contexts ---- */

static int by_z(const void *a, const void *b)
{
    const kp_waiting_t *first = a, *second = b;
    if (first->z != second->z)
        return first->z < second->z ? -1 : 1;
    return first->order < second->order ? -1 : 1;
}

/* Clips of the boxes between a waiting box and its context: of its containing blocks only, so that
   an absolute box escapes a clipping ancestor that is not one. */
static unsigned push_clips(kp_paint_t *paint, const kp_box_t *box, const kp_box_t *root)
{
    const kp_box_t *chain[KP_DISPLAY_CLIP_DEPTH_MAX];
    size_t count = 0;
    bool in_flow = !box->out_of_flow;
    for (const kp_box_t *at = in_flow ? box->parent : box->container;
         at && at != root && count < KP_DISPLAY_CLIP_DEPTH_MAX;
         at = at->out_of_flow ? at->container : at->parent) {
        if (clips(at))
            chain[count++] = at;
    }
    unsigned pushed = 0;
    while (count > 0)
        pushed += clip_to(paint, chain[--count]);
    return pushed;
}

static void paint_waiting(kp_paint_t *paint, const kp_context_t *context, size_t from, size_t to)
{
    for (size_t i = from; i < to && paint->status == KP_OK; i++) {
        const kp_box_t *box = context->waiting[i].box;
        unsigned pushed = push_clips(paint, box, context->root);
        paint_context(paint, box);
        while (pushed-- > 0)
            kp_paint_unclip(paint);
    }
}

/* DEVIATION: a positioned box with z-index auto is painted as if it made a stacking context: its
   descendants with a z-index cannot leave it. */
static void paint_context(kp_paint_t *paint, const kp_box_t *root)
{
    if (paint->depth >= CONTEXT_DEPTH_MAX || paint->status != KP_OK || root->style->clipped)
        return;
    float opacity = paint->opacity;
    paint->opacity *= root->style->opacity;
    paint->depth++;
    if (paint->opacity > 0) {
        kp_context_t context = {.root = root};
        kp_paint_decorate(paint, root, kp_paint_border_rect(root), 0);
        bool clipped = clips(root) && clip_to(paint, root);
        /* The backgrounds below must be known before the negative layers can be painted, so those
           are collected first: a walk that paints nothing. */
        size_t mark = paint->out->size;
        uint32_t commands = paint->command_count;
        paint_children(paint, &context, root, PHASE_BACKGROUNDS);
        if (context.count)
            qsort(context.waiting, context.count, sizeof *context.waiting, by_z);
        size_t negative = 0;
        while (negative < context.count && context.waiting[negative].z < 0)
            negative++;
        if (negative > 0 && paint->status == KP_OK) {
            paint->out->size = mark;
            paint->command_count = commands;
            paint->glyphs_at = 0;
            paint_waiting(paint, &context, 0, negative);
            kp_context_t again = {.root = root};
            paint_children(paint, &again, root, PHASE_BACKGROUNDS);
            free(again.waiting);
        }
        /* Floats and atomic inlines find waiting boxes too; those come after the ones found so far.
         */
        size_t found = context.count;
        paint_children(paint, &context, root, PHASE_FLOATS);
        if (root->kind == KP_BOX_REPLACED)
            kp_paint_replaced(paint, root);
        if (root->lines)
            paint_lines(paint, &context, root);
        paint_children(paint, &context, root, PHASE_CONTENT);
        if (context.count > found)
            qsort(context.waiting + negative, context.count - negative, sizeof *context.waiting,
                  by_z);
        paint_waiting(paint, &context, negative, context.count);
        if (clipped)
            kp_paint_unclip(paint);
        kp_paint_marker(paint, root);
        kp_paint_outline(paint, root);
        free(context.waiting);
    }
    paint->depth--;
    paint->opacity = opacity;
}

/* ---- the canvas ---- */

/* CSS Backgrounds 3, 2.11.1-2: the root's background, or else the body's, covers the canvas.
   Returns the box it is taken from. */
static const kp_box_t *canvas_box(const kp_layout_t *layout)
{
    const kp_style_t *root = layout->root->style;
    if (root->background_image || kp_style_color(root, root->background_color) >> 24)
        return layout->root;
    return layout->body ? layout->body : layout->root;
}

static uint32_t blend_on_white(kp_color_t color)
{
    uint32_t alpha = color >> 24, out = 0xff;
    for (int shift = 16; shift >= 0; shift -= 8)
        out = out << 8 | (((color >> shift & 255) * alpha + 255 * (255 - alpha) + 127) / 255);
    return out;
}

kp_status_t kp_paint_page(const kp_paint_input_t *input, kp_buffer_t *out, uint32_t *background)
{
    const kp_layout_t *layout = input->layout;
    kp_paint_t paint = {
        .input = input, .layout = layout, .out = out, .scale = input->scale, .opacity = 1};
    out->size = 0;
    *background = 0xffffffff;
    kp_display_list_t head = {.magic = KP_DISPLAY_LIST_MAGIC};
    kp_buffer_append(out, &head, sizeof head);
    if (out->failed)
        return KP_ERR_NO_MEMORY;
    if (layout->root) {
        const kp_box_t *canvas = canvas_box(layout);
        const kp_style_t *style = canvas->style;
        *background = blend_on_white(kp_style_color(style, style->background_color));
        kp_paint_rect_t page = {0, 0, kp_lu_px(layout->page_width), kp_lu_px(layout->page_height)};
        kp_style_t stripped = *style;
        stripped.background_color = 0;
        if (style->background_image)
            kp_paint_background(&paint, canvas, &stripped, page, kp_paint_border_rect(layout->root),
                                NULL);
        /* The box itself must not paint it again. */
        kp_style_t bare = stripped;
        bare.background_image = NULL;
        kp_box_t *owner = canvas == layout->root ? layout->root : layout->body;
        owner->style = &bare;
        paint_context(&paint, layout->root);
        owner->style = style;
    }
    if (paint.status != KP_OK)
        return paint.status;
    head.command_bytes = (uint32_t)(out->size - sizeof head);
    head.command_count = paint.command_count;
    memcpy(out->bytes, &head, sizeof head);
    return KP_OK;
}
