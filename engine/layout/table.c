#include "engine/layout/internal.h"
void kp_table_intrinsic(kp_layout_t *layout, kp_box_t *box)
{
    (void)layout;
    box->min_content = box->max_content = kp_box_edges_x(box);
}
void kp_table_layout(kp_layout_t *layout, kp_box_t *box, kp_lu_t base_height)
{
    (void)layout;
    (void)base_height;
    box->height = kp_box_edges_y(box);
}
