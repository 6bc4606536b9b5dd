/* Table layout: rows, cells, vertical alignment, captions (CSS 2.2, section 17.5). */
#include "engine/layout/table.h"

/* Moves what is inside a box down: vertical-align of cells. */
static void shift_contents(kp_box_t *box, kp_lu_t by)
{
    if (by == 0)
        return;
    if (box->first_baseline != KP_LU_NONE) {
        box->first_baseline += by;
        box->last_baseline += by;
    }
    kp_inline_content_t *content = box->children_inline ? box->lines : NULL;
    for (uint32_t i = 0; content && i < content->line_count; i++) {
        content->lines[i].y += by;
        content->lines[i].baseline += by;
    }
    for (uint32_t i = 0; content && i < content->fragment_count; i++) {
        content->fragments[i].y += by;
        content->fragments[i].baseline += by;
    }
    kp_box_t *child = box->first_child;
    while (child) {
        if (child->container == box) {
            if (child->out_of_flow)
                child->static_y += by;
            else
                child->y += by;
        }
        if (child->kind == KP_BOX_INLINE && child->first_child) {
            child = child->first_child;
            continue;
        }
        while (child && !child->next)
            child = child->parent == box ? NULL : child->parent;
        child = child ? child->next : NULL;
    }
}

static kp_lu_t span_width(const kp_table_t *table, const kp_table_cell_t *cell)
{
    kp_lu_t width = kp_lu_times(table->spacing_x, cell->columns - 1);
    for (uint32_t i = 0; i < cell->columns; i++)
        width = kp_lu_add(width, table->columns[cell->column + i].width);
    return width;
}

static kp_lu_t span_height(const kp_table_t *table, const kp_table_cell_t *cell)
{
    kp_lu_t height = kp_lu_times(table->spacing_y, cell->rows - 1);
    for (uint32_t i = 0; i < cell->rows; i++)
        height = kp_lu_add(height, table->rows[cell->row + i].height);
    return height;
}

static bool aligns_baseline(const kp_box_t *cell)
{
    uint16_t align = cell->style->vertical_align.keyword;
    return align != KP_KW_TOP && align != KP_KW_MIDDLE && align != KP_KW_BOTTOM;
}

static void layout_cell(kp_layout_t *layout, const kp_table_t *table, const kp_table_cell_t *cell)
{
    kp_box_t *box = cell->box;
    kp_lu_t width = span_width(table, cell);
    kp_box_edges(box, width);
    for (int side = 0; side < 4; side++)
        box->margin[side] = 0;
    box->width = kp_lu_larger(width, kp_box_edges_x(box));
    kp_box_layout_alone(layout, box, width, KP_INDEFINITE, KP_INDEFINITE);
}

static void row_heights(kp_layout_t *layout, kp_table_t *table)
{
    for (uint32_t r = 0; r < table->row_count && layout->status == KP_OK; r++) {
        kp_table_row_t *row = &table->rows[r];
        kp_lu_t above = 0, below = 0, height = 0;
        bool any_baseline = false;
        kp_box_edges(row->box, 0);
        for (uint32_t i = 0; i < row->cell_count; i++) {
            const kp_table_cell_t *cell = &table->cells[row->first_cell + i];
            kp_box_t *box = cell->box;
            layout_cell(layout, table, cell);
            if (aligns_baseline(box)) {
                kp_lu_t baseline = box->first_baseline != KP_LU_NONE
                                       ? box->first_baseline
                                       : box->height - box->border[BOTTOM] - box->padding[BOTTOM];
                any_baseline = true;
                above = kp_lu_larger(above, baseline);
                if (cell->rows == 1)
                    below = kp_lu_larger(below, box->height - baseline);
            } else if (cell->rows == 1) {
                height = kp_lu_larger(height, box->height);
            }
        }
        const kp_length_t *specified = &row->box->style->height;
        if (!specified->keyword && specified->percent == 0)
            height = kp_lu_larger(height, kp_lu(specified->px));
        row->baseline = any_baseline ? above : KP_LU_NONE;
        row->height = kp_lu_larger(height, above + below);
    }
    /* A cell over several rows that needs more makes the last of them higher. */
    for (uint32_t i = 0; i < table->cell_count; i++) {
        const kp_table_cell_t *cell = &table->cells[i];
        kp_lu_t have = cell->rows > 1 ? span_height(table, cell) : 0;
        if (cell->rows > 1 && cell->box->height > have)
            table->rows[cell->row + cell->rows - 1].height =
                kp_lu_add(table->rows[cell->row + cell->rows - 1].height, cell->box->height - have);
    }
}

static void place_cell(kp_table_t *table, const kp_table_cell_t *cell)
{
    kp_box_t *box = cell->box;
    const kp_table_row_t *row = &table->rows[cell->row];
    kp_lu_t height = span_height(table, cell), slack = height - box->height, shift = 0;
    uint16_t align = box->style->vertical_align.keyword;
    if (align == KP_KW_MIDDLE)
        shift = slack / 2;
    else if (align == KP_KW_BOTTOM)
        shift = slack;
    else if (align != KP_KW_TOP && row->baseline != KP_LU_NONE && box->first_baseline != KP_LU_NONE)
        shift = row->baseline - box->first_baseline;
    box->height = height;
    shift_contents(box, kp_lu_larger(shift, 0));
    box->container = row->box;
    box->x = table->columns[cell->column].x - row->box->x;
    box->y = 0;
}

/* Captions above or below the grid; returns their height. */
static kp_lu_t place_captions(kp_layout_t *layout, kp_box_t *box, bool bottom, kp_lu_t y)
{
    kp_lu_t start = y;
    for (kp_box_t *child = box->first_child; child; child = child->next) {
        if (!child->caption || (child->style->caption_side == KP_KW_BOTTOM) != bottom)
            continue;
        kp_box_edges(child, box->width);
        kp_lu_t room = box->width - child->margin[LEFT] - child->margin[RIGHT];
        kp_lu_t width = kp_box_specified_width(layout, child, box->width);
        child->width =
            kp_box_clamp_width(layout, child, width == KP_INDEFINITE ? room : width, box->width);
        kp_box_layout_alone(layout, child, box->width, KP_INDEFINITE, KP_INDEFINITE);
        child->container = box;
        child->x = child->margin[LEFT];
        child->y = y + child->margin[TOP];
        y = kp_lu_add(y, child->margin[TOP] + child->margin[BOTTOM]);
        y = kp_lu_add(y, child->height);
    }
    return y - start;
}

/* Rows share what a specified height leaves over. */
static void stretch_rows(kp_table_t *table, kp_lu_t extra)
{
    int64_t total = 0;
    kp_lu_t given = 0;
    for (uint32_t r = 0; r < table->row_count; r++)
        total += table->rows[r].height;
    for (uint32_t r = 0; r < table->row_count; r++) {
        kp_table_row_t *row = &table->rows[r];
        kp_lu_t share = total > 0 ? (kp_lu_t)((int64_t)extra * row->height / total)
                                  : extra / (kp_lu_t)table->row_count;
        if (r + 1 == table->row_count)
            share = extra - given;
        row->height += share;
        given += share;
    }
}

static void place_rows(kp_box_t *box, kp_table_t *table, kp_lu_t left, kp_lu_t top, kp_lu_t width)
{
    kp_lu_t y = top;
    for (uint32_t r = 0; r < table->row_count; r++) {
        kp_table_row_t *row = &table->rows[r];
        y = kp_lu_add(y, table->spacing_y);
        row->y = y;
        row->box->x = left;
        row->box->y = y;
        row->box->width = width;
        row->box->height = row->height;
        row->box->container = box;
        if (row->group) {
            bool first = r == 0 || table->rows[r - 1].group != row->group;
            kp_box_t *group = row->group;
            if (first) {
                group->container = box;
                group->x = left;
                group->y = y;
                group->width = width;
            }
            group->height = y + row->height - group->y;
            row->box->container = group;
            row->box->x = 0;
            row->box->y = y - group->y;
        }
        if (row->baseline != KP_LU_NONE && box->first_baseline == KP_LU_NONE)
            box->first_baseline = box->last_baseline = y + row->baseline;
        y = kp_lu_add(y, row->height);
    }
}

void kp_table_layout(kp_layout_t *layout, kp_box_t *box, kp_lu_t base_height)
{
    kp_table_t *table = kp_table_grid(layout, box);
    if (!table)
        return;
    kp_table_measure_columns(layout, box, table);
    kp_lu_t left = box->border[LEFT] + box->padding[LEFT];
    kp_lu_t inner = box->width - kp_box_edges_x(box);
    kp_lu_t spacing =
        table->column_count ? kp_lu_times(table->spacing_x, table->column_count + 1) : 0;
    kp_table_distribute(table, box, kp_lu_larger(inner - spacing, 0));
    kp_lu_t x = table->spacing_x;
    for (uint32_t i = 0; i < table->column_count; i++) {
        table->columns[i].x = left + x;
        x = kp_lu_add(x, kp_lu_add(table->columns[i].width, table->spacing_x));
    }
    row_heights(layout, table);
    kp_lu_t caption = place_captions(layout, box, false, 0);
    kp_lu_t top = caption + box->border[TOP] + box->padding[TOP];
    kp_lu_t grid = table->row_count ? table->spacing_y : 0;
    for (uint32_t r = 0; r < table->row_count; r++)
        grid = kp_lu_add(grid, kp_lu_add(table->rows[r].height, table->spacing_y));
    kp_lu_t height = kp_box_specified_height(box, base_height);
    kp_lu_t edges = kp_box_edges_y(box);
    if (height != KP_INDEFINITE && height - edges > grid && table->row_count) {
        stretch_rows(table, height - edges - grid);
        grid = height - edges;
    } else if (height != KP_INDEFINITE) {
        grid = kp_lu_larger(grid, height - edges);
    }
    place_rows(box, table, left + table->spacing_x, top,
               kp_lu_larger(inner - 2 * table->spacing_x, 0));
    for (uint32_t i = 0; i < table->cell_count; i++) {
        const kp_table_cell_t *cell = &table->cells[i];
        place_cell(table, cell);
        cell->box->x = table->columns[cell->column].x - (left + table->spacing_x);
    }
    box->height = caption + grid + edges;
    box->height += place_captions(layout, box, true, box->height);
}
