/* Min-content and max-content widths (CSS Sizing 3), border box. */
#include "engine/layout/internal.h"

void kp_box_contribution(kp_layout_t *layout, kp_box_t *child, kp_lu_t *low, kp_lu_t *high)
{
    const kp_style_t *style = child->style;
    kp_box_edges(child, 0);
    kp_box_intrinsic(layout, child);
    *low = child->min_content;
    *high = child->max_content;
    if (!style->width.keyword && style->width.percent == 0 && child->kind != KP_BOX_TABLE) {
        kp_lu_t width = kp_box_specified_width(layout, child, 0);
        *low = *high = width;
    } else if (style->width.percent != 0 && child->kind == KP_BOX_REPLACED) {
        *low = 0; /* a percentage of an unknown width compresses */
    }
    if (!style->max_width.keyword && style->max_width.percent == 0) {
        kp_lu_t limit = kp_lu(style->max_width.px) +
                        (style->box_sizing == KP_KW_BORDER_BOX ? 0 : kp_box_edges_x(child));
        *low = kp_lu_smaller(*low, limit);
        *high = kp_lu_smaller(*high, limit);
    } else if (style->max_width.percent != 0 && child->kind == KP_BOX_REPLACED) {
        *low = 0;
    }
    if (!style->min_width.keyword && style->min_width.percent == 0) {
        kp_lu_t limit = kp_lu(style->min_width.px) +
                        (style->box_sizing == KP_KW_BORDER_BOX ? 0 : kp_box_edges_x(child));
        *low = kp_lu_larger(*low, limit);
        *high = kp_lu_larger(*high, limit);
    }
    kp_lu_t margins = child->margin[LEFT] + child->margin[RIGHT];
    *low = kp_lu_add(*low, margins);
    *high = kp_lu_add(*high, margins);
}

static void inline_intrinsic(kp_layout_t *layout, kp_box_t *box, kp_lu_t *low, kp_lu_t *high)
{
    kp_inline_collect(layout, box);
    const kp_inline_content_t *content = box->lines;
    if (!content)
        return;
    float word = 0, line = 0, min = 0, max = 0, trailing = 0, floats = 0;
    line = kp_lu_px(kp_length_resolve(&box->style->text_indent, 0));
    word = line;
    for (uint32_t i = 0; i < content->item_count && layout->status == KP_OK; i++) {
        const kp_inline_item_t *item = &content->items[i];
        kp_box_t *inner = item->box;
        float extra = 0;
        bool ends_word = false, ends_line = false;
        kp_lu_t child_low, child_high;
        switch (item->kind) {
        case KP_ITEM_TEXT: {
            float before = line;
            bool plain = true;
            for (uint32_t at = item->start; at < item->end;) {
                kp_segment_t segment = kp_inline_segment(layout, content, item, at, line);
                at = segment.end;
                plain = plain && !segment.newline && !segment.tab;
                bool hangs = segment.space && !kp_white_space_preserves(inner->style);
                if (segment.newline) {
                    max = line - trailing > max ? line - trailing : max;
                    min = word > min ? word : min;
                    line = word = trailing = 0;
                    continue;
                }
                line += segment.width;
                trailing = hangs ? segment.width : 0;
                if (segment.space && segment.breaks) {
                    min = word > min ? word : min;
                    word = 0;
                    continue;
                }
                word += segment.width;
                if (inner->style->overflow_wrap == KP_KW_ANYWHERE && segment.width > 0)
                    word = inner->style->font_size; /* about one character */
                if (segment.breaks) {
                    min = word > min ? word : min;
                    word = 0;
                }
            }
            if (plain) /* with the kerning between words and spaces */
                line = before + kp_inline_measure(layout, inner->style, content->text + item->start,
                                                  item->end - item->start);
            break;
        }
        case KP_ITEM_OPEN:
        case KP_ITEM_CLOSE: {
            int side = item->kind == KP_ITEM_OPEN ? LEFT : RIGHT;
            kp_box_edges(inner, 0);
            extra = kp_lu_px(inner->margin[side] + inner->border[side] + inner->padding[side]);
            line += extra;
            word += extra;
            break;
        }
        case KP_ITEM_ATOMIC: {
            kp_box_contribution(layout, inner, &child_low, &child_high);
            bool wraps = kp_white_space_wraps(box->style);
            if (wraps) {
                min = word > min ? word : min;
                word = 0;
            }
            word += kp_lu_px(child_low);
            line += kp_lu_px(child_high);
            trailing = 0;
            ends_word = wraps;
            break;
        }
        case KP_ITEM_FLOAT:
            kp_box_contribution(layout, inner, &child_low, &child_high);
            min = kp_lu_px(child_low) > min ? kp_lu_px(child_low) : min;
            floats += kp_lu_px(child_high);
            break;
        case KP_ITEM_BREAK:
            ends_line = true;
            break;
        case KP_ITEM_WBR:
            ends_word = true;
            break;
        default:
            break;
        }
        if (ends_line) {
            max = line - trailing > max ? line - trailing : max;
            line = trailing = 0;
        }
        if (ends_word || ends_line) {
            min = word > min ? word : min;
            word = 0;
        }
    }
    max = line - trailing > max ? line - trailing : max;
    min = word > min ? word : min;
    /* Rounded up: the text must fit into the width that it asked for. */
    *low = kp_lu_ceil(min);
    *high = kp_lu_ceil(max + floats);
}

static void block_intrinsic(kp_layout_t *layout, kp_box_t *box, kp_lu_t *low, kp_lu_t *high)
{
    kp_lu_t float_row = 0;
    for (kp_box_t *child = box->first_child; child && layout->status == KP_OK;
         child = child->next) {
        kp_lu_t child_low, child_high;
        if (child->out_of_flow)
            continue;
        kp_box_contribution(layout, child, &child_low, &child_high);
        *low = kp_lu_larger(*low, child_low);
        if (child->floating) {
            if (child->style->clear != KP_KW_NONE)
                float_row = 0;
            float_row = kp_lu_add(float_row, child_high);
            *high = kp_lu_larger(*high, float_row);
        } else {
            bool beside = child->formatting_root && child->style->clear == KP_KW_NONE;
            *high = kp_lu_larger(*high, kp_lu_add(child_high, beside ? float_row : 0));
            float_row = 0;
        }
    }
}

void kp_box_intrinsic(kp_layout_t *layout, kp_box_t *box)
{
    if (box->intrinsic_known)
        return;
    box->intrinsic_known = true;
    box->min_content = box->max_content = 0;
    kp_lu_t margin_left = box->margin[LEFT], margin_right = box->margin[RIGHT];
    kp_lu_t low = 0, high = 0;
    switch (box->kind) {
    case KP_BOX_REPLACED: {
        kp_lu_t width = box->width, height = box->height;
        kp_replaced_size(layout, box, 0, KP_INDEFINITE);
        low = high = kp_lu_larger(box->style->width.percent != 0 ? box->natural_width
                                                                 : box->width - kp_box_edges_x(box),
                                  0);
        box->width = width;
        box->height = height;
        break;
    }
    case KP_BOX_TABLE:
        kp_table_intrinsic(layout, box);
        return;
    case KP_BOX_FLEX:
        kp_flex_intrinsic(layout, box);
        return;
    default:
        if (box->children_inline)
            inline_intrinsic(layout, box, &low, &high);
        else
            block_intrinsic(layout, box, &low, &high);
        break;
    }
    box->margin[LEFT] = margin_left;
    box->margin[RIGHT] = margin_right;
    low = kp_lu_smaller(low, KP_LU_GIVEN_MAX);
    high = kp_lu_smaller(high, KP_LU_GIVEN_MAX);
    box->min_content = low + kp_box_edges_x(box);
    box->max_content = kp_lu_larger(high, low) + kp_box_edges_x(box);
}
