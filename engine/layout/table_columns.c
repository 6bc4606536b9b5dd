/* Column widths (CSS Tables 3, section 4): minimum, maximum, specified and percentage widths of the
   columns, and their distribution. */
#include "engine/layout/table.h"

static void specified_width(kp_layout_t *layout, const kp_style_t *style, kp_box_t *box,
                            kp_lu_t *fixed, float *percent)
{
    *fixed = KP_INDEFINITE;
    *percent = 0;
    if (style->width.keyword)
        return;
    if (style->width.percent > 0)
        *percent = style->width.percent;
    else if (style->width.px > 0 || box->cell)
        *fixed = box->cell ? kp_box_specified_width(layout, box, 0) : kp_lu(style->width.px);
}

/* <col> and <colgroup> give widths and spans to columns. */
static uint32_t apply_columns(kp_layout_t *layout, kp_box_t *parent, kp_table_t *table, uint32_t at)
{
    for (kp_box_t *box = parent->first_child; box; box = box->next) {
        if (box->kind != KP_BOX_COLUMN)
            continue;
        if (box->first_child) {
            at = apply_columns(layout, box, table, at);
            continue;
        }
        kp_lu_t fixed;
        float percent;
        specified_width(layout, box->style, box, &fixed, &percent);
        for (uint32_t i = 0; i < box->column_span && at < table->column_count; i++, at++) {
            kp_table_column_t *column = &table->columns[at];
            if (percent > column->percent)
                column->percent = percent;
            if (fixed != KP_INDEFINITE) {
                column->fixed = true;
                column->high = kp_lu_larger(column->high, fixed);
                column->low = kp_lu_larger(column->low, fixed);
            }
        }
    }
    return at;
}

/* A spanning cell asks its columns for more when they are together too narrow. */
static void spread(kp_table_t *table, const kp_table_cell_t *cell)
{
    kp_table_column_t *first = &table->columns[cell->column];
    kp_lu_t spacing = kp_lu_times(table->spacing_x, cell->columns - 1);
    int64_t low = 0, high = 0;
    uint32_t plain = 0;
    float percent = 0;
    for (uint32_t i = 0; i < cell->columns; i++) {
        low += first[i].low;
        high += first[i].high;
        percent += first[i].percent;
        plain += first[i].percent <= 0;
    }
    if (cell->percent > percent && plain) {
        for (uint32_t i = 0; i < cell->columns; i++) {
            if (first[i].percent <= 0)
                first[i].percent = (cell->percent - percent) / (float)plain;
        }
    }
    kp_lu_t want_low = cell->low - spacing, want_high = cell->high - spacing;
    for (uint32_t i = 0; i < cell->columns; i++) {
        double share = high > 0 ? (double)first[i].high / (double)high : 1.0 / cell->columns;
        if (want_low > low)
            first[i].low += (kp_lu_t)((double)(want_low - low) * share);
        if (want_high > high)
            first[i].high += (kp_lu_t)((double)(want_high - high) * share);
        first[i].high = kp_lu_larger(first[i].high, first[i].low);
    }
}

void kp_table_measure_columns(kp_layout_t *layout, kp_box_t *box, kp_table_t *table)
{
    if (table->columns_measured)
        return;
    table->columns_measured = true;
    apply_columns(layout, box, table, 0);
    for (uint32_t i = 0; i < table->cell_count && layout->status == KP_OK; i++) {
        kp_table_cell_t *cell = &table->cells[i];
        kp_box_edges(cell->box, 0);
        kp_box_intrinsic(layout, cell->box);
        cell->low = cell->box->min_content;
        cell->high = cell->box->max_content;
        specified_width(layout, cell->box->style, cell->box, &cell->fixed, &cell->percent);
        const kp_style_t *style = cell->box->style;
        if (!style->min_width.keyword && style->min_width.percent == 0)
            cell->low = kp_lu_larger(cell->low, kp_lu(style->min_width.px));
        if (!style->max_width.keyword && style->max_width.percent == 0)
            cell->high =
                kp_lu_smaller(cell->high, kp_lu(style->max_width.px) + kp_box_edges_x(cell->box));
        if (cell->fixed != KP_INDEFINITE)
            cell->high = kp_lu_larger(cell->fixed, cell->low);
        cell->high = kp_lu_larger(cell->high, cell->low);
        if (cell->columns > 1)
            continue;
        kp_table_column_t *column = &table->columns[cell->column];
        column->low = kp_lu_larger(column->low, cell->low);
        if (cell->fixed != KP_INDEFINITE && !column->fixed) {
            column->fixed = true;
            column->high = cell->high;
        } else if (column->fixed) {
            if (cell->fixed != KP_INDEFINITE)
                column->high = kp_lu_larger(column->high, cell->high);
        } else {
            column->high = kp_lu_larger(column->high, cell->high);
        }
        column->high = kp_lu_larger(column->high, column->low);
        if (cell->percent > column->percent)
            column->percent = cell->percent;
    }
    for (uint32_t i = 0; i < table->cell_count; i++) {
        if (table->cells[i].columns > 1)
            spread(table, &table->cells[i]);
    }
    float total = 0;
    for (uint32_t i = 0; i < table->column_count; i++) {
        kp_table_column_t *column = &table->columns[i];
        if (total + column->percent > 100)
            column->percent = 100 - total;
        total += column->percent;
    }
}

void kp_table_intrinsic(kp_layout_t *layout, kp_box_t *box)
{
    kp_table_t *table = kp_table_grid(layout, box);
    if (!table)
        return;
    kp_table_measure_columns(layout, box, table);
    int64_t low = 0, high = 0;
    double by_percent = 0, plain = 0, percent = 0;
    for (uint32_t i = 0; i < table->column_count; i++) {
        const kp_table_column_t *column = &table->columns[i];
        low += column->low;
        high += column->high;
        if (column->percent > 0) {
            double whole = column->high * 100.0 / column->percent;
            by_percent = whole > by_percent ? whole : by_percent;
            percent += column->percent;
        } else {
            plain += column->high;
        }
    }
    if (percent > 0 && percent < 100 && plain * 100 / (100 - percent) > by_percent)
        by_percent = plain * 100 / (100 - percent);
    else if (percent >= 100 && plain > 0)
        by_percent = KP_LU_MAX;
    if (by_percent > (double)high)
        high = by_percent < KP_LU_MAX ? (int64_t)by_percent : KP_LU_MAX;
    kp_lu_t spacing =
        table->column_count ? kp_lu_times(table->spacing_x, table->column_count + 1) : 0;
    kp_lu_t edges = kp_box_edges_x(box) + spacing;
    low = low > KP_LU_GIVEN_MAX ? KP_LU_GIVEN_MAX : low;
    high = high > KP_LU_GIVEN_MAX ? KP_LU_GIVEN_MAX : high;
    box->min_content = (kp_lu_t)low + edges;
    box->max_content = kp_lu_larger((kp_lu_t)high, (kp_lu_t)low) + edges;
    for (kp_box_t *child = box->first_child; child; child = child->next) {
        kp_lu_t child_low, child_high;
        if (!child->caption)
            continue;
        kp_box_contribution(layout, child, &child_low, &child_high);
        box->min_content = kp_lu_larger(box->min_content, child_low);
        box->max_content = kp_lu_larger(box->max_content, child_low);
    }
}

/* The four sizing guesses of the specification for one column. */
static kp_lu_t guess(const kp_table_column_t *column, int which, kp_lu_t available)
{
    kp_lu_t share = (kp_lu_t)((double)available * column->percent / 100);
    if (which == 0)
        return column->low;
    if (column->percent > 0)
        return kp_lu_larger(share, column->low);
    if (which == 1)
        return column->low;
    if (which == 2)
        return column->fixed ? column->high : column->low;
    return column->high;
}

/* What is left when every column has its maximum: to columns without a width, in proportion to
   their maximum; else to those with one; else to percentages. */
static void distribute_excess(kp_table_t *table, kp_lu_t excess)
{
    for (int kind = 0; kind < 3; kind++) {
        double total = 0;
        uint32_t count = 0;
        for (int round = 0; round < 2; round++) {
            kp_lu_t given = 0;
            uint32_t last = 0;
            for (uint32_t i = 0; i < table->column_count; i++) {
                kp_table_column_t *column = &table->columns[i];
                int is = column->percent > 0 ? 2 : column->fixed ? 1 : 0;
                if (is != kind)
                    continue;
                double weight = kind == 2 ? column->percent : column->high;
                if (round == 0) {
                    total += weight;
                    count++;
                    continue;
                }
                kp_lu_t share =
                    total > 0 ? (kp_lu_t)(excess * (weight / total)) : excess / (kp_lu_t)count;
                column->width += share;
                given += share;
                last = i;
            }
            if (round == 0 && !count)
                break;
            if (round == 1) {
                table->columns[last].width += excess - given;
                return;
            }
        }
    }
}

static void distribute_fixed(kp_table_t *table, kp_lu_t available)
{
    /* table-layout: fixed: the first row and <col> decide. */
    kp_lu_t used = 0;
    uint32_t open = 0;
    for (uint32_t i = 0; i < table->column_count; i++) {
        kp_table_column_t *column = &table->columns[i];
        column->width = KP_INDEFINITE;
        if (column->percent > 0)
            column->width = (kp_lu_t)((double)available * column->percent / 100);
    }
    for (uint32_t i = 0; i < table->cell_count && table->cells[i].row == 0; i++) {
        const kp_table_cell_t *cell = &table->cells[i];
        for (uint32_t c = cell->column; c < cell->column + cell->columns; c++) {
            if (cell->fixed != KP_INDEFINITE && table->columns[c].width == KP_INDEFINITE)
                table->columns[c].width = cell->fixed / (kp_lu_t)cell->columns;
        }
    }
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (table->columns[i].width == KP_INDEFINITE)
            open++;
        else
            used = kp_lu_add(used, table->columns[i].width);
    }
    kp_lu_t room = kp_lu_larger(available - used, 0);
    for (uint32_t i = 0; i < table->column_count; i++) {
        if (open && table->columns[i].width == KP_INDEFINITE)
            table->columns[i].width = room / (kp_lu_t)open;
        else if (!open && used > 0 && room > 0)
            table->columns[i].width += (kp_lu_t)((double)room * table->columns[i].width / used);
    }
}

void kp_table_distribute(kp_table_t *table, const kp_box_t *box, kp_lu_t available)
{
    if (!table->column_count)
        return;
    if (box->style->table_layout == KP_KW_FIXED && !box->style->width.keyword) {
        distribute_fixed(table, available);
        return;
    }
    int64_t sum[4] = {0};
    for (uint32_t i = 0; i < table->column_count; i++) {
        for (int g = 0; g < 4; g++)
            sum[g] += guess(&table->columns[i], g, available);
    }
    int step = 0;
    while (step < 3 && available > sum[step + 1])
        step++;
    /* Between two guesses: the columns that grow, grow by the same share. */
    bool beyond = available >= sum[3];
    double ratio = 0;
    if (!beyond && available > sum[step] && sum[step + 1] > sum[step])
        ratio = (double)(available - sum[step]) / (double)(sum[step + 1] - sum[step]);
    for (uint32_t i = 0; i < table->column_count; i++) {
        kp_table_column_t *column = &table->columns[i];
        kp_lu_t low = guess(column, beyond ? 3 : step, available);
        kp_lu_t high = beyond || step == 3 ? low : guess(column, step + 1, available);
        column->width = low + (kp_lu_t)((high - low) * ratio);
    }
    if (beyond && available > sum[3])
        distribute_excess(table, (kp_lu_t)(available - sum[3]));
}
