/* Vertical alignment, text-align and fragments of one line (CSS 2.2, section 10.8). Half-leading is
   rounded down to whole px above the text, as Chromium does. */
#include "engine/layout/line.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An inline box (or an atomic one) on the line. */
typedef struct state {
    kp_box_t *box;
    int32_t parent;       /* index; -1 for the root inline box */
    int32_t base;         /* index of the nearest state aligned to the line's edge, 0: the root */
    kp_lu_t shift;        /* of its baseline below that of base */
    kp_lu_t above, below; /* base states: extent around its baseline */
    uint16_t align;       /* base states: KP_KW_TOP or KP_KW_BOTTOM */
    kp_font_height_t font;
    int32_t fragment;             /* INLINE: its fragment, -1 */
    kp_lu_t own_above, own_below; /* its own extent, with leading */
} state_t;

typedef struct maker {
    kp_line_input_t *in;
    kp_inline_content_t *content;
    kp_buffer_t states;
    int32_t current;
    kp_lu_t x;
} maker_t;

kp_font_height_t kp_font_height(kp_layout_t *layout, const kp_style_t *style)
{
    kp_text_style_t text_style = kp_layout_text_style(style);
    kp_text_font_t *font;
    kp_text_metrics_t metrics;
    if (kp_text_select(layout->text, &text_style, &font) != KP_OK)
        return (kp_font_height_t){kp_lu(style->font_size * .8f), kp_lu(style->font_size * .2f)};
    kp_text_font_metrics(font, &metrics);
    return (kp_font_height_t){kp_lu(metrics.ascent), kp_lu(metrics.descent)};
}

kp_lu_t kp_line_height(kp_layout_t *layout, const kp_style_t *style)
{
    if (style->line_height.keyword == KP_KW_CONTENT)
        return kp_lu(style->line_height.px * style->font_size);
    if (style->line_height.keyword == 0)
        return kp_lu(style->line_height.px);
    kp_text_style_t text_style = kp_layout_text_style(style);
    kp_text_font_t *font;
    kp_text_metrics_t metrics;
    if (kp_text_select(layout->text, &text_style, &font) != KP_OK)
        return kp_lu(style->font_size * 1.2f);
    kp_text_font_metrics(font, &metrics);
    return kp_lu(metrics.ascent + metrics.descent + roundf(metrics.line_gap));
}

static state_t *state_at(maker_t *m, int32_t index)
{
    return (state_t *)(void *)m->states.bytes + index;
}

static void extend(maker_t *m, int32_t base, kp_lu_t shift, kp_lu_t above, kp_lu_t below)
{
    state_t *state = state_at(m, base);
    state->above = kp_lu_larger(state->above, above - shift);
    state->below = kp_lu_larger(state->below, below + shift);
}

/* Ascent and descent with half the leading on each side. */
static void leaded(maker_t *m, const kp_style_t *style, kp_font_height_t font, kp_lu_t *above,
                   kp_lu_t *below)
{
    kp_lu_t line = kp_line_height(m->in->layout, style);
    kp_lu_t leading = line - font.ascent - font.descent;
    kp_lu_t half = leading / 2;
    half = half >= 0 ? half / KP_LU_ONE * KP_LU_ONE
                     : -((-half + KP_LU_ONE - 1) / KP_LU_ONE * KP_LU_ONE);
    *above = font.ascent + half;
    *below = line - *above;
}

/* How far below the parent's baseline a box with these extents sits. */
static kp_lu_t align_shift(maker_t *m, const kp_style_t *style, const state_t *parent,
                           kp_lu_t above, kp_lu_t below, kp_font_height_t inner)
{
    const kp_style_t *outer = parent->box->style;
    (void)inner;
    switch (style->vertical_align.keyword) {
    case 0: {
        kp_lu_t line = kp_line_height(m->in->layout, style);
        return -kp_length_resolve(&style->vertical_align, line);
    }
    case KP_KW_SUB:
        return kp_lu(outer->font_size) / 5 + KP_LU_ONE;
    case KP_KW_SUPER:
        return -(kp_lu(outer->font_size) / 3 + KP_LU_ONE);
    case KP_KW_TEXT_TOP:
        return above - parent->font.ascent;
    case KP_KW_TEXT_BOTTOM:
        return parent->font.descent - below;
    case KP_KW_MIDDLE: {
        kp_text_style_t text_style = kp_layout_text_style(outer);
        kp_text_font_t *font;
        kp_text_metrics_t metrics = {.x_height = outer->font_size / 2};
        if (kp_text_select(m->in->layout->text, &text_style, &font) == KP_OK)
            kp_text_font_metrics(font, &metrics);
        return (above - below) / 2 - kp_lu(metrics.x_height / 2);
    }
    default:
        return 0;
    }
}

/* Lets a box count for the height of its line. */
static void count_state(maker_t *m, int32_t index)
{
    const state_t *state = state_at(m, index);
    if (state->base == index)
        extend(m, index, 0, state->own_above, state->own_below);
    else
        extend(m, state->base, state->shift, state->own_above, state->own_below);
}

/* counts: false for boxes that only count once they hold text (the line height quirk). */
static int32_t push_state(maker_t *m, kp_box_t *box, int32_t parent, kp_lu_t above, kp_lu_t below,
                          kp_font_height_t font, bool counts)
{
    int32_t index = (int32_t)(m->states.size / sizeof(state_t));
    state_t *state = kp_buffer_extend(&m->states, sizeof *state);
    if (!state) {
        kp_layout_fail(m->in->layout, KP_ERR_NO_MEMORY);
        return -1;
    }
    *state = (state_t){.box = box,
                       .parent = parent,
                       .font = font,
                       .fragment = -1,
                       .own_above = above,
                       .own_below = below,
                       .above = -KP_LU_MAX,
                       .below = -KP_LU_MAX};
    uint16_t align = box->style->vertical_align.keyword;
    if (parent >= 0 && (align == KP_KW_TOP || align == KP_KW_BOTTOM)) {
        state->base = index;
        state->align = align;
    } else if (parent >= 0) {
        const state_t *outer = state_at(m, parent);
        state->base = outer->base;
        state->shift = outer->shift + align_shift(m, box->style, outer, above, below, font);
    }
    if (counts)
        count_state(m, index);
    return index;
}

static kp_fragment_t *add_fragment(maker_t *m, kp_box_t *box, kp_fragment_kind_t kind)
{
    kp_inline_content_t *content = m->content;
    if (content->fragment_count == content->fragment_capacity) {
        uint32_t more = content->fragment_capacity ? content->fragment_capacity * 2 : 8;
        kp_fragment_t *fragments = kp_arena_array(&m->in->layout->arena, more, sizeof *fragments);
        if (!fragments) {
            kp_layout_fail(m->in->layout, KP_ERR_NO_MEMORY);
            return NULL;
        }
        if (content->fragment_count)
            memcpy(fragments, content->fragments, content->fragment_count * sizeof *fragments);
        content->fragments = fragments;
        content->fragment_capacity = more;
    }
    kp_fragment_t *fragment = &content->fragments[content->fragment_count++];
    *fragment = (kp_fragment_t){.box = box, .kind = (uint8_t)kind, .x = m->x};
    return fragment;
}

/* Opens an inline box on this line: state and fragment. first: its left edge is here. */
static void open_inline(maker_t *m, kp_box_t *box, bool first)
{
    kp_font_height_t font = kp_font_height(m->in->layout, box->style);
    kp_lu_t above, below;
    leaded(m, box->style, font, &above, &below);
    bool counts = !m->in->layout->line_quirk || kp_box_edges_x(box) != 0 ||
                  box->margin[LEFT] != 0 || box->margin[RIGHT] != 0;
    int32_t index = push_state(m, box, m->current, above, below, font, counts);
    if (index < 0)
        return;
    if (first)
        m->x += box->margin[LEFT];
    kp_fragment_t *fragment = add_fragment(m, box, KP_FRAGMENT_INLINE);
    if (!fragment)
        return;
    fragment->first = first;
    fragment->baseline = index; /* the state, until positions are known */
    state_at(m, index)->fragment = (int32_t)m->content->fragment_count - 1;
    if (first)
        m->x += box->border[LEFT] + box->padding[LEFT];
    m->current = index;
}

static void close_inline(maker_t *m, bool last)
{
    state_t *state = state_at(m, m->current);
    if (state->parent < 0)
        return;
    if (last)
        m->x += state->box->padding[RIGHT] + state->box->border[RIGHT];
    if (state->fragment >= 0) {
        kp_fragment_t *fragment = &m->content->fragments[state->fragment];
        fragment->width = m->x - fragment->x;
        fragment->last = last;
    }
    if (last)
        m->x += state->box->margin[RIGHT];
    m->current = state->parent;
}

static void place_atomic(maker_t *m, kp_box_t *box)
{
    kp_lu_t outer_height = box->margin[TOP] + box->height + box->margin[BOTTOM];
    kp_lu_t baseline = box->last_baseline;
    if (box->kind == KP_BOX_TABLE || box->kind == KP_BOX_FLEX)
        baseline = box->first_baseline;
    else if (box->kind == KP_BOX_BLOCK && box->style->overflow[0] != KP_KW_VISIBLE &&
             box->style->overflow[0] != KP_KW_CLIP)
        baseline = KP_LU_NONE;
    kp_lu_t above = baseline == KP_LU_NONE ? outer_height : box->margin[TOP] + baseline;
    kp_font_height_t font = {above, outer_height - above};
    int32_t index = push_state(m, box, m->current, above, outer_height - above, font, true);
    if (index < 0)
        return;
    m->x += box->margin[LEFT];
    kp_fragment_t *fragment = add_fragment(m, box, KP_FRAGMENT_ATOMIC);
    if (!fragment)
        return;
    fragment->baseline = index;
    fragment->width = box->width;
    fragment->height = above; /* until positions are known */
    m->x += box->width + box->margin[RIGHT];
}

/* Words were measured one by one; a stretch as a whole also has the kerning with its spaces. */
static void measure_whole(kp_line_input_t *in)
{
    const char *text = in->box->lines->text;
    for (size_t i = 0; i < in->piece_count; i++) {
        kp_piece_t *piece = &in->pieces[i];
        size_t size = piece->end - piece->start;
        if (piece->item->kind == KP_ITEM_TEXT && size && !memchr(text + piece->start, '\t', size))
            piece->width =
                kp_inline_measure(in->layout, piece->item->box->style, text + piece->start, size);
    }
}

static void trim_end(kp_line_input_t *in)
{
    for (size_t i = in->piece_count; i > 0; i--) {
        kp_piece_t *piece = &in->pieces[i - 1];
        if (piece->item->kind == KP_ITEM_OPEN || piece->item->kind == KP_ITEM_CLOSE ||
            piece->item->kind == KP_ITEM_BREAK)
            continue;
        if (piece->item->kind != KP_ITEM_TEXT || kp_white_space_preserves(piece->item->box->style))
            return;
        bool all = piece->trailing_bytes == piece->end - piece->start;
        piece->end -= piece->trailing_bytes;
        piece->width -= piece->trailing_width;
        piece->trailing_bytes = 0;
        piece->trailing_width = 0;
        if (!all)
            return;
    }
}

/* text-align: the shift of the whole line; justify spreads over spaces instead. */
static kp_lu_t align_line(kp_line_input_t *in, float *word_spacing)
{
    float width = 0;
    uint32_t spaces = 0;
    const char *text = in->box->lines->text;
    for (size_t i = 0; i < in->piece_count; i++) {
        const kp_piece_t *piece = &in->pieces[i];
        width += kp_lu_px(kp_lu(piece->width));
        for (uint32_t at = piece->start; piece->item->kind == KP_ITEM_TEXT && at < piece->end; at++)
            spaces += text[at] == ' ';
    }
    float slack = kp_lu_px(in->right - in->left) - width;
    if (slack <= 0)
        return 0;
    switch (in->box->style->text_align) {
    case KP_KW_RIGHT:
    case KP_KW_WEBKIT_RIGHT:
        return kp_lu(slack);
    case KP_KW_CENTER:
    case KP_KW_WEBKIT_CENTER:
        return kp_lu(slack / 2);
    case KP_KW_JUSTIFY:
        if (!in->last && spaces)
            *word_spacing = slack / (float)spaces;
        return 0;
    default:
        return 0;
    }
}

static void make_fragments(maker_t *m, float word_spacing)
{
    kp_line_input_t *in = m->in;
    const char *text = m->content->text;
    for (size_t i = 0; i < in->piece_count && in->layout->status == KP_OK; i++) {
        const kp_piece_t *piece = &in->pieces[i];
        kp_box_t *box = piece->item->box;
        switch (piece->item->kind) {
        case KP_ITEM_OPEN:
            open_inline(m, box, true);
            break;
        case KP_ITEM_CLOSE:
            close_inline(m, true);
            break;
        case KP_ITEM_ATOMIC:
            place_atomic(m, box);
            break;
        case KP_ITEM_TEXT: {
            if (piece->end <= piece->start)
                break;
            float width = piece->width;
            if (word_spacing > 0) {
                for (uint32_t at = piece->start; at < piece->end; at++)
                    width += text[at] == ' ' ? word_spacing : 0;
            }
            kp_fragment_t *fragment = add_fragment(m, box, KP_FRAGMENT_TEXT);
            if (!fragment)
                return;
            fragment->start = piece->start;
            fragment->size = piece->end - piece->start;
            fragment->width = kp_lu_ceil(width);
            fragment->word_spacing = word_spacing;
            fragment->baseline = m->current;
            m->x += fragment->width;
            count_state(m, m->current);
            break;
        }
        case KP_ITEM_BREAK: {
            kp_fragment_t *fragment = add_fragment(m, box, KP_FRAGMENT_TEXT);
            if (fragment)
                fragment->baseline = m->current;
            count_state(m, m->current);
            break;
        }
        default:
            break;
        }
    }
}

/* The baseline of a state, from the box's top. */
static kp_lu_t baseline_of(maker_t *m, int32_t index, kp_lu_t line_y, kp_lu_t line_height,
                           kp_lu_t root_baseline)
{
    const state_t *state = state_at(m, index), *base = state_at(m, state->base);
    kp_lu_t origin = root_baseline;
    if (base->align == KP_KW_TOP)
        origin = line_y + base->above;
    else if (base->align == KP_KW_BOTTOM)
        origin = line_y + line_height - base->below;
    return origin + (state->base == index ? 0 : state->shift);
}

static void relative_shift(const kp_line_input_t *in, const kp_box_t *box, kp_lu_t *dx, kp_lu_t *dy)
{
    *dx = *dy = 0;
    for (box = box->parent; box && box != in->box && box->kind == KP_BOX_INLINE;
         box = box->parent) {
        *dx += box->offset_x;
        *dy += box->offset_y;
    }
}

static void position(maker_t *m, uint32_t first_fragment, kp_lu_t y, kp_lu_t height,
                     kp_lu_t root_baseline)
{
    for (uint32_t i = first_fragment; i < m->content->fragment_count; i++) {
        kp_fragment_t *f = &m->content->fragments[i];
        kp_box_t *box = f->box;
        kp_lu_t baseline = baseline_of(m, f->baseline, y, height, root_baseline);
        const state_t *state = state_at(m, f->baseline);
        kp_lu_t dx, dy;
        relative_shift(m->in, box, &dx, &dy);
        if (f->kind == KP_FRAGMENT_INLINE) {
            dx += box->offset_x;
            dy += box->offset_y;
        }
        baseline += dy;
        f->x += dx;
        if (f->kind == KP_FRAGMENT_ATOMIC) {
            f->y = baseline - f->height + box->margin[TOP];
            f->height = box->height;
            box->container = m->in->box;
            box->x = f->x;
            box->y = f->y;
        } else if (f->kind == KP_FRAGMENT_INLINE) {
            f->y = baseline - state->font.ascent - box->padding[TOP] - box->border[TOP];
            f->height = state->font.ascent + state->font.descent + kp_box_edges_y(box);
        } else {
            f->y = baseline - state->font.ascent;
            f->height = state->font.ascent + state->font.descent;
        }
        f->baseline = baseline;
    }
}

/* Inline boxes that are open where the line begins, outermost first. */
static void reopen(maker_t *m)
{
    const kp_inline_item_t *item = &m->content->items[m->in->first_item];
    kp_box_t *chain[KP_BOX_DEPTH_MAX];
    size_t count = 0;
    kp_box_t *box = item->kind == KP_ITEM_CLOSE ? item->box : item->box->parent;
    for (; box && box != m->in->box && count < KP_BOX_DEPTH_MAX; box = box->parent)
        chain[count++] = box;
    while (count--)
        open_inline(m, chain[count], false);
}

static kp_line_t *add_line(maker_t *m)
{
    kp_inline_content_t *content = m->content;
    if (content->line_count == content->line_capacity) {
        uint32_t more = content->line_capacity ? content->line_capacity * 2 : 4;
        kp_line_t *lines = kp_arena_array(&m->in->layout->arena, more, sizeof *lines);
        if (!lines) {
            kp_layout_fail(m->in->layout, KP_ERR_NO_MEMORY);
            return NULL;
        }
        if (content->line_count)
            memcpy(lines, content->lines, content->line_count * sizeof *lines);
        content->lines = lines;
        content->line_capacity = more;
    }
    return &content->lines[content->line_count++];
}

kp_lu_t kp_line_finish(kp_line_input_t *in)
{
    maker_t m = {.in = in, .content = in->box->lines, .current = -1};
    uint32_t first_fragment = m.content->fragment_count;
    float word_spacing = 0;
    kp_font_height_t font = kp_font_height(in->layout, in->box->style);
    kp_lu_t above, below, height = 0;
    leaded(&m, in->box->style, font, &above, &below);
    trim_end(in);
    measure_whole(in);
    m.x = in->left + align_line(in, &word_spacing);
    m.current = push_state(&m, in->box, -1, above, below, font, !in->layout->line_quirk);
    if (m.current == 0) {
        reopen(&m);
        make_fragments(&m, word_spacing);
        while (m.current > 0)
            close_inline(&m, false);
        if (state_at(&m, 0)->above == -KP_LU_MAX && m.states.size == sizeof(state_t))
            count_state(&m, 0); /* a lone preserved line feed */
        const state_t *root = state_at(&m, 0);
        bool empty = root->above == -KP_LU_MAX;
        above = empty ? 0 : root->above;
        below = empty ? 0 : root->below;
        size_t count = m.states.size / sizeof(state_t);
        for (size_t i = 1; i < count; i++) {
            const state_t *state = state_at(&m, (int32_t)i);
            if (state->base != (int32_t)i || state->above == -KP_LU_MAX)
                continue;
            kp_lu_t need = state->above + state->below;
            if (need <= above + below)
                continue;
            if (state->align == KP_KW_TOP)
                below = need - above;
            else
                above = need - below;
        }
        height = in->visible ? above + below : 0;
        kp_line_t *line = add_line(&m);
        position(&m, first_fragment, in->y, height, in->y + (in->visible ? above : 0));
        if (line) {
            *line = (kp_line_t){.y = in->y,
                                .height = height,
                                .baseline = in->y + above,
                                .first = first_fragment,
                                .count = m.content->fragment_count - first_fragment};
            if (in->visible) {
                if (in->box->first_baseline == KP_LU_NONE)
                    in->box->first_baseline = line->baseline;
                in->box->last_baseline = line->baseline;
            }
        }
    }
    kp_buffer_clear(&m.states);
    return height;
}
