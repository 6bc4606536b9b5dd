/* Flexible boxes (CSS Flexbox 1): lines, flexing, alignment. Left to right, top to bottom.
   DEVIATION: align-content other than stretch and start packs lines at the start. */
#include <stdlib.h>

#include "engine/layout/internal.h"

/* Nested containers lay their items out twice; below this depth stretching only sets heights. */
#define RELAYOUT_DEPTH_MAX 6

typedef struct item {
    kp_box_t *box;
    uint32_t index;
    kp_lu_t base, low, high; /* border-box main size: flex base, limits */
    kp_lu_t main, cross;     /* border-box sizes */
    kp_lu_t margin_main, margin_cross;
    uint8_t auto_before, auto_after; /* main-axis margins that take free space */
    bool frozen;
} item_t;

typedef struct flex {
    kp_layout_t *layout;
    kp_box_t *box;
    bool column, reverse, wraps;
    kp_lu_t width, height; /* of the content box; height may be indefinite */
    kp_lu_t gap_main, gap_cross;
    item_t *items;
    size_t count;
} flex_t;

static int by_order(const void *a, const void *b)
{
    const item_t *x = a, *y = b;
    if (x->box->style->order != y->box->style->order)
        return x->box->style->order < y->box->style->order ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static bool is_item(const kp_box_t *box)
{
    return !box->out_of_flow;
}

static bool is_column(const kp_box_t *box)
{
    return box->style->flex_direction == KP_KW_COLUMN ||
           box->style->flex_direction == KP_KW_COLUMN_REVERSE;
}

static kp_lu_t gap_of(const kp_length_t *gap, kp_lu_t base)
{
    return gap->keyword ? 0 : kp_lu_larger(kp_length_resolve(gap, kp_lu_larger(base, 0)), 0);
}

void kp_flex_intrinsic(kp_layout_t *layout, kp_box_t *box)
{
    bool column = is_column(box), wraps = box->style->flex_wrap != KP_KW_NOWRAP;
    kp_lu_t low = 0, high = 0, gap = gap_of(&box->style->gap[1], 0);
    uint32_t count = 0;
    for (kp_box_t *child = box->first_child; child; child = child->next) {
        if (!is_item(child))
            continue;
        kp_lu_t child_low, child_high;
        kp_box_contribution(layout, child, &child_low, &child_high);
        if (column || wraps)
            low = kp_lu_larger(low, child_low);
        else
            low = kp_lu_add(low, child_low);
        high = column ? kp_lu_larger(high, child_high) : kp_lu_add(high, child_high);
        count++;
    }
    if (!column && count > 1) {
        kp_lu_t gaps = kp_lu_times(gap, count - 1);
        high = kp_lu_add(high, gaps);
        low = kp_lu_add(low, wraps ? 0 : gaps);
    }
    low = kp_lu_smaller(low, KP_LU_GIVEN_MAX);
    high = kp_lu_smaller(high, KP_LU_GIVEN_MAX);
    box->min_content = low + kp_box_edges_x(box);
    box->max_content = kp_lu_larger(high, low) + kp_box_edges_x(box);
}

static uint16_t alignment(const flex_t *flex, const kp_box_t *item)
{
    uint16_t align = item->style->align_self;
    if (align == KP_KW_AUTO)
        align = flex->box->style->align_items;
    return align == KP_KW_NORMAL ? KP_KW_STRETCH : align;
}

static bool stretches(const flex_t *flex, const kp_box_t *box)
{
    const kp_style_t *style = box->style;
    bool auto_size =
        flex->column ? style->width.keyword == KP_KW_AUTO : style->height.keyword == KP_KW_AUTO;
    int before = flex->column ? LEFT : TOP, after = flex->column ? RIGHT : BOTTOM;
    return alignment(flex, box) == KP_KW_STRETCH && auto_size &&
           style->margin[before].keyword != KP_KW_AUTO &&
           style->margin[after].keyword != KP_KW_AUTO && box->kind != KP_BOX_REPLACED;
}

/* Width of a column's item: stretched or shrunk. */
static kp_lu_t column_width(const flex_t *flex, kp_box_t *box)
{
    kp_lu_t room = flex->width - box->margin[LEFT] - box->margin[RIGHT];
    if (box->kind == KP_BOX_REPLACED) {
        kp_replaced_size(flex->layout, box, flex->width, flex->height);
        return box->width;
    }
    if (stretches(flex, box) && box->kind != KP_BOX_TABLE)
        return kp_box_clamp_width(flex->layout, box, kp_lu_larger(room, kp_box_edges_x(box)),
                                  flex->width);
    return kp_box_shrink_width(flex->layout, box, flex->width, room);
}

/* Flex base size and limits of the main size (sections 9.2 and 4.5). */
static void measure_item(flex_t *flex, item_t *item)
{
    kp_layout_t *layout = flex->layout;
    kp_box_t *box = item->box;
    const kp_style_t *style = box->style;
    kp_box_edges(box, flex->width);
    int before = flex->column ? TOP : LEFT, after = flex->column ? BOTTOM : RIGHT;
    item->margin_main = box->margin[before] + box->margin[after];
    item->margin_cross = flex->column ? box->margin[LEFT] + box->margin[RIGHT]
                                      : box->margin[TOP] + box->margin[BOTTOM];
    item->auto_before = style->margin[before].keyword == KP_KW_AUTO;
    item->auto_after = style->margin[after].keyword == KP_KW_AUTO;
    kp_lu_t main_space = flex->column ? flex->height : flex->width;
    kp_lu_t edges = flex->column ? kp_box_edges_y(box) : kp_box_edges_x(box);
    kp_lu_t specified = KP_INDEFINITE;
    const kp_length_t *basis = &style->flex_basis;
    if (!basis->keyword && !(basis->percent != 0 && main_space < 0)) {
        specified = kp_lu_larger(kp_length_resolve(basis, kp_lu_larger(main_space, 0)), 0);
        specified = style->box_sizing == KP_KW_BORDER_BOX ? kp_lu_larger(specified, edges)
                                                          : specified + edges;
    } else if (basis->keyword == KP_KW_AUTO) {
        specified = flex->column ? kp_box_specified_height(box, flex->height)
                                 : kp_box_specified_width(layout, box, flex->width);
    }
    kp_lu_t own = flex->column ? kp_box_specified_height(box, flex->height)
                               : kp_box_specified_width(layout, box, flex->width);
    kp_lu_t content, minimum;
    if (flex->column) {
        box->width = column_width(flex, box);
        if (specified == KP_INDEFINITE || style->min_height.keyword == KP_KW_AUTO) {
            kp_box_layout_alone(layout, box, flex->width, KP_INDEFINITE, KP_INDEFINITE);
            content = box->height;
        } else {
            content = specified;
        }
        minimum = content;
    } else if (box->kind == KP_BOX_REPLACED) {
        kp_replaced_size(layout, box, flex->width, flex->height);
        content = minimum = box->width;
    } else {
        kp_box_intrinsic(layout, box);
        content = box->max_content;
        minimum = box->min_content;
    }
    item->base = specified == KP_INDEFINITE ? content : specified;
    bool clips = style->overflow[0] != KP_KW_VISIBLE && style->overflow[0] != KP_KW_CLIP;
    const kp_length_t *least = flex->column ? &style->min_height : &style->min_width;
    item->low = edges;
    if (least->keyword == KP_KW_AUTO && !clips)
        item->low = own != KP_INDEFINITE ? kp_lu_smaller(own, minimum) : minimum;
    if (flex->column) {
        item->low = kp_box_clamp_height(box, item->low, flex->height);
        item->high = kp_box_clamp_height(box, KP_LU_MAX, flex->height);
    } else {
        item->low = kp_box_clamp_width(layout, box, item->low, flex->width);
        item->high = kp_box_clamp_width(layout, box, KP_LU_MAX, flex->width);
    }
}

static kp_lu_t clamp(kp_lu_t value, const item_t *item)
{
    return kp_lu_larger(kp_lu_smaller(value, item->high), item->low);
}

/* What an item would like of the free space, its limits left aside. factors: the sum of flex-grow, 0: it
   shrinks; scaled: the sum of flex-shrink times base. */
static kp_lu_t wanted_main(const item_t *item, double room, double factors, double scaled)
{
    const kp_style_t *style = item->box->style;
    double share = factors > 0  ? style->flex_grow / factors
                   : scaled > 0 ? (double)style->flex_shrink * item->base / scaled
                                : 0;
    return item->base + (kp_lu_t)(room * share);
}

/* Resolving flexible lengths (section 9.7). */
static void flex_line(flex_t *flex, item_t *items, size_t count, kp_lu_t space)
{
    int64_t hypothetical = 0;
    for (size_t i = 0; i < count; i++) {
        items[i].main = clamp(items[i].base, &items[i]);
        hypothetical += items[i].main + items[i].margin_main;
        items[i].frozen = false;
    }
    hypothetical += (int64_t)flex->gap_main * (int64_t)(count - 1);
    if (space < 0)
        return; /* nothing definite to fill */
    bool growing = hypothetical < space;
    for (size_t i = 0; i < count; i++) {
        const kp_style_t *style = items[i].box->style;
        float factor = growing ? style->flex_grow : style->flex_shrink;
        if (factor == 0 ||
            (growing ? items[i].base > items[i].main : items[i].base < items[i].main))
            items[i].frozen = true;
    }
    for (size_t round = 0; round <= count; round++) {
        int64_t used = (int64_t)flex->gap_main * (int64_t)(count - 1);
        double factors = 0, scaled = 0;
        for (size_t i = 0; i < count; i++) {
            const kp_style_t *style = items[i].box->style;
            used += (items[i].frozen ? items[i].main : items[i].base) + items[i].margin_main;
            if (items[i].frozen)
                continue;
            factors += growing ? style->flex_grow : style->flex_shrink;
            scaled += (double)style->flex_shrink * items[i].base;
        }
        double room = (double)(space - used);
        if (factors == 0)
            return;
        if (factors < 1)
            room *= factors;
        int64_t violation = 0;
        for (size_t i = 0; i < count; i++) {
            if (items[i].frozen)
                continue;
            kp_lu_t wanted = wanted_main(&items[i], room, growing ? factors : 0, scaled);
            items[i].main = clamp(wanted, &items[i]);
            violation += items[i].main - wanted;
        }
        bool any = false;
        for (size_t i = 0; i < count; i++) {
            if (items[i].frozen)
                continue;
            kp_lu_t wanted = wanted_main(&items[i], room, growing ? factors : 0, scaled);
            bool fix =
                violation == 0 || (violation > 0 ? items[i].main > wanted : items[i].main < wanted);
            items[i].frozen = fix;
            any = any || fix;
        }
        if (!any || violation == 0)
            return;
    }
}

static bool has_percent_child(const kp_box_t *box)
{
    for (const kp_box_t *child = box->first_child; child; child = child->next) {
        if (child->style->height.percent != 0 || child->style->min_height.percent != 0)
            return true;
    }
    return false;
}

/* Sets a height that alignment or flexing gave; lays out again where the inside depends on it. */
static void force_height(flex_t *flex, kp_box_t *box, kp_lu_t height)
{
    if (box->height == height)
        return;
    bool depends = box->kind == KP_BOX_FLEX || has_percent_child(box);
    if (depends && flex->layout->flex_depth < RELAYOUT_DEPTH_MAX)
        kp_box_layout_alone(flex->layout, box, flex->width, flex->height, height);
    box->height = height;
}

/* Start offset and gap between of justify-content. */
static void justify(const flex_t *flex, kp_lu_t room, size_t count, kp_lu_t *start,
                    kp_lu_t *between)
{
    uint16_t how = flex->box->style->justify_content;
    *start = *between = 0;
    if (room < 0 &&
        (how == KP_KW_SPACE_BETWEEN || how == KP_KW_SPACE_AROUND || how == KP_KW_SPACE_EVENLY))
        return;
    switch (how) {
    case KP_KW_FLEX_END:
    case KP_KW_END:
    case KP_KW_RIGHT:
        *start = room;
        break;
    case KP_KW_CENTER:
        *start = room / 2;
        break;
    case KP_KW_SPACE_BETWEEN:
        *between = count > 1 ? room / (kp_lu_t)(count - 1) : 0;
        break;
    case KP_KW_SPACE_AROUND:
        *between = room / (kp_lu_t)count;
        *start = *between / 2;
        break;
    case KP_KW_SPACE_EVENLY:
        *between = room / (kp_lu_t)(count + 1);
        *start = *between;
        break;
    default:
        break;
    }
}

static kp_lu_t ascent_of(const item_t *item)
{
    const kp_box_t *box = item->box;
    kp_lu_t baseline = box->first_baseline == KP_LU_NONE ? box->height : box->first_baseline;
    return box->margin[TOP] + baseline;
}

/* Lays out the items of one line at their main size; returns the line's cross size. */
static kp_lu_t size_line(flex_t *flex, item_t *items, size_t count)
{
    kp_lu_t cross = 0, above = 0, below = 0;
    for (size_t i = 0; i < count; i++) {
        kp_box_t *box = items[i].box;
        if (flex->column) {
            box->width = column_width(flex, box);
            kp_box_layout_alone(flex->layout, box, flex->width, flex->height, KP_INDEFINITE);
            force_height(flex, box, items[i].main);
            items[i].cross = box->width;
        } else {
            box->width = items[i].main;
            kp_lu_t forced = KP_INDEFINITE;
            if (box->kind == KP_BOX_REPLACED) {
                kp_replaced_size(flex->layout, box, flex->width, flex->height);
                bool flexed = box->width != items[i].main;
                forced = box->height;
                if (flexed && box->natural_width > 0 && box->style->height.keyword == KP_KW_AUTO)
                    forced =
                        (kp_lu_t)((double)items[i].main * box->natural_height / box->natural_width);
                box->width = items[i].main;
            }
            kp_box_layout_alone(flex->layout, box, flex->width, flex->height, forced);
            items[i].cross = box->height;
            if (alignment(flex, box) == KP_KW_BASELINE) {
                kp_lu_t ascent = ascent_of(&items[i]);
                above = kp_lu_larger(above, ascent);
                below = kp_lu_larger(below, items[i].cross + items[i].margin_cross - ascent);
            }
        }
        cross = kp_lu_larger(cross, items[i].cross + items[i].margin_cross);
    }
    return kp_lu_larger(cross, above + below);
}

static void place_line(flex_t *flex, item_t *items, size_t count, kp_lu_t space, kp_lu_t cross_at,
                       kp_lu_t cross)
{
    kp_box_t *box = flex->box;
    kp_lu_t left = box->border[LEFT] + box->padding[LEFT];
    kp_lu_t top = box->border[TOP] + box->padding[TOP];
    kp_lu_t used = kp_lu_times(flex->gap_main, (int64_t)count - 1), above = 0, start, between;
    size_t autos = 0;
    for (size_t i = 0; i < count; i++) {
        used = kp_lu_add(used, kp_lu_add(items[i].main, items[i].margin_main));
        autos += (size_t)(items[i].auto_before + items[i].auto_after);
        if (!flex->column && alignment(flex, items[i].box) == KP_KW_BASELINE)
            above = kp_lu_larger(above, ascent_of(&items[i]));
    }
    kp_lu_t room = space < 0 ? 0 : space - used;
    kp_lu_t share = autos && room > 0 ? room / (kp_lu_t)autos : 0;
    justify(flex, autos && room > 0 ? 0 : room, count, &start, &between);
    kp_lu_t at = start;
    for (size_t i = 0; i < count; i++) {
        item_t *item = &items[i];
        kp_box_t *child = item->box;
        int before = flex->column ? TOP : LEFT;
        at += item->auto_before ? share : 0;
        kp_lu_t main_at = at + child->margin[before];
        at = kp_lu_add(at, kp_lu_add(item->main, item->margin_main));
        at = kp_lu_add(at, kp_lu_add(flex->gap_main, between));
        at = kp_lu_add(at, item->auto_after ? share : 0);
        if (flex->reverse && space >= 0)
            main_at = space - main_at - item->main;
        kp_lu_t slack = cross - item->cross - item->margin_cross;
        int cross_before = flex->column ? LEFT : TOP, cross_after = flex->column ? RIGHT : BOTTOM;
        bool auto_first = child->style->margin[cross_before].keyword == KP_KW_AUTO;
        bool auto_last = child->style->margin[cross_after].keyword == KP_KW_AUTO;
        kp_lu_t shift = child->margin[cross_before];
        uint16_t align = alignment(flex, child);
        if (auto_first || auto_last) {
            if (slack > 0)
                shift += auto_first ? (auto_last ? slack / 2 : slack) : 0;
        } else if (stretches(flex, child)) {
            if (!flex->column) {
                kp_lu_t height = kp_box_clamp_height(
                    child, kp_lu_larger(cross - item->margin_cross, 0), flex->height);
                force_height(flex, child, height);
            }
        } else if (align == KP_KW_CENTER) {
            shift += slack / 2;
        } else if (align == KP_KW_FLEX_END || align == KP_KW_END || align == KP_KW_SELF_END) {
            shift += slack;
        } else if (align == KP_KW_BASELINE && !flex->column) {
            shift += above - ascent_of(item);
        }
        child->container = box;
        child->x = left + (flex->column ? cross_at + shift : main_at);
        child->y = top + (flex->column ? main_at : cross_at + shift);
    }
}

static size_t line_length(const flex_t *flex, size_t first, kp_lu_t space)
{
    kp_lu_t used = 0;
    size_t count = 0;
    for (size_t i = first; i < flex->count; i++, count++) {
        kp_lu_t need = clamp(flex->items[i].base, &flex->items[i]) + flex->items[i].margin_main +
                       (count ? flex->gap_main : 0);
        if (flex->wraps && space >= 0 && count && used + need > space)
            break;
        used = kp_lu_add(used, need);
    }
    return count;
}

static void layout_lines(flex_t *flex, kp_lu_t *content_height)
{
    kp_lu_t space = flex->column ? flex->height : flex->width;
    kp_lu_t cross_room = flex->column ? flex->width : flex->height;
    kp_lu_t at = 0, longest = 0;
    for (size_t first = 0; first < flex->count && flex->layout->status == KP_OK;) {
        size_t count = line_length(flex, first, space);
        item_t *items = flex->items + first;
        flex_line(flex, items, count, space);
        kp_lu_t cross = size_line(flex, items, count);
        /* A single line is as large as the container. DEVIATION: several lines do not stretch. */
        if (count == flex->count && cross_room >= 0)
            cross = flex->wraps ? kp_lu_larger(cross, cross_room) : cross_room;
        kp_lu_t line_space = space;
        if (flex->column && space < 0) {
            line_space = kp_lu_times(flex->gap_main, (int64_t)count - 1);
            for (size_t i = 0; i < count; i++)
                line_space = kp_lu_add(line_space, kp_lu_add(items[i].main, items[i].margin_main));
        }
        place_line(flex, items, count, line_space, at, cross);
        longest = kp_lu_larger(longest, line_space);
        at = kp_lu_add(at, cross);
        first += count;
        if (first < flex->count)
            at = kp_lu_add(at, flex->gap_cross);
    }
    *content_height = flex->column ? longest : at;
}

void kp_flex_layout(kp_layout_t *layout, kp_box_t *box, kp_lu_t base_height, kp_lu_t forced_height)
{
    kp_lu_t edges = kp_box_edges_y(box), content = 0;
    kp_lu_t height =
        forced_height != KP_INDEFINITE ? forced_height : kp_box_specified_height(box, base_height);
    flex_t flex = {.layout = layout,
                   .box = box,
                   .column = is_column(box),
                   .wraps = box->style->flex_wrap != KP_KW_NOWRAP,
                   .width = kp_lu_larger(box->width - kp_box_edges_x(box), 0),
                   .height = height == KP_INDEFINITE ? KP_INDEFINITE : height - edges};
    flex.reverse = box->style->flex_direction == KP_KW_ROW_REVERSE ||
                   box->style->flex_direction == KP_KW_COLUMN_REVERSE;
    flex.gap_main =
        gap_of(&box->style->gap[flex.column ? 0 : 1], flex.column ? flex.height : flex.width);
    flex.gap_cross =
        gap_of(&box->style->gap[flex.column ? 1 : 0], flex.column ? flex.width : flex.height);
    size_t total = 0;
    for (kp_box_t *child = box->first_child; child; child = child->next) {
        if (is_item(child))
            total++;
        else
            kp_box_wait_out_of_flow(layout, child, box, box->border[LEFT] + box->padding[LEFT],
                                    box->border[TOP] + box->padding[TOP]);
    }
    flex.items = total ? calloc(total, sizeof *flex.items) : NULL;
    if (total && !flex.items)
        kp_layout_fail(layout, KP_ERR_NO_MEMORY);
    layout->flex_depth++;
    if (flex.items) {
        for (kp_box_t *child = box->first_child; child; child = child->next) {
            if (!is_item(child))
                continue;
            item_t *item = &flex.items[flex.count];
            *item = (item_t){.box = child, .index = (uint32_t)flex.count++};
            measure_item(&flex, item);
        }
        qsort(flex.items, flex.count, sizeof *flex.items, by_order);
        if (flex.column && flex.height == KP_INDEFINITE && !box->style->min_height.keyword) {
            /* A minimum height is definite for flexing when the content is lower. */
            kp_lu_t least = kp_box_clamp_height(box, 0, base_height) - edges, sum = 0;
            for (size_t i = 0; i < flex.count; i++)
                sum += clamp(flex.items[i].base, &flex.items[i]) + flex.items[i].margin_main;
            if (least > sum)
                flex.height = least;
        }
        layout_lines(&flex, &content);
        for (size_t i = 0; i < flex.count && box->first_baseline == KP_LU_NONE; i++) {
            const kp_box_t *first = flex.items[i].box;
            if (first->first_baseline != KP_LU_NONE)
                box->first_baseline = box->last_baseline = first->y + first->first_baseline;
        }
    }
    layout->flex_depth--;
    free(flex.items);
    box->height = height == KP_INDEFINITE ? content + edges : height;
    if (forced_height == KP_INDEFINITE)
        box->height = kp_box_clamp_height(box, box->height, base_height);
}
