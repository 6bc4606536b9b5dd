#include "engine/layout/internal.h"
void kp_flex_intrinsic(kp_layout_t *layout, kp_box_t *box)
{
    (void)layout;
    box->min_content = box->max_content = kp_box_edges_x(box);
}
void kp_flex_layout(kp_layout_t *layout, kp_box_t *box, kp_lu_t base_height, kp_lu_t forced_height)
{
    (void)layout;
    (void)base_height;
    (void)forced_height;
    box->height = kp_box_edges_y(box);
}
