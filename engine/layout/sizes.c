/* Used margins, borders, paddings, widths and heights (CSS 2.2, sections 8 and 10). */
#include "engine/layout/internal.h"

kp_lu_t kp_length_resolve(const kp_length_t *length, kp_lu_t base)
{
    if (length->keyword)
        return 0;
    float percent = length->percent != 0 ? length->percent / 100 * kp_lu_px(base) : 0;
    return kp_lu(length->px + percent);
}

void kp_box_edges(kp_box_t *box, kp_lu_t base)
{
    const kp_style_t *style = box->style;
    for (int i = 0; i < 4; i++) {
        box->margin[i] = kp_length_resolve(&style->margin[i], base);
        box->border[i] = kp_lu(style->border_width[i]);
        box->padding[i] = kp_lu_larger(kp_length_resolve(&style->padding[i], base), 0);
    }
    box->offset_x = box->offset_y = 0;
    if (style->position == KP_KW_RELATIVE) {
        const kp_length_t *inset = style->inset;
        if (!inset[LEFT].keyword)
            box->offset_x = kp_length_resolve(&inset[LEFT], base);
        else if (!inset[RIGHT].keyword)
            box->offset_x = -kp_length_resolve(&inset[RIGHT], base);
        /* DEVIATION: percentages of the height do nothing, as with an auto height. */
        if (!inset[TOP].keyword)
            box->offset_y = kp_lu(inset[TOP].px);
        else if (!inset[BOTTOM].keyword)
            box->offset_y = -kp_lu(inset[BOTTOM].px);
    }
}

kp_lu_t kp_box_edges_x(const kp_box_t *box)
{
    return box->border[LEFT] + box->padding[LEFT] + box->padding[RIGHT] + box->border[RIGHT];
}

kp_lu_t kp_box_edges_y(const kp_box_t *box)
{
    return box->border[TOP] + box->padding[TOP] + box->padding[BOTTOM] + box->border[BOTTOM];
}

static kp_lu_t sized(kp_layout_t *layout, kp_box_t *box, const kp_length_t *length, kp_lu_t base)
{
    switch (length->keyword) {
    case 0: {
        if (length->percent != 0 && base < 0)
            return KP_INDEFINITE;
        kp_lu_t value = kp_lu_larger(kp_length_resolve(length, base), 0);
        if (box->style->box_sizing != KP_KW_BORDER_BOX)
            return value + kp_box_edges_x(box);
        return kp_lu_larger(value, kp_box_edges_x(box));
    }
    case KP_KW_MIN_CONTENT:
        kp_box_intrinsic(layout, box);
        return box->min_content;
    case KP_KW_MAX_CONTENT:
        kp_box_intrinsic(layout, box);
        return box->max_content;
    case KP_KW_FIT_CONTENT:
        return kp_box_fit_width(layout, box, base - box->margin[LEFT] - box->margin[RIGHT]);
    case KP_KW_STRETCH:
    case KP_KW_WEBKIT_FILL_AVAILABLE:
    case KP_KW_MOZ_AVAILABLE:
        return base < 0 ? KP_INDEFINITE
                        : kp_lu_larger(base - box->margin[LEFT] - box->margin[RIGHT],
                                       kp_box_edges_x(box));
    default:
        return KP_INDEFINITE;
    }
}

kp_lu_t kp_box_specified_width(kp_layout_t *layout, kp_box_t *box, kp_lu_t base)
{
    return sized(layout, box, &box->style->width, base);
}

static kp_lu_t sized_height(const kp_box_t *box, const kp_length_t *length, kp_lu_t base)
{
    if (length->keyword || (length->percent != 0 && base < 0))
        return KP_INDEFINITE;
    kp_lu_t value = kp_lu_larger(kp_length_resolve(length, base), 0);
    if (box->style->box_sizing != KP_KW_BORDER_BOX)
        return value + kp_box_edges_y(box);
    return kp_lu_larger(value, kp_box_edges_y(box));
}

kp_lu_t kp_box_specified_height(const kp_box_t *box, kp_lu_t base)
{
    return sized_height(box, &box->style->height, base);
}

kp_lu_t kp_box_clamp_width(kp_layout_t *layout, kp_box_t *box, kp_lu_t width, kp_lu_t base)
{
    kp_lu_t high = sized(layout, box, &box->style->max_width, base);
    kp_lu_t low = sized(layout, box, &box->style->min_width, base);
    if (high != KP_INDEFINITE)
        width = kp_lu_smaller(width, high);
    if (low != KP_INDEFINITE)
        width = kp_lu_larger(width, low);
    return kp_lu_larger(width, kp_box_edges_x(box));
}

kp_lu_t kp_box_clamp_height(const kp_box_t *box, kp_lu_t height, kp_lu_t base)
{
    kp_lu_t high = sized_height(box, &box->style->max_height, base);
    kp_lu_t low = sized_height(box, &box->style->min_height, base);
    if (high != KP_INDEFINITE)
        height = kp_lu_smaller(height, high);
    if (low != KP_INDEFINITE)
        height = kp_lu_larger(height, low);
    return kp_lu_larger(height, kp_box_edges_y(box));
}

kp_lu_t kp_box_fit_width(kp_layout_t *layout, kp_box_t *box, kp_lu_t available)
{
    kp_box_intrinsic(layout, box);
    return kp_lu_larger(box->min_content, kp_lu_smaller(available, box->max_content));
}

kp_lu_t kp_box_shrink_width(kp_layout_t *layout, kp_box_t *box, kp_lu_t base, kp_lu_t available)
{
    kp_lu_t width = kp_box_specified_width(layout, box, base);
    if (width == KP_INDEFINITE)
        width = kp_box_fit_width(layout, box, available);
    else if (box->kind == KP_BOX_TABLE) {
        kp_box_intrinsic(layout, box);
        width = kp_lu_larger(width, box->min_content);
    }
    return kp_box_clamp_width(layout, box, width, base);
}

bool kp_box_is_positioned(const kp_box_t *box)
{
    return box->style->position != KP_KW_STATIC;
}
