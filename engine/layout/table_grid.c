/* The grid of a table: rows, cells with their spans, columns, collapsing borders. */
#include <stdlib.h>
#include <string.h>

#include "engine/layout/table.h"

static int group_rank(const kp_box_t *box)
{
    if (box->kind != KP_BOX_ROW_GROUP)
        return 1;
    return box->style->display == KP_KW_TABLE_HEADER_GROUP   ? 0
           : box->style->display == KP_KW_TABLE_FOOTER_GROUP ? 2
                                                             : 1;
}

static void count_box(const kp_box_t *row, kp_table_t *table)
{
    table->row_count++;
    for (const kp_box_t *cell = row->first_child; cell; cell = cell->next)
        table->cell_count += cell->cell;
}

typedef struct filler {
    kp_table_t *table;
    uint32_t *busy_until; /* for each column: the row behind the last one that a span covers */
    uint32_t row, cell;
} filler_t;

static void add_row(filler_t *f, kp_box_t *row, kp_box_t *group, uint32_t group_end)
{
    kp_table_t *table = f->table;
    kp_table_row_t *out = &table->rows[f->row];
    *out = (kp_table_row_t){.box = row, .group = group, .first_cell = f->cell};
    uint32_t column = 0;
    for (kp_box_t *box = row->first_child; box; box = box->next) {
        if (!box->cell)
            continue;
        while (column < KP_TABLE_COLUMNS_MAX && f->busy_until[column] > f->row)
            column++;
        if (column == KP_TABLE_COLUMNS_MAX)
            break; /* wider than any page needs: the rest of the row is not shown */
        uint32_t columns = box->column_span, rows = box->row_span;
        if (columns > KP_TABLE_COLUMNS_MAX - column)
            columns = KP_TABLE_COLUMNS_MAX - column;
        if (rows > group_end - f->row)
            rows = group_end - f->row;
        table->cells[f->cell++] = (kp_table_cell_t){.box = box,
                                                    .row = f->row,
                                                    .column = column,
                                                    .rows = rows,
                                                    .columns = columns,
                                                    .fixed = KP_INDEFINITE};
        for (uint32_t i = column; i < column + columns; i++)
            f->busy_until[i] = f->row + rows;
        column += columns;
        if (column > table->column_count)
            table->column_count = column;
    }
    out->cell_count = f->cell - out->first_cell;
    f->row++;
}

static uint32_t rows_of(const kp_box_t *group)
{
    uint32_t count = 0;
    for (const kp_box_t *row = group->first_child; row; row = row->next)
        count += row->kind == KP_BOX_ROW;
    return count;
}

static uint32_t declared_columns(const kp_box_t *box)
{
    uint32_t count = 0;
    for (const kp_box_t *child = box->first_child; child; child = child->next) {
        if (child->kind != KP_BOX_COLUMN)
            continue;
        uint32_t inner = child->first_child ? declared_columns(child) : 0;
        count += inner ? inner : child->column_span;
    }
    return count < KP_TABLE_COLUMNS_MAX ? count : KP_TABLE_COLUMNS_MAX;
}

/* ---- collapsing borders (CSS 2.2, section 17.6.2) ---- */

typedef struct edge {
    float width;
    uint16_t style;
    kp_color_t color;
} edge_t;

static int style_rank(uint16_t style)
{
    static const uint16_t order[] = {KP_KW_NONE,   KP_KW_INSET,  KP_KW_GROOVE, KP_KW_OUTSET,
                                     KP_KW_RIDGE,  KP_KW_DOTTED, KP_KW_DASHED, KP_KW_SOLID,
                                     KP_KW_DOUBLE, KP_KW_HIDDEN};
    for (int i = 0; i < 10; i++) {
        if (order[i] == style)
            return i;
    }
    return 0;
}

static edge_t edge_of(const kp_style_t *style, int side)
{
    return (edge_t){style->border_width[side], style->border_style[side],
                    kp_style_color(style, style->border_color[side])};
}

static edge_t stronger(edge_t a, edge_t b)
{
    if (a.style == KP_KW_HIDDEN || b.style == KP_KW_HIDDEN)
        return (edge_t){0, KP_KW_HIDDEN, 0};
    if (a.width != b.width)
        return a.width > b.width ? a : b;
    return style_rank(b.style) > style_rank(a.style) ? b : a;
}

/* The cell that covers a place of the grid, or NULL. grid: row_count * column_count indices + 1. */
static const kp_table_cell_t *cell_at(const kp_table_t *table, const uint32_t *grid, uint32_t row,
                                      uint32_t column)
{
    if (row >= table->row_count || column >= table->column_count)
        return NULL;
    uint32_t index = grid[(size_t)row * table->column_count + column];
    return index ? &table->cells[index - 1] : NULL;
}

static edge_t winner(kp_box_t *box, const kp_table_t *table, const uint32_t *grid,
                     const kp_table_cell_t *cell, int side)
{
    static const int opposite[] = {BOTTOM, LEFT, TOP, RIGHT};
    uint32_t row = cell->row, column = cell->column;
    bool outside = false;
    switch (side) {
    case TOP:
        outside = row == 0;
        row--;
        break;
    case BOTTOM:
        row += cell->rows;
        outside = row >= table->row_count;
        break;
    case LEFT:
        outside = column == 0;
        column--;
        break;
    default:
        column += cell->columns;
        outside = column >= table->column_count;
        break;
    }
    edge_t best = edge_of(cell->box->style, side);
    const kp_table_row_t *own = &table->rows[cell->row];
    bool vertical = side == TOP || side == BOTTOM;
    if (vertical || outside)
        best = stronger(best, edge_of(own->box->style, side));
    if (own->group && outside)
        best = stronger(best, edge_of(own->group->style, side));
    if (outside)
        return stronger(best, edge_of(box->style, side));
    const kp_table_cell_t *other = cell_at(table, grid, row, column);
    if (other)
        best = stronger(edge_of(other->box->style, opposite[side]), best);
    if (vertical && row < table->row_count)
        best = stronger(best, edge_of(table->rows[row].box->style, opposite[side]));
    return best;
}

/* Each cell gets the whole px of its half of every border: what is left over goes to the right or
   lower cell, so that lines stay sharp. */
static void collapse_borders(kp_layout_t *layout, kp_box_t *box, kp_table_t *table)
{
    size_t places = (size_t)table->row_count * table->column_count;
    uint32_t *grid = places ? calloc(places, sizeof *grid) : NULL;
    if (!grid)
        return;
    for (uint32_t i = 0; i < table->cell_count; i++) {
        const kp_table_cell_t *cell = &table->cells[i];
        for (uint32_t r = cell->row; r < cell->row + cell->rows; r++) {
            for (uint32_t c = cell->column; c < cell->column + cell->columns; c++)
                grid[(size_t)r * table->column_count + c] = i + 1;
        }
    }
    for (uint32_t i = 0; i < table->cell_count; i++) {
        kp_table_cell_t *cell = &table->cells[i];
        kp_style_t *style = kp_css_cascade_copy(layout->cascade, cell->box->style);
        if (!style) {
            kp_layout_fail(layout, KP_ERR_NO_MEMORY);
            break;
        }
        for (int side = 0; side < 4; side++) {
            edge_t edge = winner(box, table, grid, cell, side);
            float half = (float)(int)(edge.width / 2);
            bool more = side == TOP || side == LEFT;
            style->border_width[side] = more ? edge.width - half : half;
            bool outer = (side == TOP && cell->row == 0) || (side == LEFT && cell->column == 0) ||
                         (side == BOTTOM && cell->row + cell->rows >= table->row_count) ||
                         (side == RIGHT && cell->column + cell->columns >= table->column_count);
            if (outer) /* nobody on the other side draws the rest */
                style->border_width[side] = edge.width;
            style->border_style[side] = edge.style;
            style->border_color[side] = edge.color ? edge.color : 0;
            if (edge.style == KP_KW_HIDDEN || edge.style == KP_KW_NONE)
                style->border_width[side] = 0;
        }
        /* Written back only when all are known: neighbours read the original. */
        cell->collapsed = style;
    }
    for (uint32_t i = 0; i < table->cell_count; i++) {
        if (table->cells[i].collapsed)
            table->cells[i].box->style = table->cells[i].collapsed;
    }
    free(grid);
    /* The table's own border is in its cells now. */
    kp_style_t *style = kp_css_cascade_copy(layout->cascade, box->style);
    if (!style) {
        kp_layout_fail(layout, KP_ERR_NO_MEMORY);
        return;
    }
    for (int side = 0; side < 4; side++) {
        style->border_width[side] = 0;
        style->padding[side] = (kp_length_t){0};
        box->border[side] = box->padding[side] = 0;
    }
    box->style = style;
}

kp_table_t *kp_table_grid(kp_layout_t *layout, kp_box_t *box)
{
    if (box->table)
        return box->table;
    kp_table_t *table = kp_arena_alloc(&layout->arena, sizeof *table);
    filler_t filler = {.table = table};
    if (table) {
        for (const kp_box_t *child = box->first_child; child; child = child->next) {
            if (child->kind == KP_BOX_ROW)
                count_box(child, table);
            for (const kp_box_t *row = child->kind == KP_BOX_ROW_GROUP ? child->first_child : NULL;
                 row; row = row->next) {
                if (row->kind == KP_BOX_ROW)
                    count_box(row, table);
            }
        }
        table->rows = kp_arena_array(&layout->arena, table->row_count, sizeof *table->rows);
        table->cells = kp_arena_array(&layout->arena, table->cell_count, sizeof *table->cells);
        filler.busy_until = calloc(KP_TABLE_COLUMNS_MAX, sizeof *filler.busy_until);
    }
    if (!table || !table->rows || !table->cells || !filler.busy_until) {
        kp_layout_fail(layout, KP_ERR_NO_MEMORY);
        free(filler.busy_until);
        return NULL;
    }
    table->column_count = declared_columns(box);
    for (int rank = 0; rank < 3; rank++) {
        for (kp_box_t *child = box->first_child; child; child = child->next) {
            if (group_rank(child) != rank)
                continue;
            if (child->kind == KP_BOX_ROW) {
                uint32_t end = filler.row;
                for (const kp_box_t *r = child; r && r->kind == KP_BOX_ROW; r = r->next)
                    end++;
                add_row(&filler, child, NULL, end);
            } else if (child->kind == KP_BOX_ROW_GROUP) {
                uint32_t end = filler.row + rows_of(child);
                for (kp_box_t *row = child->first_child; row; row = row->next) {
                    if (row->kind == KP_BOX_ROW)
                        add_row(&filler, row, child, end);
                }
            }
        }
    }
    free(filler.busy_until);
    table->cell_count = filler.cell;
    table->columns = kp_arena_array(&layout->arena, table->column_count, sizeof *table->columns);
    if (!table->columns) {
        kp_layout_fail(layout, KP_ERR_NO_MEMORY);
        return NULL;
    }
    table->collapse = box->style->border_collapse == KP_KW_COLLAPSE;
    if (table->collapse) {
        collapse_borders(layout, box, table);
    } else {
        table->spacing_x = kp_lu(box->style->border_spacing[0]);
        table->spacing_y = kp_lu(box->style->border_spacing[1]);
    }
    box->table = table;
    return table;
}
