/* Tables inside of layout: the grid of one table. */
#ifndef KP_ENGINE_LAYOUT_TABLE_H
#define KP_ENGINE_LAYOUT_TABLE_H

#include "engine/layout/internal.h"

#define KP_TABLE_COLUMNS_MAX 1000

typedef struct kp_table_cell {
    kp_box_t *box;
    uint32_t row, column;
    uint32_t rows, columns; /* spans, cut to the grid */
    kp_lu_t low, high;      /* min-content and max-content, border box */
    kp_lu_t fixed;          /* specified width, border box; KP_INDEFINITE */
    float percent;          /* 0: none */
    kp_style_t *collapsed;  /* its style with the borders that won */
} kp_table_cell_t;

typedef struct kp_table_row {
    kp_box_t *box;
    kp_box_t *group; /* NULL: directly in the table */
    uint32_t first_cell, cell_count;
    kp_lu_t height, baseline, y; /* y: from the grid's top */
} kp_table_row_t;

typedef struct kp_table_column {
    kp_lu_t low, high;
    kp_lu_t width, x;
    float percent;
    bool fixed; /* some cell or col gives a width */
} kp_table_column_t;

typedef struct kp_table {
    kp_table_row_t *rows;
    uint32_t row_count;
    kp_table_cell_t *cells; /* row by row */
    uint32_t cell_count;
    kp_table_column_t *columns;
    uint32_t column_count;
    kp_lu_t spacing_x, spacing_y;
    bool collapse;
    bool columns_measured;
} kp_table_t;

/* table_grid.c: finds rows, cells and columns; resolves collapsing borders. NULL: out of memory. */
kp_table_t *kp_table_grid(kp_layout_t *layout, kp_box_t *box);
/* table_columns.c: minimum and maximum widths of the columns. */
void kp_table_measure_columns(kp_layout_t *layout, kp_box_t *box, kp_table_t *table);
/* Gives the columns their widths out of `available` (without spacing). */
void kp_table_distribute(kp_table_t *table, const kp_box_t *box, kp_lu_t available);

#endif
