#include "engine/layout/layout.h"

#include <stdlib.h>
#include <string.h>

#include "engine/layout/internal.h"

static kp_box_t *next_box(kp_box_t *box, const kp_box_t *root)
{
    if (box->first_child)
        return box->first_child;
    while (box != root && !box->next)
        box = box->parent;
    return box == root ? NULL : box->next;
}

/* Inline boxes take the union of their fragments, in coordinates of their block container. */
static void gather_fragments(kp_box_t *block)
{
    kp_inline_content_t *content = block->lines;
    for (uint32_t i = 0; i < content->fragment_count; i++) {
        const kp_fragment_t *f = &content->fragments[i];
        kp_box_t *box = f->box;
        if (f->kind == KP_FRAGMENT_ATOMIC)
            continue;
        bool seen = box->container == block && box->through_known;
        kp_lu_t right = f->x + f->width, bottom = f->y + f->height;
        if (seen) {
            right = kp_lu_larger(right, box->x + box->width);
            bottom = kp_lu_larger(bottom, box->y + box->height);
            box->x = kp_lu_smaller(box->x, f->x);
            box->y = kp_lu_smaller(box->y, f->y);
        } else {
            box->x = f->x;
            box->y = f->y;
        }
        box->container = block;
        box->through_known = true; /* for inline boxes and text: has fragments */
        box->width = right - box->x;
        box->height = bottom - box->y;
    }
}

/* Page coordinates of every box, parents before children, and what the page scrolls over. */
static void finish(kp_layout_t *layout)
{
    for (kp_box_t *box = layout->root; box; box = next_box(box, layout->root)) {
        if (box->lines && box->children_inline)
            gather_fragments(box);
        bool inside = box->kind == KP_BOX_INLINE || box->kind == KP_BOX_TEXT ||
                      box->kind == KP_BOX_BREAK || box->kind == KP_BOX_WBR;
        /* Fragments have the relative offsets of inline boxes already. */
        kp_lu_t dx = inside ? 0 : box->offset_x, dy = inside ? 0 : box->offset_y;
        box->page_x = kp_lu_add(box->x + dx, box->container ? box->container->page_x : 0);
        box->page_y = kp_lu_add(box->y + dy, box->container ? box->container->page_y : 0);
    }
    layout->page_width = layout->viewport_width;
    layout->page_height = layout->viewport_height;
    for (kp_box_t *box = layout->root; box; box = next_box(box, layout->root)) {
        if (box->style->position == KP_KW_FIXED || box->style->visibility == KP_KW_COLLAPSE)
            continue;
        /* What a clipping ancestor hides does not count; only the nearest few are looked at. */
        bool clipped = false;
        int steps = 0;
        for (const kp_box_t *up = box->container; up && steps < 16; up = up->container, steps++) {
            if (up->style->overflow[0] != KP_KW_VISIBLE && up != layout->root &&
                up != layout->body) {
                clipped = true;
                break;
            }
        }
        if (clipped)
            continue;
        kp_lu_t extra = box->kind == KP_BOX_BLOCK && box == layout->body
                            ? kp_lu_larger(box->margin[BOTTOM], 0)
                            : 0;
        layout->page_width = kp_lu_larger(layout->page_width, box->page_x + box->width);
        layout->page_height = kp_lu_larger(layout->page_height, box->page_y + box->height + extra);
    }
}

kp_status_t kp_layout_run(kp_layout_t *layout)
{
    layout->status = KP_OK;
    kp_layout_build(layout);
    kp_box_t *root = layout->root;
    if (root && layout->status == KP_OK) {
        kp_box_edges(root, layout->viewport_width);
        kp_lu_t margins = root->margin[LEFT] + root->margin[RIGHT];
        kp_lu_t width = kp_box_specified_width(layout, root, layout->viewport_width);
        if (width == KP_INDEFINITE)
            width = layout->viewport_width - margins;
        root->width = kp_box_clamp_width(layout, root, width, layout->viewport_width);
        root->x = root->margin[LEFT];
        root->y = root->margin[TOP];
        if (root->style->margin[LEFT].keyword == KP_KW_AUTO &&
            root->style->margin[RIGHT].keyword == KP_KW_AUTO)
            root->x = kp_lu_larger((layout->viewport_width - root->width) / 2, 0);
        kp_box_layout_alone(layout, root, layout->viewport_width, layout->viewport_height,
                            KP_INDEFINITE);
        kp_layout_positioned(layout);
        finish(layout);
    }
    free(layout->out_of_flow);
    layout->out_of_flow = NULL;
    layout->out_of_flow_count = layout->out_of_flow_capacity = 0;
    if (layout->status != KP_OK)
        layout->root = NULL;
    return layout->status;
}

void kp_layout_clear(kp_layout_t *layout)
{
    kp_arena_clear(&layout->arena);
    layout->root = layout->body = NULL;
}

bool kp_layout_rectangle(const kp_box_t *box, kp_lu_t out[4])
{
    bool any = false;
    for (; box; box = box->continuation) {
        bool inside = box->kind == KP_BOX_INLINE;
        if (inside && !box->through_known && box->continuation)
            continue;
        kp_lu_t right = box->page_x + box->width, bottom = box->page_y + box->height;
        if (any) {
            right = kp_lu_larger(right, out[0] + out[2]);
            bottom = kp_lu_larger(bottom, out[1] + out[3]);
            out[0] = kp_lu_smaller(out[0], box->page_x);
            out[1] = kp_lu_smaller(out[1], box->page_y);
        } else {
            out[0] = box->page_x;
            out[1] = box->page_y;
        }
        out[2] = right - out[0];
        out[3] = bottom - out[1];
        any = true;
    }
    return any;
}

static bool contains(kp_lu_t x, kp_lu_t y, kp_lu_t px, kp_lu_t py, kp_lu_t width, kp_lu_t height)
{
    return px >= x && px < x + width && py >= y && py < y + height;
}

static kp_node_t *element_of(const kp_box_t *box)
{
    for (; box; box = box->parent) {
        if (box->node)
            return box->node->type == LXB_DOM_NODE_TYPE_ELEMENT ? box->node : box->node->parent;
    }
    return NULL;
}

/* The last box in document order wins, positioned ones before others: near enough to paint order
   for links. DEVIATION: z-index is not looked at. */
kp_node_t *kp_layout_hit(const kp_layout_t *layout, float x, float y)
{
    kp_lu_t px = kp_lu(x), py = kp_lu(y);
    kp_node_t *found = NULL;
    bool found_positioned = false;
    for (kp_box_t *box = layout->root; box; box = next_box(box, layout->root)) {
        if (box->style->visibility != KP_KW_VISIBLE)
            continue;
        bool positioned = box->out_of_flow;
        for (const kp_box_t *up = box->parent; up && !positioned; up = up->parent)
            positioned = up->out_of_flow;
        if (found_positioned && !positioned)
            continue;
        if (box->lines && box->children_inline) {
            kp_inline_content_t *content = box->lines;
            for (uint32_t i = 0; i < content->fragment_count; i++) {
                const kp_fragment_t *f = &content->fragments[i];
                if (f->kind == KP_FRAGMENT_TEXT &&
                    contains(box->page_x + f->x, box->page_y + f->y, px, py, f->width, f->height)) {
                    found = element_of(f->box);
                    found_positioned = positioned;
                }
            }
        }
        bool inside = box->kind == KP_BOX_INLINE || box->kind == KP_BOX_TEXT;
        bool hit = contains(box->page_x, box->page_y, px, py, box->width, box->height);
        if (!inside && hit && !(found && found_positioned == positioned && !box->node)) {
            /* A block does not hide the text of its own lines, found just before. */
            kp_node_t *element = element_of(box);
            bool own = false;
            for (const kp_node_t *n = found; n && !own; n = n->parent)
                own = n == element;
            if (!own || !found) {
                found = element;
                found_positioned = positioned;
            }
        }
    }
    return found;
}
