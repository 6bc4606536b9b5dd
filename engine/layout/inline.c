/* Inline formatting: breaking items into lines (CSS 2.2, section 9.4.2; CSS Text 3). Vertical
   placement is in line.c. */
#include <stdlib.h>
#include <string.h>

#include "engine/layout/line.h"

#define PENDING_FLOATS_MAX 64

typedef struct breaker {
    kp_layout_t *layout;
    kp_box_t *box;
    kp_inline_content_t *content;
    const kp_space_t *space;
    kp_buffer_t pieces; /* kp_piece_t of the current line */
    uint32_t item, offset;
    float width;         /* of the line so far, px */
    bool has_content;    /* something that keeps later spaces */
    bool has_text_box;   /* something that gives the line a height */
    kp_lu_t left, right; /* of the line, from the box's border edge */
    kp_lu_t y;
    uint32_t floats_done; /* items below this index have placed their floats */
    kp_box_t *pending[PENDING_FLOATS_MAX];
    size_t pending_count;
    /* The last place where the line may end. */
    bool can_break;
    size_t break_pieces;
    kp_piece_t break_last;
    uint32_t break_item, break_offset;
    bool break_has_content;
} breaker_t;

static kp_piece_t *pieces(breaker_t *b)
{
    return (kp_piece_t *)(void *)b->pieces.bytes;
}

static size_t piece_count(const breaker_t *b)
{
    return b->pieces.size / sizeof(kp_piece_t);
}

static kp_piece_t *add_piece(breaker_t *b, const kp_inline_item_t *item, float width)
{
    kp_piece_t *piece = kp_buffer_extend(&b->pieces, sizeof *piece);
    if (!piece) {
        kp_layout_fail(b->layout, KP_ERR_NO_MEMORY);
        return NULL;
    }
    *piece = (kp_piece_t){.item = item, .width = width};
    b->width += width;
    return piece;
}

static void set_break(breaker_t *b, uint32_t item, uint32_t offset)
{
    b->can_break = true;
    b->break_pieces = piece_count(b);
    if (b->break_pieces)
        b->break_last = pieces(b)[b->break_pieces - 1];
    b->break_item = item;
    b->break_offset = offset;
    b->break_has_content = b->has_content;
}

static void go_back(breaker_t *b)
{
    b->pieces.size = b->break_pieces * sizeof(kp_piece_t);
    if (b->break_pieces)
        pieces(b)[b->break_pieces - 1] = b->break_last;
    b->item = b->break_item;
    b->offset = b->break_offset;
    b->has_content = b->break_has_content;
}

static float room(const breaker_t *b)
{
    /* A width that was measured as a whole and rounded must hold its parts. */
    return kp_lu_px(b->right - b->left) + 0.02f;
}

static void set_edges(breaker_t *b, bool first_line, kp_lu_t content_width, kp_lu_t height)
{
    kp_lu_t edge = b->box->border[LEFT] + b->box->padding[LEFT];
    kp_lu_t left = b->space->origin_x + edge, right = left + content_width;
    kp_floats_span(b->space->floats, b->space->origin_y + b->y, height, &left, &right);
    b->left = left - b->space->origin_x;
    b->right = right - b->space->origin_x;
    if (first_line)
        b->left += kp_length_resolve(&b->box->style->text_indent, content_width);
}

/* As many whole characters of a segment as fit, at least one. */
static uint32_t fit_characters(breaker_t *b, const kp_inline_item_t *item, kp_segment_t *segment,
                               float available)
{
    const char *text = b->content->text;
    uint32_t end = segment->start;
    float width = 0;
    while (end < segment->end) {
        uint32_t next = end + 1;
        while (next < segment->end && ((unsigned char)text[next] & 0xc0) == 0x80)
            next++;
        float more = kp_inline_measure(b->layout, item->box->style, text + segment->start,
                                       next - segment->start);
        if (more > available && end > segment->start)
            break;
        width = more;
        end = next;
    }
    segment->width = width;
    return end;
}

typedef enum step { STEP_ON, STEP_LINE_FULL, STEP_LINE_ENDS } step_t;

static void append_text(breaker_t *b, const kp_inline_item_t *item, const kp_segment_t *segment)
{
    size_t count = piece_count(b);
    kp_piece_t *last = count ? &pieces(b)[count - 1] : NULL;
    if (!last || last->item != item || last->end != segment->start) {
        last = add_piece(b, item, 0);
        if (!last)
            return;
        last->start = segment->start;
    }
    last->end = segment->end;
    last->width += segment->width;
    b->width += segment->width;
    if (segment->space) {
        last->trailing_bytes += segment->end - segment->start;
        last->trailing_width += segment->width;
    } else {
        last->trailing_bytes = 0;
        last->trailing_width = 0;
    }
}

static step_t text_step(breaker_t *b, const kp_inline_item_t *item)
{
    const kp_style_t *style = item->box->style;
    while (b->offset < item->end && b->layout->status == KP_OK) {
        kp_segment_t segment = kp_inline_segment(b->layout, b->content, item, b->offset, b->width);
        bool collapsible = segment.space && !kp_white_space_preserves(style);
        if (segment.newline) {
            b->offset = segment.end;
            b->has_text_box = true;
            return STEP_LINE_ENDS;
        }
        if (collapsible && !b->has_content) {
            b->offset = segment.end;
            continue;
        }
        if (!segment.space && b->width + segment.width > room(b)) {
            if (b->can_break)
                return STEP_LINE_FULL;
            bool anywhere = kp_white_space_wraps(style) && style->overflow_wrap != KP_KW_NORMAL;
            if (anywhere && segment.width > room(b) - b->width) {
                if (b->has_content && room(b) - b->width < style->font_size / 2)
                    return STEP_LINE_FULL;
                segment.end = fit_characters(b, item, &segment, room(b) - b->width);
                append_text(b, item, &segment);
                b->has_content = b->has_text_box = true;
                b->offset = segment.end;
                set_break(b, b->item, b->offset);
                continue;
            }
        }
        append_text(b, item, &segment);
        b->offset = segment.end;
        b->has_text_box = true;
        b->has_content = true;
        if (segment.breaks)
            set_break(b, b->item, b->offset);
    }
    return STEP_ON;
}

/* Whether a break is allowed in front of an object. */
static bool breaks_before(const breaker_t *b, uint32_t at, const kp_style_t *style)
{
    return at > 0 && kp_white_space_wraps(style) &&
           b->content->breaks[at - 1] != KP_TEXT_BREAK_NONE;
}

static step_t atomic_step(breaker_t *b, const kp_inline_item_t *item)
{
    kp_box_t *box = item->box;
    kp_lu_t base = b->space->width;
    const kp_style_t *outer = box->parent->style;
    kp_box_edges(box, base);
    kp_lu_t margins = box->margin[LEFT] + box->margin[RIGHT];
    if (box->kind == KP_BOX_REPLACED)
        kp_replaced_size(b->layout, box, base, b->space->height);
    else
        box->width = kp_box_shrink_width(b->layout, box, base, base - margins);
    float width = kp_lu_px(box->width + margins);
    if (b->has_content && breaks_before(b, item->start, outer))
        set_break(b, b->item, b->offset);
    if (b->width + width > room(b) && b->can_break && b->has_content)
        return STEP_LINE_FULL;
    kp_box_layout_alone(b->layout, box, base, b->space->height, KP_INDEFINITE);
    add_piece(b, item, width);
    b->has_content = b->has_text_box = true;
    b->item++;
    b->offset = item->end;
    if (kp_white_space_wraps(outer) && item->end <= b->content->text_size &&
        b->content->breaks[item->end - 1] != KP_TEXT_BREAK_NONE)
        set_break(b, b->item, b->offset);
    b->item--;
    return STEP_ON;
}

static void float_step(breaker_t *b, const kp_inline_item_t *item, kp_lu_t content_width,
                       bool first_line, kp_lu_t height)
{
    kp_box_t *box = item->box;
    kp_lu_t edge = b->box->border[LEFT] + b->box->padding[LEFT];
    if (b->item < b->floats_done)
        return;
    b->floats_done = b->item + 1;
    kp_box_edges(box, content_width);
    kp_lu_t margins = box->margin[LEFT] + box->margin[RIGHT];
    kp_lu_t width = kp_box_shrink_width(b->layout, box, content_width, content_width - margins);
    bool fits = kp_lu_px(width + margins) + b->width <= room(b);
    if (b->pending_count || (b->has_content && !fits)) {
        if (b->pending_count < PENDING_FLOATS_MAX) {
            b->pending[b->pending_count++] = box;
            return;
        }
    }
    kp_box_place_float(b->layout, box, b->box, b->space, edge, edge + content_width, b->y);
    set_edges(b, first_line, content_width, height);
}

static void edge_piece(breaker_t *b, const kp_inline_item_t *item)
{
    kp_box_t *box = item->box;
    int side = item->kind == KP_ITEM_OPEN ? LEFT : RIGHT;
    kp_box_edges(box, b->space->width);
    kp_lu_t edge = box->margin[side] + box->border[side] + box->padding[side];
    add_piece(b, item, kp_lu_px(edge));
    if (edge != 0)
        b->has_text_box = true;
}

/* Fills one line from b->item; true when the line ends with a forced break or the content ends. */
static bool fill_line(breaker_t *b, kp_lu_t content_width, bool first_line, kp_lu_t height)
{
    b->pieces.size = 0;
    b->width = 0;
    b->has_content = b->has_text_box = b->can_break = false;
    while (b->item < b->content->item_count && b->layout->status == KP_OK) {
        const kp_inline_item_t *item = &b->content->items[b->item];
        step_t step = STEP_ON;
        switch (item->kind) { /* NOLINT: a count above 0 has items */
        case KP_ITEM_TEXT:
            if (b->offset < item->start)
                b->offset = item->start;
            step = text_step(b, item);
            break;
        case KP_ITEM_OPEN:
        case KP_ITEM_CLOSE:
            edge_piece(b, item);
            /* An opportunity right behind the text also holds behind the closing edge. */
            if (item->kind == KP_ITEM_CLOSE && b->can_break &&
                b->break_pieces + 1 == piece_count(b) && b->break_item + 1 >= b->item &&
                b->width <= room(b))
                set_break(b, b->item + 1, b->offset);
            break;
        case KP_ITEM_ATOMIC:
            step = atomic_step(b, item);
            break;
        case KP_ITEM_FLOAT:
            float_step(b, item, content_width, first_line, height);
            break;
        case KP_ITEM_OUT_OF_FLOW: {
            kp_lu_t x = b->left + kp_lu(b->width);
            uint16_t display = item->box->style->display;
            bool was_block = display == KP_KW_BLOCK && b->has_content && false;
            if (b->floats_done <= b->item) {
                b->floats_done = b->item + 1;
                kp_box_wait_out_of_flow(b->layout, item->box, b->box, x,
                                        b->y + (was_block ? height : 0));
            }
            break;
        }
        case KP_ITEM_BREAK:
            add_piece(b, item, 0);
            b->has_text_box = true;
            b->item++;
            b->offset = item->end;
            return true;
        case KP_ITEM_WBR:
            if (kp_white_space_wraps(item->box->style) && b->has_content)
                set_break(b, b->item + 1, item->end);
            break;
        }
        if (step == STEP_LINE_FULL) {
            if (b->can_break)
                go_back(b);
            return false;
        }
        if (step == STEP_LINE_ENDS) {
            if (b->offset >= item->end)
                b->item++;
            return true;
        }
        b->item++;
    }
    return true;
}

static void place_pending(breaker_t *b, kp_lu_t content_width)
{
    kp_lu_t edge = b->box->border[LEFT] + b->box->padding[LEFT];
    for (size_t i = 0; i < b->pending_count; i++)
        kp_box_place_float(b->layout, b->pending[i], b->box, b->space, edge, edge + content_width,
                           b->y);
    b->pending_count = 0;
}

void kp_inline_layout(kp_layout_t *layout, kp_box_t *box, const kp_space_t *space,
                      kp_lu_t content_width, kp_lu_t *content_height)
{
    kp_inline_collect(layout, box);
    if (!box->lines)
        return;
    kp_lu_t top = box->border[TOP] + box->padding[TOP];
    kp_lu_t strut = kp_line_height(layout, box->style);
    kp_lu_t edge = box->border[LEFT] + box->padding[LEFT];
    breaker_t b = {.layout = layout, .box = box, .content = box->lines, .space = space, .y = top};
    b.content->line_count = b.content->fragment_count = 0; /* a second layout of the same box */
    bool first_line = true;
    while (b.item < b.content->item_count && layout->status == KP_OK) {
        uint32_t item = b.item, offset = b.offset;
        set_edges(&b, first_line, content_width, strut);
        bool forced = fill_line(&b, content_width, first_line, strut);
        bool narrowed = b.left > edge || b.right < edge + content_width;
        if (!b.pieces.failed && b.has_content && b.width > room(&b) + 0.02f && narrowed &&
            !b.can_break) {
            /* Nothing fits beside the floats: try again below the next one. */
            kp_lu_t next = kp_floats_next(space->floats, space->origin_y + b.y);
            if (next != KP_LU_MAX) {
                b.y = next - space->origin_y;
                b.item = item;
                b.offset = offset;
                continue;
            }
        }
        if (b.item == item && b.offset == offset && !forced) {
            /* Cannot happen with sane input; never loop for ever. */
            b.item++;
        }
        kp_line_input_t input = {.layout = layout,
                                 .box = box,
                                 .pieces = pieces(&b),
                                 .piece_count = piece_count(&b),
                                 .first_item = item,
                                 .left = b.left,
                                 .right = b.right,
                                 .y = b.y,
                                 .visible = b.has_text_box,
                                 .last = forced};
        kp_lu_t height = kp_line_finish(&input);
        if (input.visible)
            first_line = false;
        b.y = kp_lu_add(b.y, height);
        place_pending(&b, content_width);
        if (forced && b.item < b.content->item_count) {
            const kp_inline_item_t *ended = b.item ? &b.content->items[b.item - 1] : NULL;
            if (ended && ended->kind == KP_ITEM_BREAK && ended->box->style->clear != KP_KW_NONE)
                b.y = kp_floats_clear_y(space->floats, ended->box->style->clear,
                                        space->origin_y + b.y) -
                      space->origin_y;
        }
    }
    *content_height = b.y - top;
    kp_buffer_clear(&b.pieces);
}
